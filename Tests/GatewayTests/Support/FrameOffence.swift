import Testing

/// Frames that RFC 6455 forbids, with the code that must answer them.
struct FrameOffence: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let code: UInt16
  let commit: @Sendable (FrameClient) -> Void

  init(_ name: String, _ code: UInt16, _ commit: @escaping @Sendable (FrameClient) -> Void) {
    testDescription = name
    self.code = code
    self.commit = commit
  }
}
