import JSONText
import Ordering
import RoomCore
import Testing

@Suite struct ParticipantTests {
  @Test func theFirstToJoinCreatesTheOrderAndOwnsIt() throws {
    let scene = Scene()
    scene.context.deadlineAfterStart = .seconds(3600)
    let events = try scene.play(.joining(ana), by: ana)
    guard case .created(let creation) = events.first else {
      Issue.record("\(events)")
      return
    }
    #expect(creation.owner == ana)
    #expect(creation.deadline == scene.now.advanced(by: .seconds(3600)))
    #expect(creation.idleLimitMillis == 24 * 3600 * 1000)
    let newcomer = Participant(id: ana, name: "Ana", phoneEnding: "10", joinedAt: scene.now)
    #expect(events.dropFirst() == [.participantJoined(newcomer)])
    #expect(scene.order.owner == ana && scene.order.initiatedBy == ana && scene.order.participants == [newcomer])
  }

  @Test(arguments: [
    (OrderCommand.Join(name: "Ana", circle: "c"), "data.tenantId is required to start an order"),
    (.init(name: "Ana", tenant: "t"), "data.circleId is required to start an order"),
    (.init(name: "Ana", tenant: "", circle: "c"), "data.tenantId must have 1 to 120 characters"),
    (.init(name: "Ana", tenant: "t", circle: " \u{2003}"), "data.circleId must not be blank"),
    (.init(name: "", tenant: "t", circle: "c"), "participantName must have 1 to 120 characters"),
    (.init(name: "A\u{7}", tenant: "t", circle: "c"), "participantName must not contain control characters"),
    (.init(name: "A\nB", tenant: "t", circle: "c"), "participantName must not contain control characters"),
    (
      .init(name: String(repeating: "a", count: 121), tenant: "t", circle: "c"),
      "participantName must have 1 to 120 characters"
    ),
    (
      .init(name: "a" + String(repeating: "\u{301}", count: 120), tenant: "t", circle: "c"),
      "participantName must have 1 to 120 characters"
    ),
    (.init(name: "Ana", tenant: "t", circle: "c", phone: "98765"), "data.phone must have exactly 10 digits, and has 5"),
  ])
  func creatingNamesTheFieldThatIsWrong(join: OrderCommand.Join, message: String) {
    let scene = Scene()
    #expect(scene.rejection(.join(join), by: ana) == OrderRejection(.invalidJoin, message))
    #expect(scene.machine.state.order == nil)
  }

  @Test func aNameOf120CharactersIsFine() {
    let name = String(repeating: "ñ", count: 120)
    #expect(Scene().refusal(.join(.init(name: name, tenant: "t", circle: "c")), by: ana) == nil)
    #expect(
      Scene().rejection(.joining(ana), by: ParticipantID(""))
        == OrderRejection(.invalidJoin, "participantId must have 1 to 200 bytes without control characters"))
    #expect(Scene().refusal(.joining(ana), by: ParticipantID(String(repeating: "x", count: 200))) == nil)
  }

  @Test func aParticipantRejoinsWithTheIdAloneWhateverTheOrderHasComeTo() throws {
    let bare = OrderCommand.join(.init(name: ""))
    for ending: [OrderCommand] in [[], [.lock], [.cancel], [.adding("a"), .finalize()]] {
      let scene = Scene(ana, ben)
      for command in ending { try scene.play(command, by: ana) }
      let before = scene.machine.state
      let hasEnded = OrderLogic.hasEnded(before)
      #expect(try scene.play(bare, by: ben) == (hasEnded ? [] : [.unchanged]))
      #expect(scene.machine.state == before)
    }
    let overdue = Scene(ana)
    overdue.wait(.seconds(25 * 3600))
    #expect(try overdue.play(bare, by: ana) == [])
    #expect(overdue.refusal(.joining(ben), by: ben) == .orderExpired)
  }

  @Test func whoComesAfterTheEndTakesNoPart() throws {
    let scene = Scene(ana)
    try scene.play(.cancel, by: ana)
    #expect(try scene.play(.joining(ben), by: ben) == [])
    #expect(scene.order.participants.count == 1)
  }

  @Test func anotherTenantOrCircleIsRefusedEvenAfterTheEnd() throws {
    let scene = Scene(ana)
    for _ in 0..<2 {
      #expect(scene.refusal(.join(.init(name: "Ben", tenant: "other")), by: ben) == .wrongTenant)
      #expect(scene.refusal(.join(.init(name: "Ben", circle: "other")), by: ben) == .invalidJoin)
      #expect(scene.refusal(.join(.init(name: "Ana", tenant: "other")), by: ana) == .wrongTenant)
      _ = scene.refusal(.cancel, by: ana)
    }
  }

  @Test func aLockedOrFullOrderTakesNoStrangers() throws {
    let scene = Scene(ana, ben)
    try scene.play(.lock, by: ana)
    #expect(scene.refusal(.joining(cal), by: cal) == .orderLocked)
    try scene.play(.unlock, by: ana)
    try scene.play(.setLimits(.init(maxParticipants: 2)), by: ana)
    #expect(scene.refusal(.joining(cal), by: cal) == .limitExceeded)
  }

  @Test func whoHasNotJoinedMayDoNothing() {
    let commands: [OrderCommand] = [
      .leave(removeItems: false), .adding(nil), .removeItem(id: "a"), .finalize(), .lock, .ready(true), .undo,
      .setDeadline(nil), .updateSplit(.equal),
    ]
    for command in commands {
      #expect(Scene().refusal(command, by: ana) == .notJoined)
      #expect(Scene(ana).refusal(command, by: ben) == .notJoined)
    }
  }

  @Test func theLeaversItemsStayAndAreTheOwners() throws {
    let scene = Scene(ana, ben)
    try scene.play(.adding("a", 100), by: ana)
    try scene.play(.adding("b", 50), by: ben)
    try scene.play(.updateSplit(.itemized), by: ana)
    #expect(try scene.play(.leave(removeItems: false), by: ben) == [.participantLeft(ben, name: "Ben", reason: .left)])
    #expect(scene.order.items.map(\.addedBy) == [ana, ben])
    #expect(try scene.shares == [15_000])
    try scene.play(.joining(ben), by: ben)
    #expect(try scene.shares == [10_000, 5_000])
    #expect(
      try scene.play(.leave(removeItems: true), by: ben)
        == [.itemRemoved(id: "b"), .participantLeft(ben, name: "Ben", reason: .left)])
  }

  @Test func theLongestJoinedInheritsFromAnOwnerWhoLeaves() throws {
    let scene = Scene(ana, ben, cal)
    try scene.play(.transferOwnership(to: cal), by: ana)
    #expect(
      try scene.play(.leave(removeItems: false), by: cal)
        == [.ownershipTransferred(to: ana), .participantLeft(cal, name: "Cal", reason: .left)])
    #expect(scene.order.initiatedBy == ana && scene.order.owner == ana)
  }

  @Test func whoJoinsAnAbandonedOrderOwnsItEvenIfLocked() throws {
    let scene = Scene(ana)
    try scene.play(.lock, by: ana)
    try scene.play(.leave(removeItems: false), by: ana)
    #expect(scene.order.owner == ana && scene.order.participants.isEmpty)
    #expect(try scene.play(.joining(ben), by: ben).last == .ownershipTransferred(to: ben))
    try scene.play(.unlock, by: ben)
  }

  @Test func theLastToLeaveOwnsItAgainOnReturn() throws {
    let scene = Scene(ana)
    try scene.play(.leave(removeItems: false), by: ana)
    #expect(try scene.play(.joining(ana), by: ana).count == 1)
    #expect(scene.order.owner == ana)
  }

  @Test func aFrozenCartKeepsTheLeaversItems() throws {
    let scene = Scene(ana, ben)
    try scene.play(.adding("b"), by: ben)
    try scene.play(.lock, by: ana)
    #expect(scene.refusal(.leave(removeItems: true), by: ben) == .orderLocked)
    #expect(scene.refusal(.removeParticipant(ben, removeItems: true), by: ana) == .orderLocked)
    try scene.play(.ready(true), by: ben)
    try scene.play(.leave(removeItems: false), by: ben)
  }

  @Test func theOwnerRemovesOthersButNotOneself() throws {
    let scene = Scene(ana, ben)
    try scene.play(.adding("b"), by: ben)
    #expect(scene.refusal(.removeParticipant(ana, removeItems: false), by: ben) == .notOwner)
    #expect(scene.refusal(.removeParticipant(ana, removeItems: false), by: ana) == .participantNotFound)
    #expect(scene.refusal(.removeParticipant(cal, removeItems: false), by: ana) == .participantNotFound)
    #expect(
      try scene.play(.removeParticipant(ben, removeItems: true), by: ana)
        == [.itemRemoved(id: "b"), .participantLeft(ben, name: "Ben", reason: .removed)])
    #expect(scene.refusal(.undo, by: ana) == .nothingToUndo)
  }

  @Test func ownershipGoesToParticipantsOnly() throws {
    let scene = Scene(ana, ben)
    #expect(scene.refusal(.transferOwnership(to: ben), by: ben) == .notOwner)
    #expect(scene.refusal(.transferOwnership(to: cal), by: ana) == .participantNotFound)
    #expect(try scene.play(.transferOwnership(to: ana), by: ana) == [.unchanged])
    #expect(try scene.play(.transferOwnership(to: ben), by: ana) == [.ownershipTransferred(to: ben)])
    #expect(scene.refusal(.lock, by: ana) == .notOwner)
  }

  @Test func readyIsForOneself() throws {
    let scene = Scene(ana, ben)
    #expect(try scene.play(.ready(true), by: ben) == [.readyChanged(ben, isReady: true)])
    #expect(try scene.play(.ready(true), by: ben) == [.unchanged])
    #expect(scene.order.participants.map(\.isReady) == [false, true])
  }
}
