/// The byte string of one run of the fuzzer.
func bytes(_ start: UnsafePointer<UInt8>?, _ count: Int) -> [UInt8] {
  Array(UnsafeBufferPointer(start: start, count: count))
}

/// A promise. That it is broken is a crash, which is what the fuzzer looks for.
func promise(_ isKept: Bool, _ message: @autoclosure () -> String) {
  if !isKept { fatalError(message()) }
}

/// What must not fail.
func must<Value>(_ what: String, _ body: () throws -> Value) -> Value {
  do {
    return try body()
  } catch {
    fatalError("\(what): \(error)")
  }
}
