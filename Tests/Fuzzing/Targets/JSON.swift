import JSONText

/// Any text is read or refused, and what was read whole can be read again value by value, and copied as it stands.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let text = bytes(start, count)
  let skipped = try? JSONReader.read(text) { reader throws(JSONError) in try reader.verbatim() }
  var strings: [String] = []
  let isRead: Void? = try? JSONReader.read(text) { reader throws(JSONError) in try read(&reader, &strings) }
  promise((skipped == nil) == (isRead == nil), "skipping and reading disagree")
  if let skipped {
    let again = must("reading a copy") {
      try JSONReader.read(skipped) { reader throws(JSONError) in try reader.verbatim() }
    }
    promise(again == skipped, "a copy of a copy is another text")
  }
  for string in strings {
    var writer = JSONWriter()
    writer.string(string)
    let written = writer.bytes
    let again = must("reading what was written") {
      try JSONReader.read(written) { reader throws(JSONError) in try reader.string() }
    }
    promise(again == string, "a string that was written is read as another")
  }
  return 0
}

/// Pulls every value, whatever it is.
private func read(_ reader: inout JSONReader, _ strings: inout [String]) throws(JSONError) {
  switch try reader.peek() {
  case .object:
    try reader.beginObject()
    while let key = try reader.nextKey() {
      strings.append(try key.string())
      try read(&reader, &strings)
    }
  case .array:
    try reader.beginArray()
    while try reader.nextElement() { try read(&reader, &strings) }
  case .string: strings.append(try reader.string())
  case .number:
    let number = try reader.number()
    for digits in [0, 2, 4] {
      guard let units = number.scaled(byDigits: digits) else { continue }
      let back = DecimalNumber(significand: units, exponent: -digits)
      promise(back == number || units == 0, "\(number) with \(digits) digits is \(units)")
    }
  case .bool: _ = try reader.bool()
  case .null: promise(try reader.null(), "null is not null")
  }
}
