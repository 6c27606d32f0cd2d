/// Cuts a connection's bytes into frames, in whatever pieces they come.
///
/// A length is checked as soon as it is there, before memory is kept for it. After an error there are no more frames.
public struct PeerFrameDecoder: Sendable {
  /// How long a frame may be, type and body together.
  public var maxFrameBytes: Int
  /// Frames of a type that this version does not know; they were passed over.
  public private(set) var skippedFrames = 0

  private var bytes: [UInt8] = []
  /// Where in `bytes` the next frame begins.
  private var start = 0
  private var failure: PeerFrameError?

  /// Memory beyond this is given back when nothing is in it.
  private static let keptBytes = 1 << 18

  public init(maxFrameBytes: Int = PeerLimits.maxFrameBytes) { self.maxFrameBytes = maxFrameBytes }

  public mutating func feed(_ more: some Collection<UInt8>) {
    guard failure == nil else { return }
    if start == bytes.count {
      bytes.removeAll(keepingCapacity: bytes.capacity <= Self.keptBytes)
      start = 0
    } else if start > bytes.count / 2 {
      bytes.removeSubrange(..<start)
      start = 0
    }
    bytes.append(contentsOf: more)
  }

  /// The next whole frame; nil if more bytes are needed.
  public mutating func next() throws(PeerFrameError) -> PeerFrame? {
    if let failure { throw failure }
    do throws(PeerFrameError) {
      while let content = try nextContent() {
        if let frame = try PeerFrame.read(content) { return frame }
        skippedFrames += 1
      }
      return nil
    } catch {
      failure = error
      bytes = []
      start = 0
      throw error
    }
  }

  private mutating func nextContent() throws(PeerFrameError) -> ArraySlice<UInt8>? {
    guard bytes.count - start >= 4 else { return nil }
    let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
    guard (1...maxFrameBytes).contains(length) else {
      throw PeerFrameError("a frame of \(length) bytes is outside 1...\(maxFrameBytes)")
    }
    let end = start + 4 + length
    guard bytes.count >= end else { return nil }
    defer { start = end }
    return bytes[start + 4..<end]
  }
}
