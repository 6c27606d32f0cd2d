import Foundation
import Load
import NIOCore
import TestSupport
import Testing

/// How an order stands when something hostile comes.
enum HostileScene: Sendable {
  /// Nobody has joined.
  case none
  /// `asha` owns an order without items.
  case bare
  /// `asha` owns it and has added `dal`; `ravi` has joined and added `naan`, each for 100; a member has joined.
  case open
  /// Items may be changed by who added them only.
  case own
  /// Two items, three participants and 250.00 are all that it may have.
  case full
  case locked, finalized, cancelled, expired

  var hasEnded: Bool { self == .finalized || self == .cancelled || self == .expired }
}

/// A room in such a state, with two who watch it: one in each dialect.
struct HostileTable {
  private static let joining = #"{"circleId":"test","tenantId":"test"}"#

  let room: String
  let port: Int
  let owner: FrameClient
  let member: FrameClient
  /// Opened where one is needed.
  let stranger: FrameClient?
  /// In dialect `full`.
  let watcher: FrameClient

  init(_ scene: HostileScene, room: String, on port: Int, withStranger: Bool) async throws {
    self.room = room
    self.port = port
    let path = RoomClient.path + room
    owner = try await FrameClient.open(port, path + "?v=2")
    member = try await FrameClient.open(port, path + "?v=2")
    stranger = withStranger ? try await FrameClient.open(port, path + "?v=2") : nil
    watcher = try await FrameClient.open(port, path)
    try await play(scene)
    for client in clients { _ = try await client.untilBarrier() }
  }

  var clients: [FrameClient] { [owner, member, watcher] + (stranger.map { [$0] } ?? []) }

  private func play(_ scene: HostileScene) async throws {
    if scene == .none { return }
    try await done("join", as: "asha", Self.joining, by: owner)
    if scene == .bare { return }
    try await done("add_item", as: "asha", RoomClient.dish("Dal", id: "dal"), by: owner)
    try await done("join", as: "mina", Self.joining, by: member)
    try await done("join", as: "ravi", Self.joining, by: watcher)
    try await done("add_item", as: "ravi", RoomClient.dish("Naan", id: "naan"), by: watcher)
    switch scene {
    case .none, .bare, .open: break
    case .own: try await done("set_limits", as: "asha", #"{"editing":"own"}"#, by: owner)
    case .full:
      try await done("set_limits", as: "asha", #"{"maxItems":2,"maxParticipants":3,"maxTotal":250}"#, by: owner)
    case .locked: try await done("lock", as: "asha", by: owner)
    case .finalized: try await done("finalize", as: "asha", by: owner)
    case .cancelled: try await done("cancel", as: "asha", by: owner)
    case .expired: try await expire()
    }
  }

  /// Sets a deadline in the near future, or in a less near one where that has passed before it was taken, and waits for
  /// it. No timer need run for it: the rules look at the deadline, too.
  private func expire() async throws {
    for delayMillis in [200, 1000, 5000] {
      let deadline = Int(Date().timeIntervalSince1970 * 1000) + delayMillis
      let isSet = try await refusal("set_deadline", #"{"deadline":\#(deadline)}"#) == nil
      guard isSet else { continue }
      return try await eventually("the deadline") {
        try await refusal("remove_item", #"{"itemId":"-"}"#) == "order_expired"
      }
    }
    throw GaveUp(what: "a deadline that is taken in time")
  }

  /// The code of the owner's error; nil if the operation was accepted.
  private func refusal(_ type: String, _ data: String) async throws -> String? {
    owner.send(RoomClient.text(type, as: "asha", data: data, opId: "setup-\(UInt64.random(in: .min ... .max))"))
    while let message = try await owner.nextMessage() {
      if message["type"] == "ack" { return nil }
      if message["type"] == "error" { return message["data"]["code"].string }
    }
    throw RawConnection.Ended(what: type)
  }

  private func done(_ type: String, as participant: String, _ data: String? = nil, by client: FrameClient) async throws
  {
    let name = "setup-\(type)"
    client.send(RoomClient.text(type, as: participant, data: data, opId: name))
    while try await client.next("ack")["opId"] != .string(name) {}
  }

  func client(of sender: HostileMessage.Sender) throws -> FrameClient {
    switch sender {
    case .owner: owner
    case .member: member
    case .stranger: try #require(stranger)
    }
  }

  /// What anybody gets to read: the state and its `seq`, or that there is none.
  func state() async throws -> JSON {
    let response = try await RawConnection.open(port).get(RoomClient.path + room)
    return try JSON(parsing: response.body).dropping("timestamp")
  }
}

extension FrameClient {
  private static let barrier = "barrier"

  /// All that came before the answer to an operation that is refused whatever state the order is in.
  func untilBarrier() async throws -> [JSON] {
    send(RoomClient.text("remove_item", as: "nobody", data: #"{"itemId":"-"}"#, opId: Self.barrier))
    var messages: [JSON] = []
    while let event = try await nextAnsweringPings() {
      guard case .text(let text) = event else { throw Unexpected(event: event) }
      let message = try JSON(parsing: String(buffer: text))
      if message["data"]["opId"] == .string(Self.barrier) { return messages }
      messages.append(message)
    }
    throw RawConnection.Ended(what: "the barrier")
  }

  struct Unexpected: Error {
    let event: WebSocketDecoder.Event
  }
}
