import Foundation
import NIOCore
import NIOWebSocket
import Ordering
import RoomCore
import TestSupport
import Wire

@testable import Gateway

/// Somebody who fills a cart, over however many connections, and remembers all that was promised.
final class VirtualClient: @unchecked Sendable {
  // Unchecked: touched by the scheduler's thread only.
  enum Kind {
    /// Dialect 2: names its operations, sends them again until they are answered, goes on where it was.
    case persistent
    /// The original app: knows nothing of names and positions.
    case original
  }

  struct Pending {
    let name: String
    let type: String
    let data: String
    let after: Int
  }

  let kind: Kind
  let id: String
  let room: RoomID
  private unowned let cluster: VirtualCluster
  private var chance: SplitMix64
  private(set) var socket: VirtualSocket?
  private var connections = 0
  private var made = 0

  /// The last position that it knows.
  private(set) var last: Int?
  private var isResuming = false
  private(set) var pending: [Pending] = []
  private(set) var acknowledged: [String: Int] = [:]
  private(set) var refused: Set<String> = []
  /// How often it has sent each operation.
  private var attempts: [String: Int] = [:]
  /// Of the original app: what it sent on a connection that has not broken since, and how often it heard of an error.
  private(set) var dishes: [(name: String, connection: Int)] = []
  private(set) var errors = 0
  private(set) var brokenConnections: Set<Int> = []
  private(set) var seen = 0
  private(set) var closings = 0

  private static let window = 4

  init(_ id: String, _ kind: Kind, in room: RoomID, seed: UInt64, _ cluster: VirtualCluster) {
    self.id = id
    self.kind = kind
    self.room = room
    self.cluster = cluster
    chance = SplitMix64(seed: seed)
  }

  private var scheduler: Scheduler { cluster.scheduler }

  // MARK: - Connections

  func start() {
    connect()
    live()
  }

  private func connect() {
    connections += 1
    let number = connections
    guard let gateway = cluster.gateway(chance.next()) else { return comeBack(number) }
    let socket = VirtualSocket(of: self, number: number, at: gateway)
    let dialect = kind == .persistent ? Dialect.delta : .full
    let entry = RoomEntry(
      room: room, dialect: dialect, since: kind == .persistent ? last.map { SequenceNumber(Int64($0)) } : nil,
      history: nil, identity: nil, address: nil)
    scheduler.after(Int64(200_000 + chance.below(2_000_000))) { [self] in
      guard number == connections else { return }
      guard !gateway.life.hasEnded else { return comeBack(number) }
      self.socket = socket
      isResuming = false
      socket.open(entry)
      if kind == .original {
        send("join", #"{"circleId":"test","tenantId":"test","phone":"1234567890"}"#)
      } else {
        let unanswered = pending
        pending = []
        if made == 0 {
          made = 1
          begin("join", "\(id)-join", #"{"circleId":"test","tenantId":"test","phone":"1234567890"}"#)
        }
        for operation in unanswered { resend(operation) }
      }
    }
  }

  private func comeBack(_ number: Int) {
    scheduler.after(Int64(100_000_000 + chance.below(400_000_000))) { [self] in
      if number == connections { connect() }
    }
  }

  /// The client itself goes, and comes back.
  func breakConnection() {
    guard let socket else { return }
    cluster.note("\(id) breaks its connection")
    socket.clientCloses()
    lost(socket.number)
  }

  /// - Parameter code: nil if the gateway's machine closed it.
  func closed(_ number: Int, code: Int?) {
    guard socket?.number == number else { return }
    cluster.note("\(id) is closed: \(code.map { "\($0)" } ?? "its gateway is gone")")
    if code != nil { closings += 1 }
    lost(number)
  }

  private func lost(_ number: Int) {
    brokenConnections.insert(number)
    socket = nil
    comeBack(number)
  }

  // MARK: - Sending

  private func live() {
    scheduler.after(Int64(60_000_000 + chance.below(400_000_000))) { [self] in
      guard !cluster.isFinishing else { return }
      if socket != nil, pending.count < Self.window { operate() }
      live()
    }
  }

  private func operate() {
    if kind == .original {
      made += 1
      let name = "\(id)-dish-\(made)"
      dishes.append((name, connections))
      send("add_item", Self.dish(name, id: nil))
      return
    }
    let (item, step) = ((made - 1) / 3, (made - 1) % 3)
    let itemID = "\(id)-item-\(item)"
    let name = "\(id)-op-\(made)"
    made += 1
    switch step {
    case 0: begin("add_item", name, Self.dish("Dish \(item)", id: itemID))
    case 1: begin("update_quantity", name, #"{"itemId":"\#(itemID)","quantity":\#(2 + item % 90)}"#)
    default: begin("remove_item", name, #"{"itemId":"\#(itemID)"}"#)
    }
  }

  private static func dish(_ name: String, id: String?) -> String {
    let idField = id.map { #""id":"\#($0)","# } ?? ""
    return #"{\#(idField)"dishName":"\#(name)","dishType":"veg","quantity":1,"price":100}"#
  }

  private func begin(_ type: String, _ name: String, _ data: String) {
    cluster.named[name] = id
    resend(Pending(name: name, type: type, data: data, after: last ?? 0))
  }

  private func resend(_ operation: Pending) {
    if !pending.contains(where: { $0.name == operation.name }) { pending.append(operation) }
    attempts[operation.name, default: 0] += 1
    send(operation.type, operation.data, opId: operation.name, after: operation.after)
  }

  private func send(_ type: String, _ data: String, opId: String? = nil, after: Int? = nil) {
    var text = #"{"type":"\#(type)","participantId":"\#(id)","participantName":"\#(id)","data":\#(data)"#
    if let opId { text += #","opId":"\#(opId)""# }
    if let after { text += #","after":\#(after)"# }
    socket?.clientSends(text + #","timestamp":1234567890}"#)
  }

  // MARK: - What it is told

  /// Saved before sent: what leaves the gateway is in the store, as it is there.
  func willBeTold(_ text: String) -> Message? {
    guard let message = Message(text) else { return nil }
    guard let position = message.seq else { return message }
    guard position <= cluster.head(of: room) else {
      cluster.violate(.safety, "\(id) is told of \(position), and the store has \(cluster.head(of: room)): \(text)")
      return message
    }
    if message.isChange, kind == .persistent {
      let record = cluster.record(position, of: room)
      let expected = String(decoding: ServerMessage.delta(record, currency: .inr), as: UTF8.self)
      if text != expected { cluster.violate(.safety, "\(id) is told \(text) of \(expected)") }
    }
    return message
  }

  func received(_ message: Message?, on number: Int) {
    guard socket?.number == number else { return }
    guard let message else { return cluster.violate(.safety, "\(id) is told what nobody can read") }
    seen += 1
    switch message.type {
    case "ack": acknowledge(message)
    case "error": refuse(message)
    case "sync":
      guard let position = message.seq else { return }
      if position < last ?? 0 { cluster.violate(.safety, "\(id) is told of a state at \(position) after \(last ?? 0)") }
      last = position
      isResuming = false
    case "resumed":
      isResuming = true
      if message.since != last {
        cluster.violate(.safety, "\(id) resumes at \(message.since ?? -1) and not at \(last ?? -1)")
      }
    default:
      guard let position = message.seq else { return }
      isResuming = false
      if kind == .persistent || last != nil, position != (last ?? 0) + 1 {
        // The original app may be told of several changes by one state.
        if kind == .persistent || position <= last ?? 0 {
          cluster.violate(.safety, "\(id) is told of \(position) after \(last ?? 0)")
        }
      }
      last = position
    }
  }

  private func acknowledge(_ message: Message) {
    guard let name = message.opId, let position = message.seq else {
      return cluster.violate(.safety, "\(id) gets an answer without a name or position")
    }
    if let index = pending.firstIndex(where: { $0.name == name }) { pending.remove(at: index) }
    if refused.contains(name) { cluster.violate(.safety, "\(name) is answered after it was refused for good") }
    if let earlier = acknowledged[name], earlier != position {
      cluster.violate(.safety, "\(name) is answered with \(position), and was with \(earlier)")
    }
    acknowledged[name] = position
    cluster.acknowledged(room, position)
    let positions = positions(of: name)
    if positions.last?.number != Int64(position) {
      cluster.violate(.safety, "\(name) is answered with \(position) and is at \(positions)")
    }
  }

  private func refuse(_ message: Message) {
    guard kind == .persistent else {
      errors += 1
      return
    }
    guard let name = message.subject, let operation = pending.first(where: { $0.name == name }) else { return }
    if message.code == "store_unavailable", attempts[name] == 1 {
      let positions = positions(of: name)
      if !positions.isEmpty { cluster.violate(.safety, "\(name) is said not to be applied and is at \(positions)") }
    }
    if message.isRetryable {
      scheduler.after(Int64(200_000_000 + chance.below(300_000_000))) { [self] in
        if socket != nil, pending.contains(where: { $0.name == name }) { resend(operation) }
      }
      return
    }
    pending.removeAll { $0.name == name }
    refused.insert(name)
    if !["item_not_found", "not_joined", "limit_exceeded"].contains(message.code ?? "") {
      cluster.violate(.safety, "\(name) is refused: \(message.code ?? "")")
    }
  }

  /// Where an operation of its own is in the store.
  private func positions(of name: String) -> [SequenceNumber] {
    cluster.positions(of: OperationID(participant: ParticipantID(id), value: name), in: room)
  }

  // MARK: - In the end

  /// What it still waits for; nil if nothing.
  func waitsFor(head: Int) -> String? {
    if socket == nil { return "\(id) has no connection" }
    if !pending.isEmpty { return "\(id) waits for \(pending[0].name)" }
    if errors == 0, let dish = dishes.last(where: { !brokenConnections.contains($0.connection) }),
      cluster.count(of: dish.name, in: room) == 0
    {
      return "\(id) has sent \(dish.name) on a connection that holds, and it is not there"
    }
    if last ?? 0 != head { return "\(id) is at \(last ?? 0) of \(head)" }
    return nil
  }

  func judge() {
    for (name, position) in acknowledged {
      let positions = positions(of: name)
      if positions.last?.number != Int64(position) {
        cluster.violate(.safety, "\(name) was answered with \(position) and is at \(positions)")
      }
    }
    for name in refused {
      let positions = positions(of: name)
      if !positions.isEmpty { cluster.violate(.safety, "\(name) was refused for good and is at \(positions)") }
    }
    for (name, connection) in dishes {
      let count = cluster.count(of: name, in: room)
      if count > 1 { cluster.violate(.safety, "\(name) is there \(count) times") }
      if count == 0, errors == 0, !brokenConnections.contains(connection) {
        cluster.violate(.safety, "\(name) was sent on a connection that held, and is not there")
      }
    }
  }
}

/// What a client has to know of a message.
struct Message {
  let type: String
  let seq: Int?
  let opId: String?
  let since: Int?
  let code: String?
  let subject: String?
  let isRetryable: Bool

  var isChange: Bool { !["ack", "error", "sync", "resumed"].contains(type) }

  init?(_ text: String) {
    guard let fields = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
      let type = fields["type"] as? String
    else { return nil }
    let data = fields["data"] as? [String: Any] ?? [:]
    self.type = type
    seq = fields["seq"] as? Int
    opId = fields["opId"] as? String
    since = data["since"] as? Int
    code = data["code"] as? String
    subject = data["opId"] as? String
    isRetryable = data["retryable"] as? Bool ?? false
  }
}

/// A client's connection to a gateway.
final class VirtualSocket: ClientSocket {
  let number: Int
  let allocator = ByteBufferAllocator()
  private(set) var isWritable = true
  private let client: VirtualClient
  let gateway: VirtualProcess
  private var session: RoomSession?
  private var isOpen = true
  /// When the last message arrives, there and here.
  private var arrivals: (atGateway: Int64, atClient: Int64) = (0, 0)

  init(of client: VirtualClient, number: Int, at gateway: VirtualProcess) {
    self.client = client
    self.number = number
    self.gateway = gateway
  }

  private var scheduler: Scheduler { gateway.scheduler }

  // MARK: - The client's end

  func open(_ entry: RoomEntry) { toGateway { $0.session = $0.gateway.open(entry, $0) } }

  func clientSends(_ text: String) {
    let bytes = Array(text.utf8)
    toGateway { socket in
      bytes.withUnsafeBytes { socket.session?.received(.text, $0, at: .now()) }
    }
  }

  func clientCloses() { toGateway { $0.end() } }

  /// Takes nothing for a while.
  func stall(for nanoseconds: Int64) {
    scheduler.onLoop(of: gateway.life) { [self] in isWritable = false }
    scheduler.onLoop(of: gateway.life, after: nanoseconds) { [self] in
      isWritable = true
      session?.drained()
    }
  }

  private func toGateway(_ work: @escaping (VirtualSocket) -> Void) {
    arrivals.atGateway = max(arrivals.atGateway + 1, scheduler.now + scheduler.random(100_000...1_500_000))
    scheduler.after(arrivals.atGateway - scheduler.now, as: gateway.life) { [self] in
      scheduler.onLoop(of: gateway.life) { if self.isOpen { work(self) } }
    }
  }

  // MARK: - The gateway's end

  func send(_ frames: ByteBuffer, count: Int) {
    guard isOpen else { return }
    for text in Self.texts(of: frames) {
      let message = client.willBeTold(text)
      toClient { $0.client.received(message, on: $0.number) }
    }
  }

  func close(_ code: WebSocketErrorCode, reason: String) {
    guard isOpen else { return }
    let code = Int(UInt16(webSocketErrorCode: code))
    toClient { $0.client.closed($0.number, code: code) }
    scheduler.onLoop(of: gateway.life) { [self] in end() }
  }

  func withOneFlush<Result>(_ body: () -> Result) -> Result { body() }

  private func end() {
    guard isOpen else { return }
    isOpen = false
    session?.closed()
    session = nil
  }

  private func toClient(_ work: @escaping (VirtualSocket) -> Void) {
    arrivals.atClient = max(arrivals.atClient + 1, scheduler.now + scheduler.random(100_000...1_500_000))
    scheduler.after(arrivals.atClient - scheduler.now) { work(self) }
  }

  /// The texts of whole frames that are not masked.
  private static func texts(of frames: ByteBuffer) -> [String] {
    var (frames, texts) = (frames, [String]())
    while let head = frames.readMultipleIntegers(as: (UInt8, UInt8).self) {
      var length = Int(head.1)
      if length == 126 { length = Int(frames.readInteger(as: UInt16.self) ?? 0) }
      if length == 127 { length = Int(frames.readInteger(as: UInt64.self) ?? 0) }
      guard let text = frames.readString(length: length) else { preconditionFailure("a frame is not whole") }
      if head.0 & 0x0F == Opcode.text.rawValue { texts.append(text) }
    }
    return texts
  }
}
