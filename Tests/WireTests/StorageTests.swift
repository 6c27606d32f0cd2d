import Foundation
import JSONText
import RoomCore
import TestSupport
import Testing

@testable import Ordering

/// "Storable: JSON text that later versions must still be able to read."
@Suite struct StorageTests {
  private func text(_ value: some Storable) -> [UInt8] {
    var writer = JSONWriter()
    value.write(to: &writer)
    return writer.bytes
  }

  private func read<Value: Storable>(_ type: Value.Type, _ text: [UInt8]) throws(JSONError) -> Value {
    try JSONReader.read(text) { reader throws(JSONError) in try Value.read(from: &reader) }
  }

  @Test func everyEventIsReadAsItWasWritten() throws {
    for (name, event) in sampleEvents {
      let bytes = text(event)
      #expect(try read(OrderEvent.self, bytes) == event, "\(name)")
      let object = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
      #expect(object["type"] as? String == name)
    }
  }

  @Test func everyStateIsReadAsItWasWritten() throws {
    let seed: UInt64 = 3
    var generator = SplitMix64(seed: seed)
    for round in 0..<500 {
      let state = OrderRoom(room: .sample, order: round == 0 ? nil : generator.order())
      let bytes = text(state)
      #expect(try read(OrderRoom.self, bytes) == state, "seed \(seed), round \(round)")
      _ = try JSONSerialization.jsonObject(with: Data(bytes))
    }
    for order in [CollaborativeOrder.sample, .rich] {
      let state = OrderRoom(room: .sample, order: order)
      #expect(try read(OrderRoom.self, text(state)) == state)
    }
  }

  /// "Tolerant of unknown keys so that later versions can add fields."
  @Test func unknownKeysArePassedOver() throws {
    for value in sampleEvents.map(\.event) {
      let extended = try addingUnknownKeys(text(value))
      #expect(try read(OrderEvent.self, extended) == value)
    }
    let state = OrderRoom(room: .sample, order: .rich)
    #expect(try read(OrderRoom.self, addingUnknownKeys(text(state))) == state)
  }

  /// Into every object but those whose keys are participants.
  private func addingUnknownKeys(_ bytes: [UInt8]) throws -> [UInt8] {
    func extend(_ value: Any, key: String) -> Any {
      if let elements = value as? [Any] { return elements.map { extend($0, key: "") } }
      guard var fields = value as? [String: Any] else { return value }
      for (key, value) in fields { fields[key] = extend(value, key: key) }
      if !["amountsMinor", "basisPoints", "weights"].contains(key) { fields["fromTheFuture"] = ["x": [1, NSNull()]] }
      return fields
    }
    let object = try JSONSerialization.jsonObject(with: Data(bytes))
    return Array(try JSONSerialization.data(withJSONObject: extend(object, key: "")))
  }

  /// Taking any key away gives an error that names it, or, where the field is optional, another value.
  @Test func aMissingFieldIsNamed() throws {
    let optional: Set = [
      "customization", "deadline", "maxTotalMinor", "phoneEnding", "ready", "order", "charges", "finalizedAt", "shares",
      "undoable", "forMembers", "unreported", "orders", "maxItems", "maxParticipants", "tax", "delivery", "tip",
      "discount",
    ]
    var named: Set<String> = []
    func check(_ bytes: [UInt8], _ read: ([UInt8]) throws -> Void) throws {
      guard let fields = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else { return }
      for key in fields.keys {
        var fewer = fields
        fewer[key] = nil
        do {
          try read(Array(try JSONSerialization.data(withJSONObject: fewer)))
          #expect(optional.contains(key), "\(key)")
        } catch let error as JSONError {
          #expect(error.reason.contains("'\(key)'"), "\(error) without \(key)")
          named.insert(key)
        }
      }
    }
    for (_, event) in sampleEvents { try check(text(event)) { _ = try self.read(OrderEvent.self, $0) } }
    try check(text(OrderItem.biryani)) { _ = try self.read(OrderItem.self, $0) }
    try check(text(CollaborativeOrder.rich)) { _ = try self.read(CollaborativeOrder.self, $0) }
    try check(text(OrderRoom(room: .sample))) { _ = try self.read(OrderRoom.self, $0) }
    try check(text(CollaborativeOrder.rich.participants[0])) { _ = try self.read(Participant.self, $0) }
    try check(text(Currency.inr)) { _ = try self.read(Currency.self, $0) }
    try check(text(CollaborativeOrder.rich.charges.tax)) { _ = try self.read(Charge.self, $0) }
    for change in CollaborativeOrder.rich.undoable.values {
      try check(text(change)) { _ = try self.read(ReversibleChange.self, $0) }
    }
    #expect(
      named.isSuperset(of: ["type", "item", "index", "priceMinor", "tenant", "limits", "idleLimitMillis", "room"]))
  }

  @Test(
    "refuses what it does not know",
    arguments: [
      (#"{"type":"item_exploded"}"#, "'item_exploded' is no type of event that this version knows"),
      (#"{"type":"order_expired","reason":"boredom"}"#, "'boredom' is no Expiry"),
      (#"{"type":"split_updated","split":{"type":"lottery"}}"#, "'lottery' is no type of split"),
      (#"{"type":"limits_set","limits":{},"editing":"none"}"#, "'none' is no EditingRule"),
      (#"{"type":"item_removed","id":7}"#, "a string was expected"),
      (#"{"type":"quantity_updated","id":"a","quantity":1.5}"#, "an integer was expected"),
      (#"{"type":"quantity_updated","id":"a","quantity":9223372036854775807}"#, "a quantity is out of range"),
      (#"{"type":"quantity_updated","id":"a","quantity":0}"#, "a quantity is out of range"),
      (
        #"{"type":"split_updated","split":{"type":"custom","amountsMinor":{"a":9223372036854775807}}}"#,
        "an amount is out of range"
      ),
      (
        #"{"type":"split_updated","split":{"type":"percentage","basisPoints":{"a":9223372036854775807}}}"#,
        "an amount is out of range"
      ),
      (#"{"type":"split_updated","split":{"type":"shares","weights":{"a":-5,"b":1}}}"#, "an amount is out of range"),
      (
        #"{"type":"charges_set","charges":{"tax":{"amountMinor":1000000000000001,"allocation":"equal"}}}"#,
        "an amount is out of range"
      ),
    ])
  func refuses(_ text: String, _ reason: String) {
    let error = #expect(throws: JSONError.self) { try read(OrderEvent.self, Array(text.utf8)) }
    #expect(error?.reason == reason)
  }

  @Test func refusesARoomOrACurrencyThatCannotBe() {
    let room = #expect(throws: JSONError.self) { try read(OrderRoom.self, Array(#"{"room":"a b"}"#.utf8)) }
    #expect(room?.reason == "'room' is no room's name")
    let currency = #expect(throws: JSONError.self) {
      try read(Currency.self, Array(#"{"code":"XXX","minorDigits":9}"#.utf8))
    }
    #expect(currency?.reason == "a currency has 0 to 4 minor digits")
  }

  /// Each amount is possible, and their sum is not.
  @Test func refusesAnOrderThatCannotBeAddedUp() throws {
    var order = CollaborativeOrder.sample
    order.items = (0..<10).map { number in
      OrderItem(
        id: "\(number)", dishName: "Dal", dishType: .veg, quantity: 1000, price: Bill.ceiling, addedBy: asha,
        addedByName: "Asha", addedAt: moment(0))
    }
    let bytes = text(OrderRoom(room: .sample, order: order))
    let error = #expect(throws: JSONError.self) { try read(OrderRoom.self, bytes) }
    #expect(error?.reason == "an order costs more than any order may")
    // As much as an order may cost, with a discount on what lies above.
    order.items = [OrderItem.biryani, .naan]
    order.items[0].quantity = 1
    order.items[0].price = Bill.ceiling
    order.items[1].quantity = 1
    order.items[1].price = Money(minorUnits: 5)
    order.charges.discount.amount = Money(minorUnits: 5)
    let most = OrderRoom(room: .sample, order: order)
    #expect(try read(OrderRoom.self, text(most)) == most)
  }

  /// The words of the journal are for ever: a change here must come with a reader of the old ones.
  @Test func theJournalsWordsStand() throws {
    #expect(
      String(decoding: text(OrderEvent.itemAdded(.naan, index: 1)), as: UTF8.self)
        == #"{"type":"item_added","item":{"id":"i2","dishName":"Nān 🫓","dishType":"veg","quantity":3,"priceMinor":4550,"#
        + #""addedBy":"stonepot_9876543211","addedByName":"Ravi","addedAt":1730000020000},"index":1}"#)
  }
}
