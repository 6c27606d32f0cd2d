import JSONText
import Ordering
import RoomCore
import Testing

@Suite struct CartTests {
  @Test(arguments: [
    (DecimalNumber(significand: 1), true), (99, true), (DecimalNumber(significand: 10, exponent: 0), true),
    (0, false), (100, false), (-1, false), (decimal(15, 1), false), (.beyondRange, false),
    (DecimalNumber(significand: .max, exponent: 400), false), (DecimalNumber(significand: 1, exponent: -400), false),
    (DecimalNumber(significand: .min), false),
  ])
  func quantitiesAreWholeNumbersFrom1To99(quantity: DecimalNumber, isValid: Bool) {
    let rejection = Scene(ana).rejection(.adding("a", quantity: quantity), by: ana)
    #expect(
      rejection
        == (isValid ? nil : OrderRejection(.invalidQuantity, "data.quantity must be a whole number from 1 to 99")))
  }

  @Test(arguments: [
    (DecimalNumber(significand: 0), true), (299, true), (decimal(2995, 1), true), (decimal(29_950, 2), true),
    (10_000_000, true), (decimal(299_501, 3), false), (-1, false), (decimal(1_000_000_001, 2), false),
    (.beyondRange, false), (DecimalNumber(significand: .max), false), (DecimalNumber(significand: .min), false),
    (DecimalNumber(significand: 1, exponent: .min), false),
  ])
  func pricesAreExactInMinorUnits(price: DecimalNumber, isValid: Bool) {
    let rejection = Scene(ana).rejection(.adding("a", price), by: ana)
    let message = "data.price must be from 0 to 10000000.00 INR, with at most 2 decimals"
    #expect(rejection == (isValid ? nil : OrderRejection(.invalidPrice, message)))
  }

  @Test func theCurrencySaysHowManyDecimalsAPriceHas() throws {
    let yen = Scene(ana, context: TenantContext(currency: Currency(code: "JPY", minorDigits: 0)))
    #expect(yen.refusal(.adding("a", decimal(2995, 1)), by: ana) == .invalidPrice)
    let dinar = Scene(ana, context: TenantContext(currency: Currency(code: "KWD", minorDigits: 3)))
    try dinar.play(.adding("a", decimal(1_234, 3)), by: ana)
    #expect(dinar.order.total == Money(minorUnits: 1_234))
  }

  @Test func itemsAreChecked() throws {
    let scene = Scene(ana)
    func adding(id: String? = nil, name: String = "Dal", note: String? = nil) -> OrderCommand {
      .addItem(.init(id: id, dishName: name, dishType: .veg, quantity: 1, price: 1, customization: note))
    }
    #expect(scene.refusal(adding(id: ""), by: ana) == .invalidItem)
    #expect(scene.refusal(adding(id: "a\u{0}"), by: ana) == .invalidItem)
    #expect(scene.refusal(adding(name: ""), by: ana) == .invalidItem)
    #expect(scene.refusal(adding(name: "a\tb"), by: ana) == .invalidItem)
    #expect(scene.refusal(adding(note: String(repeating: "x", count: 501)), by: ana) == .invalidItem)
    #expect(scene.refusal(adding(note: "\u{1B}[31m"), by: ana) == .invalidItem)
    try scene.play(adding(id: "a", note: "less spicy,\nno onions"), by: ana)
    try scene.play(adding(id: "b", note: ""), by: ana)
    #expect(scene.order.items.map(\.customization) == ["less spicy,\nno onions", nil])
  }

  @Test func theSameIdAgainIsTheSameItem() throws {
    let scene = Scene(ana, ben)
    try scene.play(.adding("a"), by: ana)
    #expect(try scene.play(.adding("a", 5), by: ben) == [.unchanged])
    #expect(scene.order.items.count == 1)
  }

  @Test func theRoomMintsIdsThatNoClientHasChosen() throws {
    let scene = Scene(ana)
    let next = scene.machine.head.advanced(by: 2)
    try scene.play(.adding("item_\(next)"), by: ana)
    try scene.play(.adding(nil), by: ana)
    #expect(scene.order.items.map(\.id) == ["item_\(next)", "item_\(next)_2"])
  }

  @Test func quantityZeroRemoves() throws {
    let scene = Scene(ana, ben)
    try scene.play(.adding("a", quantity: 2), by: ana)
    #expect(scene.refusal(.updateQuantity(id: "b", quantity: 1), by: ana) == .itemNotFound)
    #expect(scene.refusal(.updateQuantity(id: "a", quantity: 100), by: ana) == .invalidQuantity)
    #expect(try scene.play(.updateQuantity(id: "a", quantity: 2), by: ben) == [.unchanged])
    #expect(try scene.play(.updateQuantity(id: "a", quantity: 3), by: ben) == [.quantityUpdated(id: "a", quantity: 3)])
    #expect(scene.order.total == rupees(300))
    #expect(try scene.play(.updateQuantity(id: "a", quantity: 0), by: ben) == [.itemRemoved(id: "a")])
    #expect(scene.refusal(.removeItem(id: "a"), by: ana) == .itemNotFound)
  }

  @Test func updatingAnItemKeepsWhatIsNotNamed() throws {
    let scene = Scene(ana)
    try scene.play(.adding("a", 100), by: ana)
    #expect(try scene.play(.updateItem(id: "a", .init()), by: ana) == [.unchanged])
    try scene.play(.updateItem(id: "a", .init(dishName: "Dal", price: 80, customization: "hot")), by: ana)
    try scene.play(.updateItem(id: "a", .init(dishType: .veg, quantity: 2)), by: ana)
    let item = try #require(scene.order.items.first)
    #expect(item.dishName == "Dal" && item.dishType == .veg && item.customization == "hot")
    #expect(item.quantity == 2 && item.price == rupees(80))
    try scene.play(.updateItem(id: "a", .init(customization: "")), by: ana)
    #expect(scene.order.items.first?.customization == nil)
    #expect(scene.refusal(.updateItem(id: "a", .init(quantity: 0)), by: ana) == .invalidQuantity)
    #expect(scene.refusal(.updateItem(id: "a", .init(price: -1)), by: ana) == .invalidPrice)
    #expect(scene.refusal(.updateItem(id: "a", .init(dishName: "")), by: ana) == .invalidItem)
    #expect(scene.refusal(.updateItem(id: "b", .init()), by: ana) == .itemNotFound)
  }

  @Test func theOwnerCanNarrowEditingToOnesOwnItems() throws {
    let scene = Scene(ana, ben, cal)
    try scene.play(.adding("b"), by: ben)
    try scene.play(.updateQuantity(id: "b", quantity: 2), by: cal)
    try scene.play(.setLimits(.init(editing: .own)), by: ana)
    #expect(scene.refusal(.updateQuantity(id: "b", quantity: 3), by: cal) == .notYourItem)
    #expect(scene.refusal(.updateItem(id: "b", .init(price: 1)), by: cal) == .notYourItem)
    #expect(scene.refusal(.removeItem(id: "b"), by: cal) == .notYourItem)
    #expect(scene.refusal(.undo, by: cal) == .notYourItem)
    try scene.play(.updateQuantity(id: "b", quantity: 3), by: ben)
    try scene.play(.removeItem(id: "b"), by: ana)
  }

  @Test func limitsAreCheckedBeforeAnythingChanges() throws {
    let scene = Scene(ana, context: TenantContext(limits: OrderLimits(maxItems: 2, maxTotal: rupees(300))))
    try scene.play(.adding("a", 100), by: ana)
    #expect(scene.refusal(.adding("b", 201), by: ana) == .limitExceeded)
    try scene.play(.adding("b", 200), by: ana)
    #expect(scene.refusal(.adding("c", 0), by: ana) == .limitExceeded)
    #expect(scene.refusal(.updateQuantity(id: "a", quantity: 2), by: ana) == .limitExceeded)
    #expect(scene.refusal(.setCharges(.init(tip: .init(amount: 1))), by: ana) == .limitExceeded)
    try scene.play(.removeItem(id: "b"), by: ana)
    try scene.play(.adding("d", 10), by: ana)
    try scene.play(.removeItem(id: "a"), by: ana)
    try scene.play(.adding("e", 250), by: ana)
    #expect(scene.order.total == rupees(260))
  }

  @Test func noTotalOutgrowsTheCeiling() throws {
    let fine = Currency(code: "XTS", minorDigits: 4)
    let scene = Scene(ana, context: TenantContext(currency: fine, limits: OrderLimits(maxItems: .max)))
    for _ in 0..<101 { try scene.play(.adding(nil, 10_000_000, quantity: 99), by: ana) }
    #expect(scene.refusal(.adding(nil, 10_000_000, quantity: 99), by: ana) == .limitExceeded)
    #expect(scene.order.total == Money(minorUnits: 999_900_000_000_000))
  }
}

@Suite struct UndoTests {
  @Test func takesBackWhatOneAdded() throws {
    let scene = Scene(ana)
    try scene.play(.adding("a"), by: ana)
    #expect(try scene.play(.undo, by: ana) == [.itemRemoved(id: "a"), .undone(ana)])
    #expect(scene.refusal(.undo, by: ana) == .nothingToUndo)
  }

  @Test func putsBackWhatOneRemovedWhereItStood() throws {
    let scene = Scene(ana, ben)
    for id in ["a", "b", "c"] { try scene.play(.adding(id), by: ben) }
    try scene.play(.removeItem(id: "b"), by: ana)
    try scene.play(.undo, by: ana)
    #expect(scene.order.items.map(\.id) == ["a", "b", "c"])
    #expect(scene.order.items.map(\.addedBy) == [ben, ben, ben])
  }

  @Test func restoresWhatOneChanged() throws {
    let scene = Scene(ana)
    try scene.play(.adding("a", 100, quantity: 2), by: ana)
    try scene.play(.updateQuantity(id: "a", quantity: 5), by: ana)
    #expect(try scene.play(.undo, by: ana) == [.quantityUpdated(id: "a", quantity: 2), .undone(ana)])
    try scene.play(.updateItem(id: "a", .init(price: 50)), by: ana)
    try scene.play(.undo, by: ana)
    #expect(scene.order.total == rupees(200))
    #expect(scene.order.undoable.isEmpty)
  }

  @Test func doesNotTakeBackWhatAnotherHasTouched() throws {
    let scene = Scene(ana, ben)
    try scene.play(.adding("a"), by: ana)
    try scene.play(.updateQuantity(id: "a", quantity: 2), by: ben)
    #expect(scene.refusal(.undo, by: ana) == .nothingToUndo)
    try scene.play(.undo, by: ben)
    try scene.play(.removeItem(id: "a"), by: ana)
    try scene.play(.adding("a"), by: ben)
    #expect(scene.refusal(.undo, by: ana) == .nothingToUndo)
  }

  @Test func keepsTheRulesOfTheCart() throws {
    let scene = Scene(ana, context: TenantContext(limits: OrderLimits(maxItems: 1, maxTotal: rupees(100))))
    try scene.play(.adding("a"), by: ana)
    try scene.play(.removeItem(id: "a"), by: ana)
    try scene.play(.joining(ben), by: ben)
    try scene.play(.adding("b", 20), by: ben)
    #expect(scene.refusal(.undo, by: ana) == .limitExceeded)
    try scene.play(.lock, by: ana)
    #expect(scene.refusal(.undo, by: ana) == .orderLocked)
  }
}
