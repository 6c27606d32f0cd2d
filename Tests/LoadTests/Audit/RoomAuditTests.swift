import Load
import Testing

@Suite("RoomAudit")
struct RoomAuditTests {
  @Test("finds nothing where all went well")
  func well() {
    #expect(RoomAudit(of: AuditScene().history).violations == [])
  }

  @Test("finds nothing where a client comes back and goes on, and sends again what it does not know the answer to")
  func wellAgain() throws {
    var scene = AuditScene()
    // The connection breaks after the fifth event; the ack of what is at 4 was on its way.
    let seen = try #require(scene.views[0].firstIndex(of: .saw(scene.outcome.journal[4])))
    scene.views[0].removeAll { $0 == .acknowledged(1, at: 4) }
    scene.views[0].insert(
      contentsOf: [
        .closed(code: nil), .dialed(gateway: 1), .failed("refused"), .dialed(gateway: 0), .opened,
        .resumed(since: 5, head: 9), .sent(1),
      ], at: seen)
    scene.views[0].append(.acknowledged(1, at: 4))
    #expect(RoomAudit(of: scene.history).violations == [])
    // Instead of what it missed it may be given the state.
    for position in 6...9 { scene.views[0].removeAll { $0 == .saw(scene.outcome.journal[position - 1]) } }
    scene.views[0] = scene.views[0].map { if case .resumed = $0 { .state(at: 9) } else { $0 } }
    #expect(RoomAudit(of: scene.history).violations == [])
  }

  // MARK: Lost

  @Test("an operation that was acknowledged and is not in the journal is lost")
  func lost() {
    var scene = AuditScene()
    scene.forget(OperationName(client: 1, number: 2))
    scene.showJournal(to: 0)
    scene.showJournal(to: 1)
    #expect(scene.findings == [])
    scene.views[1].append(.acknowledged(2, at: 7))
    #expect(scene.findings == [.lost])
  }

  @Test("an event that was seen and is not in the journal is lost")
  func lostEnd() {
    var scene = AuditScene()
    scene.outcome.journal.removeLast()
    scene.outcome.head = 8
    scene.outcome.quantities[1] = 3
    scene.views[1].removeAll { $0 == .acknowledged(3, at: 9) }
    #expect(scene.findings == [.lost])
  }

  @Test("a client that is put back has lost something")
  func putBack() {
    var scene = AuditScene()
    scene.views[0] += [.closed(code: nil), .opened, .state(at: 4)]
    #expect(scene.findings.contains(.lost))
  }

  @Test("a state beyond the end of the journal is lost")
  func stateBeyond() {
    var scene = AuditScene()
    scene.views[0].append(.state(at: 10))
    #expect(scene.findings == [.lost])
  }

  @Test("a room without a journal has lost everything")
  func nothingLeft() {
    var scene = AuditScene()
    scene.outcome = RoomOutcome(journal: [], head: 0, quantities: [nil, nil])
    #expect(scene.findings == [.lost])
  }

  // MARK: Doubled

  @Test("an operation that the journal has twice is doubled, whether or not anybody saw it")
  func doubled() {
    var scene = AuditScene()
    scene.outcome.journal.append(scene.event(10, .operation(OperationName(client: 0, number: 1))))
    scene.outcome.head = 10
    scene.outcome.quantities[0] = 2
    #expect(scene.findings == [.doubled])
    scene.showJournal(to: 1)
    #expect(scene.findings == [.doubled])
  }

  @Test("the order is made once")
  func madeTwice() {
    var scene = AuditScene()
    scene.outcome.journal.append(scene.event(10, .creation(OperationName(client: 0, number: 0))))
    scene.outcome.head = 10
    #expect(scene.findings == [.doubled])
  }

  // MARK: Reordered

  @Test("two events that one client saw the other way round are reordered")
  func reordered() throws {
    var scene = AuditScene()
    let journal = scene.outcome.journal
    let index = try #require(scene.views[0].firstIndex(of: .saw(journal[6])))
    scene.views[0][index] = .saw(RoomEvent(position: 7, cause: journal[7].cause, digest: journal[7].digest))
    #expect(scene.findings == [.reordered])
  }

  @Test("an ack that names another place than the journal is reordered")
  func acknowledgedElsewhere() throws {
    var scene = AuditScene()
    let index = try #require(scene.views[0].firstIndex(of: .acknowledged(2, at: 6)))
    scene.views[0][index] = .acknowledged(2, at: 5)
    #expect(scene.findings == [.reordered])
  }

  // MARK: Gaps and repetitions

  @Test("an event that a client missed is a gap")
  func gap() {
    var scene = AuditScene()
    scene.views[1].removeAll { $0 == .saw(scene.outcome.journal[3]) }
    #expect(scene.findings == [.gap])
  }

  @Test("what is missed when a client resumes is a gap")
  func resumedElsewhere() {
    var scene = AuditScene()
    scene.views[0] += [.closed(code: nil), .opened, .resumed(since: 8, head: 9)]
    #expect(scene.findings == [.gap])
  }

  @Test("an ack that comes before its change is a gap")
  func ackFirst() throws {
    var scene = AuditScene()
    let index = try #require(scene.views[0].firstIndex(of: .acknowledged(2, at: 6)))
    scene.views[0].swapAt(index, index - 1)
    #expect(scene.findings == [.gap])
  }

  @Test("an event that a client is told twice is repeated")
  func repeated() throws {
    var scene = AuditScene()
    let event = scene.outcome.journal[3]
    let index = try #require(scene.views[1].firstIndex(of: .saw(event)))
    scene.views[1].insert(.saw(event), at: index)
    #expect(scene.findings == [.repeated])
  }

  @Test("a journal with a gap is found out")
  func journalGap() {
    var scene = AuditScene()
    scene.outcome.journal.remove(at: 4)
    #expect(scene.findings.contains(.gap))
  }

  // MARK: Phantoms

  @Test(
    "what no client sent is a phantom",
    arguments: [
      RoomEvent.Cause.unknown, .operation(OperationName(client: 0, number: 17)),
      .operation(OperationName(client: 5, number: 0)),
    ])
  func phantom(cause: RoomEvent.Cause) {
    var scene = AuditScene()
    scene.outcome.journal.append(scene.event(10, cause))
    scene.outcome.head = 10
    if case .operation(OperationName(client: 0, number: 17)) = cause { scene.outcome.quantities[0] = 18 }
    #expect(scene.findings == [.phantom])
  }

  // MARK: The rest

  @Test("an operation that was refused for good, and is in the journal, is found out")
  func refusedYetDone() {
    var scene = AuditScene()
    scene.views[0].removeAll { $0 == .acknowledged(3, at: 8) }
    scene.views[0].append(.refused(3, code: "overloaded", isFinal: false))
    #expect(scene.findings == [])
    scene.views[0].append(.refused(3, code: "not_joined", isFinal: true))
    #expect(scene.findings == [.refusedYetDone])
  }

  @Test("a final state that is not what the journal makes of it is found out")
  func wrongState() {
    var scene = AuditScene()
    scene.outcome.quantities[1] = 3
    #expect(scene.findings == [.wrongState])
    scene.outcome.quantities[1] = nil
    #expect(scene.findings == [.wrongState])
    scene = AuditScene()
    scene.outcome.head = 12
    #expect(scene.findings == [.wrongState])
  }

  @Test("a state that others had seen surpassed is stale, a second later", arguments: [0, 500, 3000])
  func stale(millis: UInt64) {
    var scene = AuditScene()
    // A client that is there for the first time, and a while after all that happened.
    scene.views.append([.dialed(gateway: 0), .opened, .state(at: 6)])
    scene.pauses[2] = [0: 100 + millis]
    #expect(scene.findings == (millis > 1000 ? [.stale] : []))
  }

  @Test("a journal that cannot be read is no journal")
  func unreadable() {
    var scene = AuditScene()
    scene.outcome.complaint = "nobody answers"
    #expect(scene.findings == [.unreadable])
  }
}
