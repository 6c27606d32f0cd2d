import Foundation
import InMemoryLogging
import Logging
import RoomCore
import Rooms
import Store
import StoreTesting
import Synchronization
import Testing
import Wire

/// A node with a store in a file, whose rooms are counters.
final class House: Sendable {
  let bell = Bell()
  let time = TestTime()
  let lanes: [QueueLane]
  let store: GatedStore
  let listener: Listener
  let settings: RoomSettings
  /// What all lives say.
  let log = InMemoryLogHandler()
  private let file: TemporaryFile
  /// The last one is the present one.
  private let lives = Mutex<[Life]>([])
  private let sessions = Mutex<UInt64>(0)

  private struct Life {
    let registry: RoomRegistry<CounterVoice>
    let ownership: SlotOwnership
  }

  let witness = TestWitness()

  init(_ settings: RoomSettings) async throws {
    self.settings = settings
    file = try TemporaryFile()
    let bell = bell
    lanes = (0..<2).map { QueueLane($0, bell: bell) }
    listener = Listener(bell: bell)
    store = GatedStore(
      try await SQLiteStore.open(SQLiteConfiguration(path: file.path, history: "history")), bell: bell)
    try await start()
  }

  /// Another life of the node on the same file: claims every slot and begins without any room in memory. What ran
  /// before goes on, as a process does that does not know that it was replaced.
  func start() async throws {
    let claims = try await store.slots().map { SlotClaim(slot: $0.slot, expected: $0.epoch) }
    let ownership = SlotOwnership(try await store.claim(claims, for: NodeID(UUID().uuidString)))
    let registry = RoomRegistry(
      store: store, voice: CounterVoice(), settings: settings, time: time, lanes: lanes, ownership: ownership,
      witness: witness,
      logger: Logger(label: "test", factory: { [log] _ in log }),
      contexts: TenantContexts { Counter.Context() })
    lives.withLock { $0.append(Life(registry: registry, ownership: ownership)) }
  }

  private var life: Life {
    guard let life = lives.withLock({ $0.last }) else { preconditionFailure("the node has not started") }
    return life
  }

  var registry: RoomRegistry<CounterVoice> { life.registry }
  var ownership: SlotOwnership { life.ownership }

  func restart() async throws {
    await registry.stop()
    try await start()
  }

  /// Ends all lives; a room that does not finish hangs here.
  func close() async {
    store.faults.behaviour = .pass
    for gate in GatedStore.Gate.allCases { store.open(gate) }
    for life in lives.withLock({ $0 }) { await life.registry.stop() }
    await store.close()
  }

  // MARK: Clients

  func client(_ room: RoomID, _ dialect: Dialect = .delta, ear: Listener? = nil) -> Client {
    let number = sessions.withLock { number in
      number += 1
      return number
    }
    return Client(house: self, room: room, listener: ear ?? listener, session: SessionNumber(number), dialect: dialect)
  }

  /// A client whose session the room has opened.
  func connect(
    _ room: RoomID, _ dialect: Dialect = .delta, as participant: String? = nil, since: Int64? = nil,
    from address: String? = nil
  ) async -> Client {
    let client = client(room, dialect)
    client.open(as: participant, since: since, from: address)
    await client.sees { $0.isSync || $0.resumption != nil }
    return client
  }

  func until(_ condition: @escaping @Sendable () -> Bool) async { await bell.until(condition) }

  func drain() async {
    for lane in lanes { await lane.drain() }
  }

  /// Lets every room that nobody uses leave memory.
  func passivate() async {
    let registry = registry
    time.advance(by: settings.idleBeforePassivation)
    registry.letIdleRoomsGo()
    await until { registry.warmCount == 0 }
  }

  func untilHeld(_ count: Int = 1) async {
    let store = store
    await until { store.faults.heldCommits.count >= count }
  }

  // MARK: The journal

  func journal(_ room: RoomID) async throws -> [Recorded<Counter.Event>] {
    let rows = try await store.faults.journal(of: room, after: .zero, through: SequenceNumber(.max)) ?? []
    return try rows.flatMap { row -> [Recorded<Counter.Event>] in try JournalText.read(row.text, from: row.first) }
  }

  func expectJournal(of room: RoomID, count: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let journal = try await journal(room)
    #expect(journal.map(\.sequence.number) == Array(1...Int64(count)), sourceLocation: sourceLocation)
  }
}

extension House {
  func expectTimer(
    of room: RoomID, at due: Timestamp?, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let timer = try await store.faults.load(room)?.timer
    #expect(timer == due, sourceLocation: sourceLocation)
  }

  func expectSnapshot(
    of room: RoomID, at sequence: Int64, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let snapshot = try await store.faults.load(room)?.snapshot
    #expect(snapshot?.sequence.number == sequence, sourceLocation: sourceLocation)
  }
}

/// The settings of the product, but for what a test changes.
func adjusted(_ change: (inout RoomSettings) -> Void) -> RoomSettings {
  var settings = RoomSettings()
  change(&settings)
  return settings
}

/// Says whether slots are still owned as a test wants it.
final class TestWitness: OwnershipWitness {
  private struct State {
    var isFresh = true
    var answer: Bool? = true
    var asked = 0
  }

  private let state = Mutex(State())

  func set(isFresh: Bool, answer: Bool?) { state.withLock { ($0.isFresh, $0.answer) = (isFresh, answer) } }

  var asked: Int { state.withLock { $0.asked } }
  var isFresh: Bool { state.withLock { $0.isFresh } }

  func confirm(_ slot: Slot, at epoch: Epoch) async -> Bool? {
    state.withLock { state in
      state.asked += 1
      return state.answer
    }
  }
}

/// Runs a test in a house, and closes it.
func withHouse(
  _ settings: RoomSettings = RoomSettings(), _ body: (House) async throws -> Void
) async throws {
  let house = try await House(settings)
  do {
    try await body(house)
  } catch {
    await house.close()
    throw error
  }
  await house.close()
}

/// One connection to a room.
struct Client: Sendable {
  let house: House
  let room: RoomID
  let listener: Listener
  let session: SessionNumber
  let dialect: Dialect

  @discardableResult
  func send(_ request: RoomRequest<Counter.Command>) -> Admission {
    house.registry.send(request, to: room, from: listener)
  }

  func open(
    as participant: String? = nil, since: Int64? = nil, from address: String? = nil, rehomedAt seen: Int64? = nil
  ) {
    listener.expect(session, in: dialect)
    send(
      .open(
        SessionOpening(
          session: session, participant: participant.map { ParticipantID($0) }, dialect: dialect,
          since: since.map { SequenceNumber($0) }, address: address, rehomedAt: seen.map { SequenceNumber($0) })))
  }

  func close() {
    listener.leave(session)
    send(.close(session))
  }

  @discardableResult
  func send(
    _ command: Counter.Command, by participant: String = "ann", _ name: String, after: Int64 = 0, isNamed: Bool = true
  ) -> Admission {
    send(
      .operation(
        Operation(
          id: OperationID(participant: ParticipantID(participant), value: name), after: SequenceNumber(after),
          command: command),
        session: session, opId: isNamed ? name : nil))
  }

  /// Sends an operation and waits for the answer to it that comes next.
  func ask(
    _ command: Counter.Command, by participant: String = "ann", _ name: String, after: Int64 = 0
  ) async -> String {
    let known = answers(to: name).count
    send(command, by: participant, name, after: after)
    await house.until { answers(to: name).count > known }
    return answers(to: name).dropFirst(known).first ?? "nothing"
  }

  var sights: [Listener.Sight] { listener.sights(of: session) }
  var changes: [String] { sights.compactMap(\.change) }
  var directs: [String] { sights.compactMap(\.direct) }
  var transients: [String] { sights.compactMap(\.transient) }
  var position: Int64 { sights.last { $0.position != nil }?.position ?? 0 }

  func answers(to name: String) -> [String] {
    directs.filter { $0.split(separator: " ")[1] == name }
  }

  func sees(_ condition: @escaping @Sendable (Listener.Sight) -> Bool) async {
    await house.until { sights.contains(where: condition) }
  }

  func sees(upTo position: Int64) async {
    await house.until { self.position >= position }
  }
}

extension Listener.Sight {
  var resumption: String? { if case .resumption(let text) = self { text } else { nil } }
}

extension Trait where Self == TimeLimitTrait {
  /// Nothing here waits for time to pass; whoever hangs has found a defect.
  static var guarded: Self { .timeLimit(.minutes(1)) }
}
