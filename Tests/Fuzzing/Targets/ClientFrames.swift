/// Any bytes are frames or a violation, however they are cut; what is cut differently arrives the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = bytes(start, count)
  guard let cut = input.first else { return 0 }
  let frames = Array(input.dropFirst())
  let whole = arrivals(in: [frames[...]])
  let piece = max(1, Int(cut))
  let pieces = stride(from: 0, to: frames.count, by: piece).map { frames[$0..<min($0 + piece, frames.count)] }
  let again = arrivals(in: pieces)
  promise(again == whole, "in pieces of \(piece): \(again), whole: \(whole)")
  for case .message(_, let message) in whole {
    promise(message.count <= maxBytes, "a message of \(message.count) bytes")
  }
  for case .close(let payload) in whole {
    let code = payload.withUnsafeBytes { FrameReader.answer(toClose: $0) }
    promise((1000...1014).contains(code) || (3000...4999).contains(code), "a close is answered with \(code)")
  }
  return 0
}

private let maxBytes = 300

private enum Seen: Equatable {
  case message(Opcode, [UInt8])
  case part, pong
  case ping([UInt8])
  case close([UInt8])
  case violation(UInt16)
}

private func arrivals(in pieces: [ArraySlice<UInt8>]) -> [Seen] {
  var reader = FrameReader(maxBytes: maxBytes)
  var seen: [Seen] = []
  for piece in pieces {
    do throws(FrameReader.Violation) {
      let result = piece.withUnsafeBytes { bytes in
        Result { () throws(FrameReader.Violation) in
          try reader.read(bytes) { arrival in
            seen.append(Seen(arrival))
            return true
          }
        }
      }
      try result.get()
    } catch {
      return seen + [.violation(error.code)]
    }
  }
  return seen
}

extension Seen {
  fileprivate init(_ arrival: FrameReader.Arrival) {
    switch arrival {
    case .message(let opcode, let bytes): self = .message(opcode, Array(bytes))
    case .part: self = .part
    case .ping(let bytes): self = .ping(Array(bytes))
    case .pong: self = .pong
    case .close(let bytes): self = .close(Array(bytes))
    }
  }
}
