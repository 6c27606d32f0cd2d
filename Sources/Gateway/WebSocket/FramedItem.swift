import NIOCore
import RoomCore
import Rooms

/// A part of a room's output with its texts framed, once for all sockets.
enum FramedItem: Sendable {
  case changes(FramedChanges)
  case transient(ByteBuffer)
  case direct(SessionNumber, ByteBuffer)
  case sync(SessionNumber, head: SequenceNumber, ByteBuffer?)
  case resuming(SessionNumber, head: SequenceNumber, ByteBuffer?)
  case history(SessionNumber, [ByteBuffer])
  case settled(SessionNumber, count: Int)
  case bound(SessionNumber, ParticipantID)
  case overflowed(SessionNumber, ordinal: UInt64)
  case rehoming(Int)
  case ended(RoomEnding)

  static func framing(_ items: [RoomOutput.Item], allocator: ByteBufferAllocator) -> [FramedItem] {
    var framed: [FramedItem] = []
    framed.reserveCapacity(items.count)
    var rest = items[...]
    while let first = rest.first {
      if let changes = FramedChanges(takenFrom: &rest, allocator: allocator) {
        framed.append(.changes(changes))
      } else {
        framed.append(FramedItem(first, allocator: allocator))
        rest.removeFirst()
      }
    }
    return framed
  }

  private init(_ item: RoomOutput.Item, allocator: ByteBufferAllocator) {
    func frame(_ text: [UInt8]) -> ByteBuffer { Frames.text(text, allocator: allocator) }
    switch item {
    case .broadcast: preconditionFailure("broadcasts are framed together with those behind them")
    case .transient(let text): self = .transient(frame(text))
    case .direct(let number, let text): self = .direct(number, frame(text))
    case .sync(let number, let head, let text): self = .sync(number, head: head, text.map(frame))
    case .resuming(let number, let head, let text): self = .resuming(number, head: head, text.map(frame))
    case .history(let number, let texts): self = .history(number, texts.map(frame))
    case .settled(let number, let count): self = .settled(number, count: count)
    case .bound(let number, let participant): self = .bound(number, participant)
    case .overflowed(let number, let ordinal): self = .overflowed(number, ordinal: ordinal)
    case .rehoming(let number): self = .rehoming(number)
    case .ended(let ending): self = .ended(ending)
    }
  }
}

/// Changes of a room that go out in one piece, each in a frame of its own: a socket takes one buffer for a whole turn.
struct FramedChanges: Sendable {
  /// Frames, one behind the other.
  struct Run: Sendable {
    var bytes: ByteBuffer
    var count: Int
  }

  /// The position of the last one.
  let last: SequenceNumber
  /// Nil where a dialect is told nothing, or nobody speaks it.
  let full: Run?
  let delta: Run?

  subscript(dialect: Dialect) -> Run? {
    switch dialect {
    case .full: full
    case .delta: delta
    }
  }

  /// Takes the broadcasts at the front of `items`; nil if there is none.
  fileprivate init?(takenFrom items: inout ArraySlice<RoomOutput.Item>, allocator: ByteBufferAllocator) {
    var last: SequenceNumber?
    var fullTexts: [[UInt8]] = []
    var deltaTexts: [[UInt8]] = []
    while case .broadcast(let sequence, let full, let delta)? = items.first {
      last = sequence
      if let full { fullTexts.append(full) }
      if let delta { deltaTexts.append(delta) }
      items.removeFirst()
    }
    guard let last else { return nil }
    self.last = last
    full = Run(fullTexts, allocator: allocator)
    delta = Run(deltaTexts, allocator: allocator)
  }
}

extension FramedChanges.Run {
  fileprivate init?(_ texts: [[UInt8]], allocator: ByteBufferAllocator) {
    guard !texts.isEmpty else { return nil }
    bytes = allocator.buffer(capacity: texts.reduce(0) { $0 + Frames.maxHeaderBytes + $1.count })
    for text in texts { Frames.write(.text, text, to: &bytes) }
    count = texts.count
  }
}
