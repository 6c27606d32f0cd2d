import Load
import Testing

/// A participant of dialect 2 who sends an operation again, under its name, until it is told what became of it.
struct PersistentClient {
  enum Answer: Equatable {
    case accepted(at: Int)
    case refused(code: String)
    case closed(code: UInt16?)
  }

  let id: String
  let room: String
  var view = View()
  private var client: RoomClient?
  /// What each operation said it had seen when it was first sent.
  private var after: [String: Int] = [:]

  init(_ id: String, in room: String) {
    self.id = id
    self.room = room
  }

  mutating func leave() async {
    await client?.socket.disconnect()
    client = nil
  }

  /// Sends an operation, over the connection that there is, or a new one.
  mutating func send(_ dish: String, _ port: Int) async throws {
    let seen = after[dish] ?? view.last ?? 0
    after[dish] = seen
    let client = try await connected(port)
    client.add(dish, as: id, id: dish, opId: dish, after: seen)
  }

  mutating func join(_ port: Int) async throws {
    let client = try await connected(port)
    client.join(as: id, opId: "join")
    try #require(try await answer(to: "join") == .accepted(at: 2))
  }

  mutating func ask(_ dish: String, _ port: Int) async throws -> Answer {
    try await send(dish, port)
    return try await answer(to: dish)
  }

  mutating func answer(to name: String) async throws -> Answer {
    guard let client else { return .closed(code: nil) }
    do {
      while true {
        let text = try await client.nextText()
        let message = try JSON(parsing: text)
        view.see(text, message)
        switch message["type"] {
        case "ack" where message["opId"] == .string(name): return .accepted(at: try #require(message["seq"].int))
        case "error" where message["data"]["opId"] == .string(name):
          #expect(message["data"]["retryable"] == true, "\(text)")
          return .refused(code: message["data"]["code"].string ?? "none")
        default: break
        }
      }
    } catch let error as RoomClient.Closed {
      self.client = nil
      return .closed(code: error.closure?.code)
    }
  }

  private mutating func connected(_ port: Int) async throws -> RoomClient {
    if let client { return client }
    let since = view.last.map { "&since=\($0)" } ?? ""
    let new = try await RoomClient.open(port, RoomClient.path + room + "?v=2" + since)
    client = new
    return new
  }
}
