import Ordering
import RoomCore
import Wire

/// Any bytes are frames or an error, however they are cut; what is cut differently arrives the same. What was read is
/// written and read as the same, and so is a command inside.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = bytes(start, count)
  guard let cut = input.first else { return 0 }
  let stream = Array(input.dropFirst())
  let whole = arrivals(in: [stream[...]])
  let piece = max(1, Int(cut))
  let pieces = stride(from: 0, to: stream.count, by: piece).map { stream[$0..<min($0 + piece, stream.count)] }
  let again = arrivals(in: pieces)
  promise(again.frames == whole.frames, "in pieces of \(piece) other frames come")
  promise(again.isBroken == whole.isBroken, "in pieces of \(piece) another end comes")
  for frame in whole.frames { check(frame) }
  return 0
}

private func arrivals(in pieces: [ArraySlice<UInt8>]) -> (frames: [PeerFrame], isBroken: Bool) {
  var decoder = PeerFrameDecoder()
  var frames: [PeerFrame] = []
  for piece in pieces {
    decoder.feed(piece)
    do {
      while let frame = try decoder.next() { frames.append(frame) }
    } catch {
      promise(!error.reason.isEmpty, "an error without a reason")
      return (frames, true)
    }
  }
  return (frames, false)
}

private func check(_ frame: PeerFrame) {
  let written = must("writing what was read") { try frame.encoded() }
  let read = arrivals(in: [written[...]])
  promise(read.frames == [frame] && !read.isBroken, "a frame that was written is read as another")
  switch frame {
  case .hello(let hello):
    promise(hello.body == Array(written.dropFirst(5)), "a hello is proved otherwise than it is sent")
  case .request(_, .operation(let operation)):
    guard let command = try? OrderCommand(peerBytes: operation.command) else { return }
    let again = must("reading a command that was written") { try OrderCommand(peerBytes: command.peerBytes) }
    promise(again == command, "a command that was written is read as another")
  default: break
  }
}
