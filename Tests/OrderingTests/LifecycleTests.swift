import JSONText
import Ordering
import RoomCore
import Testing

@Suite struct LifecycleTests {
  private static let ownersCommands: [OrderCommand] = [
    .finalize(), .lock, .unlock, .cancel, .removeParticipant(ana, removeItems: false), .transferOwnership(to: ben),
    .setDeadline(nil), .setLimits(.init()), .setCharges(.init()),
  ]

  @Test(arguments: ownersCommands)
  func isForTheOwnerOnly(command: OrderCommand) {
    #expect(Scene(ana, ben).refusal(command, by: ben) == .notOwner)
  }

  @Test func lockFreezesTheCart() throws {
    let scene = Scene(ana, ben)
    try scene.play(.adding("a"), by: ana)
    #expect(try scene.play(.unlock, by: ana) == [.unchanged])
    #expect(try scene.play(.lock, by: ana) == [.locked])
    #expect(try scene.play(.lock, by: ana) == [.unchanged])
    let frozen: [OrderCommand] = [
      .adding("b"), .removeItem(id: "a"), .updateQuantity(id: "a", quantity: 2), .updateItem(id: "a", .init()),
      .updateSplit(.itemized), .undo,
    ]
    for command in frozen { #expect(scene.refusal(command, by: ana) == .orderLocked, "\(command)") }
    try scene.play(.setCharges(.init(delivery: .init(amount: 40))), by: ana)
    #expect(try scene.play(.finalize(), by: ana) == [.finalized(try OrderLogic.previewShares(of: scene.order), .group)])
    #expect(scene.order.total == rupees(140))
  }

  @Test func finalizingFreezesTheShares() throws {
    let scene = Scene(ana, ben)
    #expect(scene.refusal(.finalize(), by: ana) == .emptyOrder)
    try scene.play(.adding("a", decimal(9999, 2)), by: ana)
    try scene.play(.finalize(), by: ana)
    #expect(scene.order.shares?.map(\.amount.minorUnits) == [5_000, 4_999])
    #expect(scene.order.finalizedAt == scene.now)
    #expect(try scene.play(.finalize(), by: ana) == [])
    #expect(scene.refusal(.finalize(), by: ben) == .orderFinalized)
  }

  @Test(arguments: [
    ([OrderCommand.adding("a"), .finalize()], OrderRejection.Kind.orderFinalized), ([.cancel], .orderCancelled),
  ])
  func theEndIsTheEnd(ending: [OrderCommand], kind: OrderRejection.Kind) throws {
    let scene = Scene(ana, ben)
    for command in ending { try scene.play(command, by: ana) }
    #expect(OrderLogic.hasEnded(scene.machine.state))
    #expect(OrderLogic.timerDue(scene.machine.state) == nil)
    let commands: [OrderCommand] =
      Self.ownersCommands + [
        .adding("z"), .removeItem(id: "a"), .undo, .leave(removeItems: false), .ready(true), .updateSplit(.equal),
      ]
    for command in commands where command != .finalize() {
      #expect(scene.refusal(command, by: ana) == kind, "\(command)")
    }
    scene.wait(.seconds(1_000_000))
    #expect(try scene.tick() == [])
  }

  @Test func anIdleOrderExpires() throws {
    let scene = Scene(ana)
    let due = scene.now.advanced(by: .seconds(24 * 3600))
    #expect(OrderLogic.timerDue(scene.machine.state) == due)
    scene.wait(.seconds(3600))
    try scene.play(.unlock, by: ana)
    #expect(OrderLogic.timerDue(scene.machine.state) == scene.now.advanced(by: .seconds(24 * 3600)))
    scene.wait(.milliseconds(24 * 3600 * 1000 - 1))
    #expect(try scene.tick() == [])
    scene.wait(.milliseconds(1))
    #expect(scene.refusal(.lock, by: ana) == .orderExpired)
    #expect(scene.order.status == .active)
    #expect(try scene.tick() == [.expired(.idle)])
    #expect(scene.refusal(.lock, by: ana) == .orderExpired)
  }

  @Test func aDeadlineExpiresABusyOrder() throws {
    let scene = Scene(ana)
    let deadline = scene.now.advanced(by: .seconds(60))
    try scene.play(.setDeadline(deadline), by: ana)
    #expect(try scene.play(.setDeadline(deadline), by: ana) == [.unchanged])
    #expect(OrderLogic.timerDue(scene.machine.state) == deadline)
    scene.wait(.seconds(60))
    #expect(scene.refusal(.adding("a"), by: ana) == .orderExpired)
    #expect(try scene.tick() == [.expired(.deadline)])
  }

  @Test func aDeadlineLiesAheadButNotTooFar() throws {
    let scene = Scene(ana)
    for deadline in [scene.now, Timestamp(millis: .min), Timestamp(millis: .max)] {
      #expect(scene.refusal(.setDeadline(deadline), by: ana) == .invalidDeadline)
    }
    let horizon = scene.now.advanced(by: .seconds(30 * 24 * 3600))
    #expect(scene.refusal(.setDeadline(Timestamp(millis: horizon.millis + 1)), by: ana) == .invalidDeadline)
    try scene.play(.setDeadline(horizon), by: ana)
    #expect(try scene.play(.setDeadline(nil), by: ana) == [.deadlineSet(nil)])
  }

  @Test func theOwnerCannotPutOffTheTenantsDeadline() throws {
    let scene = Scene(ana, context: TenantContext(deadlineAfterStart: .seconds(3600)))
    let tenants = scene.now.advanced(by: .seconds(3600))
    #expect(scene.order.deadline == tenants)
    #expect(scene.refusal(.setDeadline(tenants.advanced(by: .seconds(1))), by: ana) == .invalidDeadline)
    try scene.play(.setDeadline(scene.now.advanced(by: .seconds(60))), by: ana)
    #expect(try scene.play(.setDeadline(nil), by: ana) == [.deadlineSet(tenants)])
  }

  @Test func endlessDurationsDoNotOverflow() {
    let forever = Duration.seconds(Int64.max)
    let scene = Scene(ana, context: TenantContext(idleLimit: forever, deadlineAfterStart: forever))
    #expect(OrderLogic.timerDue(scene.machine.state) == Timestamp(millis: .max))
  }

  @Test func limitsStayBetweenWhatIsThereAndTheTenants() throws {
    let limits = OrderLimits(maxItems: 5, maxParticipants: 5, maxTotal: rupees(1000))
    let scene = Scene(ana, ben, context: TenantContext(limits: limits))
    for id in ["a", "b"] { try scene.play(.adding(id), by: ana) }
    let refused: [OrderCommand.LimitsRequest] = [
      .init(maxItems: 1), .init(maxItems: 6), .init(maxItems: .min), .init(maxParticipants: 1),
      .init(maxParticipants: .max), .init(maxTotal: 199), .init(maxTotal: 1001), .init(maxTotal: -1),
      .init(maxTotal: .beyondRange), .init(maxTotal: decimal(300_001, 3)),
    ]
    for request in refused { #expect(scene.refusal(.setLimits(request), by: ana) == .invalidLimit, "\(request)") }
    #expect(try scene.play(.setLimits(.init(maxItems: 5)), by: ana) == [.unchanged])
    try scene.play(.setLimits(.init(maxItems: 2, maxParticipants: 2, maxTotal: 200)), by: ana)
    #expect(scene.order.limits == OrderLimits(maxItems: 2, maxParticipants: 2, maxTotal: rupees(200)))
    try scene.play(.setLimits(.init(maxTotal: 0, editing: .own)), by: ana)
    #expect(scene.order.limits.maxTotal == rupees(1000) && scene.order.editing == .own)
  }

  @Test func chargesAreAmounts() throws {
    let scene = Scene(ana)
    for amount: DecimalNumber in [-1, decimal(1, 3), .beyondRange, 10_000_001] {
      #expect(scene.refusal(.setCharges(.init(tax: .init(amount: amount))), by: ana) == .invalidCharge)
    }
    #expect(try scene.play(.setCharges(.init(tax: .init(amount: 0))), by: ana) == [.unchanged])
    try scene.play(.setCharges(.init(delivery: .init(amount: 40), discount: .init(amount: 10))), by: ana)
    #expect(scene.order.charges.delivery == Charge(amount: rupees(40), allocation: .equal))
    #expect(scene.order.total == rupees(40))
    try scene.play(.adding("a", 100), by: ana)
    #expect(scene.order.total == rupees(130))
  }
}
