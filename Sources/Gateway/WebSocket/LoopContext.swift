import NIOCore
import RoomCore
import Rooms

/// What the connections of one event loop share: the sessions by room, the flush at the end of a tick, and the look for
/// the dead. Touched on its loop only.
final class LoopContext {
  private let loop: any EventLoop
  private var sessions: [RoomID: [SessionNumber: RoomSession]] = [:]
  private var connections: [ObjectIdentifier: WebSocketConnection] = [:]
  private var unflushed: [WebSocketConnection] = []

  init(loop: any EventLoop) { self.loop = loop }

  // MARK: - Connections

  func add(_ connection: WebSocketConnection) { connections[ObjectIdentifier(connection)] = connection }

  func remove(_ connection: WebSocketConnection) { connections[ObjectIdentifier(connection)] = nil }

  /// Flushes the connection once the work of this tick is done: whatever many rooms have to say to a socket in one
  /// tick goes out with one system call.
  func flushLater(_ connection: WebSocketConnection) {
    unflushed.append(connection)
    guard unflushed.count == 1 else { return }
    loop.assumeIsolated().execute {
      let connections = self.unflushed
      self.unflushed.removeAll(keepingCapacity: true)
      for connection in connections { connection.flush() }
    }
  }

  func sweep(now: NIODeadline) {
    for connection in Array(connections.values) { connection.sweep(now: now) }
  }

  func goAway() {
    for connection in Array(connections.values) { connection.goAway() }
  }

  // MARK: - Sessions

  func add(_ session: RoomSession) { sessions[session.room, default: [:]][session.number] = session }

  func remove(_ session: RoomSession) {
    sessions[session.room]?[session.number] = nil
    if sessions[session.room]?.isEmpty == true { sessions[session.room] = nil }
  }

  func deliver(_ items: [FramedItem], to room: RoomID) {
    guard let members = sessions[room] else { return }
    for item in items {
      switch item {
      case .broadcast(let sequence, let full, let delta):
        for session in members.values { session.deliverChange(at: sequence, full: full, delta: delta) }
      case .transient(let frame):
        for session in members.values { session.deliverTransient(frame) }
      case .direct(let number, let frame): members[number]?.deliverDirect(frame)
      case .sync(let number, let head, let frame): members[number]?.deliverState(frame, at: head)
      case .resuming(let number, let head, let frame): members[number]?.beginResuming(frame, through: head)
      case .history(let number, let frames): members[number]?.finishResuming(frames)
      case .ended(let ending):
        for session in members.values { session.end(ending) }
      }
    }
  }
}

/// An item of a room's output with its texts framed, once for all sockets.
enum FramedItem: Sendable {
  case broadcast(at: SequenceNumber, full: ByteBuffer?, delta: ByteBuffer?)
  case transient(ByteBuffer)
  case direct(SessionNumber, ByteBuffer)
  case sync(SessionNumber, head: SequenceNumber, ByteBuffer?)
  case resuming(SessionNumber, head: SequenceNumber, ByteBuffer)
  case history(SessionNumber, [ByteBuffer])
  case ended(RoomEnding)

  init(_ item: RoomOutput.Item, allocator: ByteBufferAllocator) {
    func frame(_ text: [UInt8]) -> ByteBuffer { Frames.text(text, allocator: allocator) }
    switch item {
    case .broadcast(let sequence, let full, let delta):
      self = .broadcast(at: sequence, full: full.map(frame), delta: delta.map(frame))
    case .transient(let text): self = .transient(frame(text))
    case .direct(let number, let text): self = .direct(number, frame(text))
    case .sync(let number, let head, let text): self = .sync(number, head: head, text.map(frame))
    case .resuming(let number, let head, let text): self = .resuming(number, head: head, frame(text))
    case .history(let number, let texts): self = .history(number, texts.map(frame))
    case .ended(let ending): self = .ended(ending)
    }
  }
}
