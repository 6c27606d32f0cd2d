import Load
import TestSupport
import Testing

/// A participant's app: a WebSocket in a room, with messages in and out as JSON.
final class RoomClient: Sendable {
  static let path = "/parties/collaborative_order/"

  let socket: WebSocketClient

  private init(_ socket: WebSocketClient) { self.socket = socket }

  struct Closed: Error {
    let closure: WebSocketClosure?
  }

  static func open(
    _ port: Int, _ path: String = path + "room", headers: [(String, String)] = []
  ) async throws -> RoomClient {
    var options = WebSocketClient.Options()
    options.headers = headers
    options.connectTimeout = patience
    let socket = WebSocketClient(port: port, path: path, options: options)
    try await socket.connect()
    return RoomClient(socket)
  }

  /// Opens, joins, and reads until the room has taken it.
  static func joined(
    _ port: Int, _ path: String = path + "room", as participant: String, headers: [(String, String)] = []
  ) async throws -> RoomClient {
    let client = try await open(port, path, headers: headers)
    client.join(as: participant)
    while true {
      let message = try await client.next()
      if message["type"] == "participant_joined", message["participantId"] == .string(participant) { return client }
    }
  }

  // MARK: Sending

  func send(
    _ type: String, as participant: String, data: String? = nil, opId: String? = nil, after: Int? = nil,
    name: String? = nil
  ) {
    socket.send(Self.text(type, as: participant, data: data, opId: opId, after: after, name: name))
  }

  static func text(
    _ type: String, as participant: String, data: String? = nil, opId: String? = nil, after: Int? = nil,
    name: String? = nil
  ) -> String {
    var text = #"{"type":"\#(type)","participantId":"\#(participant)","timestamp":1234567890"#
    text += #","participantName":"\#(name ?? participant.uppercased())""#
    if let data { text += #","data":\#(data)"# }
    if let opId { text += #","opId":"\#(opId)""# }
    if let after { text += #","after":\#(after)"# }
    return text + "}"
  }

  func join(as participant: String, opId: String? = nil) {
    send("join", as: participant, data: #"{"circleId":"test","tenantId":"test","phone":"1234567890"}"#, opId: opId)
  }

  func add(_ dish: String, as participant: String, id: String? = nil, opId: String? = nil, after: Int? = nil) {
    send("add_item", as: participant, data: Self.dish(dish, id: id), opId: opId, after: after)
  }

  static func dish(_ name: String, id: String? = nil) -> String {
    let idField = id.map { #""id":"\#($0)","# } ?? ""
    return #"{\#(idField)"dishName":"\#(name)","dishType":"veg","quantity":1,"price":100}"#
  }

  // MARK: Receiving

  func nextText() async throws -> String {
    guard let text = try await socket.next(within: patience) else { throw Closed(closure: socket.closure) }
    return text
  }

  func next() async throws -> JSON { try JSON(parsing: try await nextText()) }

  /// The next message of a type; those before it are dropped.
  func next(_ type: String) async throws -> JSON {
    while true {
      let message = try await next()
      if message["type"] == .string(type) { return message }
    }
  }

  /// All that came before the room's answer to an operation that it refuses. What the room said before it took that
  /// operation is among it.
  func soFar(as participant: String) async throws -> [JSON] {
    let name = "barrier-\(UInt64.random(in: .min ... .max))"
    send("remove_item", as: participant, data: #"{"itemId":"no such item"}"#, opId: name)
    var messages: [JSON] = []
    while true {
      let message = try await next()
      if message["type"] == "error", message["data"]["opId"] == .string(name) {
        #expect(["item_not_found", "not_joined"].contains(message["data"]["code"]))
        return messages
      }
      messages.append(message)
    }
  }

  /// How the server ended the connection, after whatever it still had to say.
  func closure() async throws -> WebSocketClosure? { try await socket.waitForClosure(within: patience) }
}

/// What the server answered instead of an upgrade; nil if it did upgrade.
func refusal(_ port: Int, _ path: String, headers: [(String, String)] = []) async throws -> UpgradeResponse? {
  do {
    let client = try await RoomClient.open(port, path, headers: headers)
    await client.socket.disconnect()
    return nil
  } catch WebSocketClientError.refused(let response) {
    return response
  }
}
