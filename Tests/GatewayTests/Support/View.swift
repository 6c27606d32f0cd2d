import Foundation
import Load
import Ordering
import RoomCore
import Synchronization
import TestSupport
import Testing
import Wire

/// The seed of a test that draws lots: from `STONEPOT_SEED`, or new, and always printed.
enum Seed {
  static func next(_ test: String = #function) -> UInt64 {
    let given = ProcessInfo.processInfo.environment["STONEPOT_SEED"].flatMap { UInt64($0) }
    let seed = given ?? .random(in: 0...999_999)
    print("\(test): STONEPOT_SEED=\(seed)")
    return seed
  }
}

/// All that one client of dialect 2 was told of a room's changes, over however many connections.
///
/// One order: it is a piece of the one sequence, without gap or repetition; but for what a state stands for that comes in
/// the place of missed changes.
struct View: Sendable {
  private(set) var changes: [(position: Int, text: String)] = []
  /// The last position that it knows.
  private(set) var last: Int?
  private(set) var resumes = 0
  private(set) var problems: [String] = []
  /// Nothing has come since it was told that what it missed follows.
  private var isResuming = false
  /// Whether a state may stand for missed changes at any time: where the store is in trouble, and its rooms are loaded anew.
  private let takesStates: Bool

  init(takesStates: Bool = false) { self.takesStates = takesStates }

  /// The message with which dialect 2 tells of an event; made of the journal alone, byte for byte.
  static func text(of record: Recorded<OrderEvent>) -> String {
    String(decoding: ServerMessage.delta(record, currency: .inr), as: UTF8.self)
  }

  mutating func see(_ text: String, _ message: JSON) {
    guard let position = message["seq"].int else { return }
    switch message["type"] {
    case "ack": break
    case "sync":
      // The first state of all; or the answer to a join that was taken before, which says where the client is anyway, or
      // overtakes what it missed.
      if let last, isResuming || takesStates ? position < last : position != last {
        problems.append("a state at \(position) after \(last)")
      }
      last = position
      isResuming = false
    case "resumed":
      resumes += 1
      isResuming = true
      if message["data"]["since"].int != last { problems.append("resumed elsewhere than at \(last ?? -1): \(text)") }
    default:
      isResuming = false
      if position != (last ?? 0) + 1 { problems.append("\(position) after \(last ?? -1): \(text)") }
      last = position
      changes.append((position, text))
    }
  }

  func check(against journal: [Recorded<OrderEvent>], _ place: String) {
    #expect(problems.isEmpty, "\(place)")
    for change in changes {
      guard journal.indices.contains(change.position - 1) else {
        Issue.record("\(place): \(change.position) is seen of \(journal.count)")
        return
      }
      let expected = Self.text(of: journal[change.position - 1])
      #expect(change.text == expected, "\(place): \(change.position)")
    }
  }
}

/// Counts down to one moment, at which something is done on the spot.
final class Countdown: Sendable {
  private let left: Atomic<Int>
  private let action: @Sendable () -> Void

  init(_ count: Int, _ action: @escaping @Sendable () -> Void) {
    left = Atomic(count)
    self.action = action
    if count <= 0 { action() }
  }

  func count() {
    if left.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 { action() }
  }
}

/// A participant of dialect 2 who names its operations, has several of them on their way at once, and sends again what
/// was not answered when the connection died.
struct LoadedParticipant: Sendable {
  private struct Pending: Sendable {
    let name: String
    let type: String
    let data: String
    let after: Int
  }

  let id: String
  private(set) var view: View
  /// The position that each accepted operation was answered with.
  private(set) var acknowledged: [String: Int] = [:]
  private(set) var problems: [String] = []
  private var generator: SplitMix64
  private var pending: [Pending] = []
  private var answered: [Pending] = []
  private var made = 0
  private var isFinished = false
  private static let window = 4
  /// The name of an operation that is refused: its answer is the end of what the room had to say before.
  private static let last = "last"

  init(_ number: Int, seed: UInt64, takesStates: Bool = false) {
    view = View(takesStates: takesStates)
    id = "participant-\(number)"
    generator = SplitMix64(seed: seed &+ UInt64(number) &* 7919)
  }

  /// Lives on one connection until the server ends it, or a random number of operations was answered.
  ///
  /// - Parameter operations: the largest number; nil: only the server ends it.
  mutating func live(_ port: Int, room: String, operations: Int?, told: Countdown? = nil) async throws {
    let limit = operations.map { generator.below($0 + 1) } ?? .max
    do {
      let client = try await open(port, room)
      let before = acknowledged.count
      while acknowledged.count - before < limit {
        while pending.count < Self.window { send(makeOperation(), on: client) }
        try await read(client, told)
      }
      await client.socket.disconnect()
    } catch is RoomClient.Closed {
    } catch is WebSocketClientError {
    } catch is UpgradeExchange.Failure {
    } catch let error as GaveUp {
      throw error
    } catch  where !(error is CancellationError) {
      // The connection could not be made or broke in the system's own words.
    }
  }

  /// Lives on one connection until so many operations are answered, and slowly on until something has happened.
  mutating func live(
    _ port: Int, room: String, answered count: Int, told: Countdown? = nil, until event: Promised<Bool>? = nil
  ) async throws {
    let client = try await open(port, room)
    while acknowledged.count < count {
      while pending.count < Self.window, acknowledged.count + pending.count < count {
        send(makeOperation(), on: client)
      }
      try await read(client, told)
    }
    while let event, !event.isFulfilled || !pending.isEmpty {
      if pending.isEmpty { send(makeOperation(), on: client) }
      try await read(client, told)
      // Not as fast as it can: its journal is checked in the end.
      try await Task.sleep(for: .milliseconds(5))
    }
    await client.socket.disconnect()
  }

  /// Lives until everything is answered, and asks a second time for the last answers.
  mutating func finish(_ port: Int, room: String) async throws {
    let client = try await open(port, room)
    while !pending.isEmpty { try await read(client, nil) }
    let again = answered.suffix(5)
    let expected = acknowledged
    for operation in again { send(operation, on: client) }
    while !pending.isEmpty { try await read(client, nil) }
    for operation in again where acknowledged[operation.name] != expected[operation.name] {
      problems.append("\(operation.name) was answered with another position when it was sent again")
    }
    // Whatever was said before is on its way before this.
    isFinished = false
    client.send("remove_item", as: id, data: #"{"itemId":"no such item"}"#, opId: Self.last)
    while !isFinished { try await read(client, nil) }
    await client.socket.disconnect()
  }

  private mutating func open(_ port: Int, _ room: String) async throws -> RoomClient {
    var path = RoomClient.path + room + "?v=2"
    if let last = view.last { path += "&since=\(last)" }
    let client = try await RoomClient.open(port, path)
    // Where it stands is the first that it hears.
    try await read(client, nil)
    if made == 0 {
      made = 1
      let data = #"{"circleId":"test","tenantId":"test","phone":"1234567890"}"#
      pending.append(Pending(name: "\(id)-join", type: "join", data: data, after: view.last ?? 0))
    }
    let unanswered = pending
    pending = []
    for operation in unanswered { send(operation, on: client) }
    return client
  }

  private mutating func makeOperation() -> Pending {
    // Each item is added, changed and removed, so that the order never fills up.
    let (item, step) = ((made - 1) / 3, (made - 1) % 3)
    let itemID = "\(id)-item-\(item)"
    let name = "\(id)-op-\(made)"
    made += 1
    let after = view.last ?? 0
    return switch step {
    case 0: Pending(name: name, type: "add_item", data: RoomClient.dish("Dish \(item)", id: itemID), after: after)
    case 1:
      Pending(
        name: name, type: "update_quantity", data: #"{"itemId":"\#(itemID)","quantity":\#(2 + item % 90)}"#,
        after: after)
    default: Pending(name: name, type: "remove_item", data: #"{"itemId":"\#(itemID)"}"#, after: after)
    }
  }

  private mutating func send(_ operation: Pending, on client: RoomClient) {
    pending.append(operation)
    client.send(operation.type, as: id, data: operation.data, opId: operation.name, after: operation.after)
  }

  private mutating func read(_ client: RoomClient, _ told: Countdown?) async throws {
    let text = try await client.nextText()
    let message = try JSON(parsing: text)
    view.see(text, message)
    switch message["type"] {
    case "ack":
      guard let name = message["opId"].string, let position = message["seq"].int,
        let index = pending.firstIndex(where: { $0.name == name })
      else {
        problems.append("an answer that nobody waits for: \(text)")
        return
      }
      if index != 0 { problems.append("\(name) was answered before \(pending[0].name)") }
      acknowledged[name] = position
      answered.append(pending.remove(at: index))
      told?.count()
    case "error" where message["data"]["opId"] == .string(Self.last): isFinished = true
    case "error": problems.append(text)
    default: break
    }
  }

  /// Saved before sent, and exactly once: every operation that was answered is in the journal, at the position of its answer,
  /// once.
  func check(against journal: [Recorded<OrderEvent>], _ place: String) {
    #expect(problems.isEmpty, "\(place)")
    view.check(against: journal, place)
    var positions: [String: [Int]] = [:]
    for record in journal where record.participant?.value == id {
      guard let name = record.cause?.operation.value else { continue }
      positions[name, default: []].append(Int(record.sequence.number))
    }
    for (name, position) in acknowledged {
      let found = positions.removeValue(forKey: name) ?? []
      #expect(found.last == position, "\(place): \(name) was answered with \(position) and is at \(found)")
      // The first join makes the order as well.
      #expect(found.count == 1 || found.count == 2 && name.hasSuffix("-join"), "\(place): \(name) is at \(found)")
    }
    #expect(positions.isEmpty, "\(place): never answered, although nothing was left unanswered: \(positions)")
  }
}
