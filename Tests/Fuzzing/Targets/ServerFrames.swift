import NIOCore

/// What a server sends, read by the benchmark's client: the answer to its request for an upgrade, then frames. The
/// first byte says where the bytes behind it are split.
///
/// They are read or refused, and it makes no difference where they were split.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = bytes(start, count)
  guard let first = input.first else { return 0 }
  let stream = Array(input.dropFirst())
  let step = 1 + Int(first)
  let whole = receive(stream, inStepsOf: max(stream.count, 1))
  let parts = receive(stream, inStepsOf: step)
  promise(whole == parts, "\(whole) in one piece, \(parts) in pieces of \(step)")

  let (events, fault) = decode(stream, inStepsOf: max(stream.count, 1))
  let again = decode(stream, inStepsOf: step)
  promise(events == again.0 && fault == again.1, "frames in pieces of \(step) are others")
  for case .text(let payload) in events { promise(payload.readableBytes <= maxMessageBytes, "a text is too long") }
  for case .binary(let payload) in events { promise(payload.readableBytes <= maxMessageBytes, "a message is too long") }
  checkRoundTrip(stream)
  return 0
}

private let maxMessageBytes = 300

/// What became of an upgrade: the answer, and the bytes behind it.
private enum Outcome: Equatable {
  case accepted(UpgradeResponse, [UInt8])
  case refused(UpgradeResponse)
  case failed(UpgradeExchange.Failure)
  case unfinished
}

private func receive(_ stream: [UInt8], inStepsOf step: Int) -> Outcome {
  var exchange = UpgradeExchange()
  var buffer = ByteBuffer()
  var rest = stream[...]
  do throws(UpgradeExchange.Failure) {
    while !rest.isEmpty {
      buffer.writeBytes(rest.prefix(step))
      rest = rest.dropFirst(step)
      switch try exchange.receive(&buffer, atEnd: rest.isEmpty) {
      case .needsMore: break
      case .accepted(let response): return .accepted(response, Array(buffer.readableBytesView) + rest)
      case .refused(let response): return .refused(response)
      }
    }
  } catch {
    return .failed(error)
  }
  return .unfinished
}

private func decode(_ stream: [UInt8], inStepsOf step: Int) -> ([WebSocketDecoder.Event], WebSocketFault?) {
  var decoder = WebSocketDecoder(maxMessageBytes: maxMessageBytes)
  var buffer = ByteBuffer()
  var events: [WebSocketDecoder.Event] = []
  var rest = stream[...]
  do throws(WebSocketFault) {
    while !rest.isEmpty {
      buffer.writeBytes(rest.prefix(step))
      rest = rest.dropFirst(step)
      while let event = try decoder.next(from: &buffer) { events.append(event) }
    }
  } catch {
    return (events, error)
  }
  return (events, nil)
}

/// What the client's encoder makes, and a server's would without the mask, is read as it was.
private func checkRoundTrip(_ payload: [UInt8]) {
  var encoder = ClientFrameEncoder()
  encoder.isMasked = false
  let part = Array(payload.prefix(maxMessageBytes))
  var buffer = encoder.encode(.binary, payload: part)
  var decoder = WebSocketDecoder(maxMessageBytes: maxMessageBytes)
  let event = must("reading a frame that was written") { try decoder.next(from: &buffer) }
  promise(event == .binary(ByteBuffer(bytes: part)), "a frame that was written is read as another")
  promise(buffer.readableBytes == 0, "a frame that was written is longer than it says")
}
