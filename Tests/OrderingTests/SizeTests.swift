import JSONText
import Ordering
import RoomCore
import Testing

/// What commands and orders say they take of memory: that it grows with whatever a client can make large.
@Suite("Sizes")
struct SizeTests {
  private static let long = String(repeating: "x", count: 10_000)
  private static let one = DecimalNumber(significand: 1)

  private static func item(id: String? = nil, name: String = "Dal", note: String? = nil) -> OrderCommand {
    .addItem(.init(id: id, dishName: name, dishType: .veg, quantity: one, price: one, customization: note))
  }

  static let texts: [OrderCommand] = [
    .join(.init(name: long)), .join(.init(name: "Asha", tenant: long)), .join(.init(name: "Asha", circle: long)),
    .join(.init(name: "Asha", phone: long)), item(id: long), item(name: long), item(note: long), .removeItem(id: long),
    .updateQuantity(id: long, quantity: one), .updateItem(id: long, .init()),
    .updateItem(id: "dal", .init(dishName: long)), .updateItem(id: "dal", .init(customization: long)),
    .updateSplit(.custom([ParticipantID(long): one])), .updateSplit(.percentage([ParticipantID(long): one])),
    .updateSplit(.shares([ParticipantID(long): one])),
  ]

  @Test("each text of a command counts", arguments: texts.indices)
  func commands(index: Int) {
    #expect(Self.texts[index].sizeBytes >= 10_000)
    #expect(Self.texts[index].sizeBytes < 11_000)
  }

  @Test("a split counts each of those it names")
  func split() {
    let parts = Dictionary(uniqueKeysWithValues: (0..<1000).map { (ParticipantID("\($0)"), Self.one) })
    #expect(OrderCommand.updateSplit(.shares(parts)).sizeBytes > 50_000)
  }
}
