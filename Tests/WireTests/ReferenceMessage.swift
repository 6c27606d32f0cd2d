import Foundation
import JSONText
import Ordering
import RoomCore
import Wire

/// The same messages read with Foundation: slower, and independent of our reader.
enum ReferenceMessage {
  private struct Envelope: Decodable {
    var type: String
    var participantId: String
    var participantName: String?
    var opId: String?
    var after: Decimal?
  }

  private struct Carrier<Contents: Decodable>: Decodable { var data: Contents }
  private struct OptionalCarrier<Contents: Decodable>: Decodable { var data: Contents? }

  private struct Join: Decodable {
    var tenantId: String?
    var circleId: String?
    var phone: String?
  }

  private struct Leave: Decodable { var removeItems: Bool? }
  private struct Ready: Decodable { var ready: Bool? }
  private struct Removal: Decodable { var itemId: String }

  private struct Item: Decodable {
    var id: String?
    var itemId: String?
    var dishName: String?
    var dishType: String?
    var quantity: Decimal?
    var price: Decimal?
    var customization: String?
  }

  /// Nil if Foundation, or a rule that the wire enforces, refuses the text.
  static func decode(_ bytes: [UInt8]) -> ClientMessage? {
    let text = Data(bytes)
    let decoder = JSONDecoder()
    // The decoder looks only at what it is asked for; this one looks at everything.
    guard (try? JSONSerialization.jsonObject(with: text)) != nil,
      let envelope = try? decoder.decode(Envelope.self, from: text),
      isName(envelope.participantId, upTo: 200), envelope.opId.map({ isName($0, upTo: 64) }) ?? true,
      let body = try? body(envelope, text, decoder)
    else { return nil }
    var after: SequenceNumber?
    if let number = envelope.after {
      guard number >= 0, let integer = Int64("\(number)") else { return nil }
      after = SequenceNumber(integer)
    }
    return ClientMessage(
      participant: ParticipantID(envelope.participantId), opId: envelope.opId, after: after, body: body)
  }

  private static func body(_ envelope: Envelope, _ text: Data, _ decoder: JSONDecoder) throws -> ClientMessage.Body? {
    switch envelope.type {
    case "join":
      let join = try decoder.decode(OptionalCarrier<Join>.self, from: text).data
      let name = envelope.participantName ?? ""
      return .operation(
        .join(OrderCommand.Join(name: name, tenant: join?.tenantId, circle: join?.circleId, phone: join?.phone)))
    case "leave":
      let leave = try decoder.decode(OptionalCarrier<Leave>.self, from: text).data
      return .operation(.leave(removeItems: leave?.removeItems ?? false))
    case "ready":
      let ready = try decoder.decode(OptionalCarrier<Ready>.self, from: text).data
      return .operation(.ready(ready?.ready ?? true))
    case "remove_item":
      return .operation(.removeItem(id: try decoder.decode(Carrier<Removal>.self, from: text).data.itemId))
    case "add_item":
      let item = try decoder.decode(Carrier<Item>.self, from: text).data
      guard try checkType(item), let name = item.dishName, let type = item.dishType.flatMap(DishType.init),
        let quantity = item.quantity, let price = item.price
      else { return nil }
      return .operation(
        .addItem(
          OrderCommand.NewItem(
            id: item.id, dishName: name, dishType: type, quantity: number(quantity), price: number(price),
            customization: item.customization)))
    case "update_quantity":
      let item = try decoder.decode(Carrier<Item>.self, from: text).data
      guard try checkType(item), let id = item.itemId, let quantity = item.quantity else { return nil }
      return .operation(.updateQuantity(id: id, quantity: number(quantity)))
    default: return nil
    }
  }

  private static func checkType(_ item: Item) throws -> Bool {
    item.dishType.map { DishType(rawValue: $0) != nil } ?? true
  }

  private static func isName(_ name: String, upTo limit: Int) -> Bool {
    (1...limit).contains(name.utf8.count)
      && !name.unicodeScalars.contains { $0.properties.generalCategory == .control }
  }

  private static func number(_ decimal: Decimal) -> DecimalNumber {
    var digits = decimal
    var exponent = 0
    while Int64("\(digits)") == nil, exponent > -40 {
      digits *= 10
      exponent -= 1
    }
    return DecimalNumber(significand: Int64("\(digits)") ?? 0, exponent: exponent)
  }
}
