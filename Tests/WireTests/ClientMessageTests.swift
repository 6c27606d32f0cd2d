import JSONText
import Ordering
import RoomCore
import TestSupport
import Testing
import Wire

/// A message of a client, field by field, so that the fields can be put in any order.
struct SampleMessage: CustomTestStringConvertible, Sendable {
  let type: String
  /// The text of `data`; nil for none.
  let data: String?
  let body: ClientMessage.Body

  init(_ type: String, _ data: String?, _ body: ClientMessage.Body) {
    self.type = type
    self.data = data
    self.body = body
  }

  init(_ type: String, _ data: String?, _ command: OrderCommand) { self.init(type, data, .operation(command)) }

  var testDescription: String { "\(type) \(data ?? "")" }

  var fields: [String] {
    var fields = [
      #""type":"\#(type)""#, #""participantId":"asha""#, #""participantName":"Asha Rao""#,
      #""timestamp":1730000000000"#,
      #""opId":"op-1""#, #""after":41"#,
    ]
    if let data { fields.append(#""data":\#(data)"#) }
    return fields
  }

  var text: [UInt8] { Array("{\(fields.joined(separator: ","))}".utf8) }

  var expected: ClientMessage {
    ClientMessage(
      participant: ParticipantID("asha"), opId: "op-1", after: SequenceNumber(41), body: body)
  }
}

private func number(_ significand: Int64, _ exponent: Int = 0) -> DecimalNumber {
  DecimalNumber(significand: significand, exponent: exponent)
}

private let p = ParticipantID("p")
private let q = ParticipantID("q")

let sampleMessages: [SampleMessage] = [
  SampleMessage(
    "join", #"{"circleId":"c","tenantId":"t","phone":"9876543210"}"#,
    .join(OrderCommand.Join(name: "Asha Rao", tenant: "t", circle: "c", phone: "9876543210"))),
  SampleMessage("join", nil, .join(OrderCommand.Join(name: "Asha Rao"))),
  SampleMessage("join", #"{"phone":null,"role":"owner"}"#, .join(OrderCommand.Join(name: "Asha Rao"))),
  SampleMessage("leave", nil, .leave(removeItems: false)),
  SampleMessage("leave", "{}", .leave(removeItems: false)),
  SampleMessage("leave", #"{"removeItems":true}"#, .leave(removeItems: true)),
  SampleMessage(
    "add_item", #"{"dishName":"Chicken Biryani","dishType":"non-veg","quantity":2,"price":299}"#,
    .addItem(
      OrderCommand.NewItem(dishName: "Chicken Biryani", dishType: .nonVeg, quantity: number(2), price: number(299)))),
  SampleMessage(
    "add_item",
    #" { "customization" : "no \"onions\"\n" , "price" : 45.50 , "quantity" : 1 , "dishType" : "veg" , "dishName" : "N\u0101n" , "id" : "i1" } "#,
    .addItem(
      OrderCommand.NewItem(
        id: "i1", dishName: "Nān", dishType: .veg, quantity: number(1), price: number(455, -1),
        customization: "no \"onions\"\n"))),
  SampleMessage(
    "add_item",
    #"{"dishName":"","dishType":"veg","quantity":-1.5,"price":1e99,"customization":null,"id":null,"addedBy":{"x":[1]}}"#,
    .addItem(OrderCommand.NewItem(dishName: "", dishType: .veg, quantity: number(-15, -1), price: number(1, 99)))),
  SampleMessage("remove_item", #"{"itemId":"i1"}"#, .removeItem(id: "i1")),
  SampleMessage("update_quantity", #"{"itemId":"i1","quantity":0}"#, .updateQuantity(id: "i1", quantity: 0)),
  SampleMessage("update_item", #"{"itemId":"i1"}"#, .updateItem(id: "i1", OrderCommand.ItemChange())),
  SampleMessage(
    "update_item",
    #"{"itemId":"i1","dishName":"a","dishType":"veg","quantity":3,"price":0.05,"customization":""}"#,
    .updateItem(
      id: "i1",
      OrderCommand.ItemChange(
        dishName: "a", dishType: .veg, quantity: number(3), price: number(5, -2), customization: ""))),
  SampleMessage("update_split", #"{"splitType":"equal"}"#, .updateSplit(.equal)),
  SampleMessage("update_split", #"{"splitType":"itemized","splitDetails":null}"#, .updateSplit(.itemized)),
  SampleMessage(
    "update_split", #"{"amounts":{"p":100.5,"q":0},"splitType":"custom"}"#,
    .updateSplit(.custom([p: number(1005, -1), q: number(0)]))),
  SampleMessage(
    "update_split", #"{"splitType":"percentage","percentages":{"p":66.67,"q":33.33}}"#,
    .updateSplit(.percentage([p: number(6667, -2), q: number(3333, -2)]))),
  SampleMessage(
    "update_split", #"{"splitType":"shares","shares":{"p":2}}"#, .updateSplit(.shares([p: number(2)]))),
  SampleMessage(
    "update_split",
    #"{"splitDetails":[{"participantId":"p","amount":1},{"amount":2,"participantId":"q"}],"splitType":"custom"}"#,
    .updateSplit(.custom([p: number(1), q: number(2)]))),
  SampleMessage(
    "update_split", #"{"splitType":"percentage","splitDetails":[{"participantId":"p","percentage":100}]}"#,
    .updateSplit(.percentage([p: number(1, 2)]))),
  SampleMessage(
    "update_split",
    #"{"splitType":"shares","splitDetails":[{"participantId":"p","shares":1},{"participantId":"q","share":3}]}"#,
    .updateSplit(.shares([p: number(1), q: number(3)]))),
  SampleMessage("finalize", nil, .finalize()),
  SampleMessage("finalize", #"{"anything":[1]}"#, .finalize()),
  SampleMessage("lock", "null", .lock),
  SampleMessage("unlock", "[]", .unlock),
  SampleMessage("cancel", "{}", .cancel),
  SampleMessage("ready", nil, .ready(true)),
  SampleMessage("ready", #"{"ready":false}"#, .ready(false)),
  SampleMessage("remove_participant", #"{"participantId":"q"}"#, .removeParticipant(q, removeItems: false)),
  SampleMessage(
    "remove_participant", #"{"removeItems":true,"participantId":"q"}"#, .removeParticipant(q, removeItems: true)),
  SampleMessage("transfer_ownership", #"{"participantId":"q"}"#, .transferOwnership(to: q)),
  SampleMessage("set_deadline", #"{"deadline":1730000000000}"#, .setDeadline(Timestamp(millis: 1_730_000_000_000))),
  SampleMessage("set_deadline", #"{"deadline":null}"#, .setDeadline(nil)),
  SampleMessage(
    "set_limits", #"{"maxItems":5,"maxParticipants":3,"maxTotal":1000.5,"editing":"own"}"#,
    .setLimits(
      OrderCommand.LimitsRequest(maxItems: 5, maxParticipants: 3, maxTotal: number(10005, -1), editing: .own))),
  SampleMessage(
    "set_limits", #"{"maxTotal":0,"editing":"everyone","maxItems":null}"#,
    .setLimits(OrderCommand.LimitsRequest(maxTotal: 0, editing: .everyone))),
  SampleMessage(
    "set_charges",
    #"{"tax":18.5,"delivery":{"amount":40,"allocation":"equal"},"tip":{"amount":0},"discount":{"allocation":"proportional","amount":1}}"#,
    .setCharges(
      OrderCommand.ChargesRequest(
        tax: OrderCommand.ChargesRequest.Charge(amount: number(185, -1)),
        delivery: OrderCommand.ChargesRequest.Charge(amount: number(40), allocation: .equal),
        tip: OrderCommand.ChargesRequest.Charge(amount: number(0)),
        discount: OrderCommand.ChargesRequest.Charge(amount: number(1), allocation: .proportional)))),
  SampleMessage("set_charges", #"{"tax":null}"#, .setCharges(OrderCommand.ChargesRequest())),
  SampleMessage("undo", nil, .undo),
  SampleMessage("speaking", nil, .speaking(true)),
  SampleMessage("speaking", #"{"speaking":false}"#, .speaking(false)),
]

@Suite struct ClientMessageTests {
  @Test("decodes, in whatever order the fields come", arguments: sampleMessages)
  func everyOrder(_ sample: SampleMessage) throws {
    #expect(try ClientMessage.decode(sample.text) == sample.expected)
    // The order of what stands beside these four is of no consequence, and all orders of seven would take minutes.
    let isMoved = { (field: String) in
      [#""type"#, #""data"#, #""opId"#, #""participantN"#].contains { field.hasPrefix($0) }
    }
    let others = sample.fields.filter { !isMoved($0) }
    try permute(sample.fields.filter(isMoved)) { moved in
      let fields = moved.prefix(2) + others + moved.dropFirst(2)
      let text = Array("{\(fields.joined(separator: ","))}".utf8)
      guard try ClientMessage.decode(text) == sample.expected else {
        Issue.record("\(fields)")
        return
      }
    }
  }

  private func permute(_ fields: [String], from: Int = 0, _ body: ([String]) throws -> Void) rethrows {
    guard from < fields.count else { return try body(fields) }
    for index in from..<fields.count {
      var fields = fields
      fields.swapAt(from, index)
      try permute(fields, from: from + 1, body)
    }
  }

  @Test func theLeastMessage() throws {
    let message = try ClientMessage.decode(Array(#"{"type":"undo","participantId":"a"}"#.utf8))
    #expect(message == ClientMessage(participant: ParticipantID("a"), body: .operation(.undo)))
    let nulls = #"{"type":"undo","participantId":"a","opId":null,"after":null,"participantName":null,"timestamp":"x"}"#
    #expect(try ClientMessage.decode(Array(nulls.utf8)) == message)
    let rejoin = try ClientMessage.decode(Array(#"{"type":"join","participantId":"a"}"#.utf8))
    #expect(rejoin.body == .operation(.join(OrderCommand.Join(name: ""))))
    let escaped = #"{"t\u0079pe":"und\u006f","participantId":"\u0061"}"#
    #expect(try ClientMessage.decode(Array(escaped.utf8)) == message)
  }

  @Test("a cut-off text is an error at every byte", arguments: sampleMessages)
  func truncated(_ sample: SampleMessage) {
    for count in 0..<sample.text.count {
      let error = #expect(throws: WireError.self) { try ClientMessage.decode(Array(sample.text[..<count])) }
      #expect(error?.code == .invalidJSON, "\(count) bytes")
    }
  }

  // MARK: - Errors

  struct Failure: CustomTestStringConvertible, Sendable {
    let text: String
    let code: WireError.Code
    let words: String
    var testDescription: String { text }

    /// - Parameter words: what the message must name.
    init(_ type: String, _ data: String?, _ code: WireError.Code, _ words: String) {
      let sample = SampleMessage(type, data, .speaking(true))
      self.init(text: String(decoding: sample.text, as: UTF8.self), code, words)
    }

    init(text: String, _ code: WireError.Code, _ words: String) {
      self.text = text
      self.code = code
      self.words = words
    }
  }

  static let failures: [Failure] = [
    Failure(text: "", .invalidJSON, "at byte 0"),
    Failure(text: "hello", .invalidJSON, "at byte 0"),
    Failure(text: "[]", .invalidMessage, "an object"),
    Failure(text: "\"ping\"", .invalidMessage, "an object"),
    Failure(text: "{} {}", .invalidJSON, "text after the value"),
    Failure(text: "{}", .invalidMessage, "type is missing"),
    Failure(text: #"{"type":null}"#, .invalidMessage, "type is missing"),
    Failure(text: #"{"type":7}"#, .invalidMessage, "type must be a string"),
    Failure(text: #"{"type":"undo"}"#, .invalidMessage, "participantId is missing"),
    Failure(text: #"{"type":"undo","participantId":7}"#, .invalidMessage, "participantId must be a string"),
    Failure(
      text: #"{"type":"undo","participantId":""}"#, .invalidMessage, "participantId must be a string of 1 to 200 bytes"),
    Failure(
      text: #"{"type":"undo","participantId":"\#(String(repeating: "é", count: 101))"}"#, .invalidMessage,
      "participantId must be a string of 1 to 200 bytes"),
    Failure(text: #"{"type":"undo","participantId":"a\u0000"}"#, .invalidMessage, "without control characters"),
    Failure(text: #"{"type":"undo","participantId":"a\u0085"}"#, .invalidMessage, "without control characters"),
    Failure(text: #"{"type":"undo","participantId":"a\u007f"}"#, .invalidMessage, "without control characters"),
    Failure(
      text: #"{"type":"undo","participantId":"a","opId":""}"#, .invalidMessage, "opId must be a string of 1 to 64 bytes"
    ),
    Failure(
      text: #"{"type":"undo","participantId":"a","opId":"\#(String(repeating: "x", count: 65))"}"#, .invalidMessage,
      "opId must be a string of 1 to 64 bytes"),
    Failure(text: #"{"type":"undo","participantId":"a","opId":1}"#, .invalidMessage, "opId must be a string"),
    Failure(text: #"{"type":"undo","participantId":"a","after":-1}"#, .invalidMessage, "after must be an integer"),
    Failure(text: #"{"type":"undo","participantId":"a","after":1.5}"#, .invalidMessage, "after must be an integer"),
    Failure(text: #"{"type":"undo","participantId":"a","after":"1"}"#, .invalidMessage, "after must be an integer"),
    Failure(text: #"{"type":"undo","type":"undo","participantId":"a"}"#, .invalidMessage, "type is given twice"),
    Failure(
      text: #"{"participantId":"a","type":"undo","participantId":"a"}"#, .invalidMessage,
      "participantId is given twice"),
    Failure(text: #"{"type":"undo","participantName":1,"participantId":"a"}"#, .invalidMessage, "participantName"),
    Failure("order_pizza", "{}", .unknownType, "add_item"),
    Failure("join", "[]", .invalidJoin, "data must be an object"),
    Failure("join", #"{"phone":9876543210}"#, .invalidJoin, "data.phone must be a string, in quotes"),
    Failure("join", #"{"circleId":1}"#, .invalidJoin, "data.circleId must be a string"),
    Failure("join", #"{"tenantId":"t","tenantId":"t"}"#, .invalidJoin, "data.tenantId is given twice"),
    Failure("leave", #"{"removeItems":1}"#, .invalidMessage, "data.removeItems must be true or false"),
    Failure("leave", #""now""#, .invalidMessage, "data must be an object"),
    Failure("add_item", nil, .invalidItem, "data is missing"),
    Failure("add_item", "null", .invalidItem, "data is missing"),
    Failure("add_item", "{}", .invalidItem, "data.dishName is missing"),
    Failure("add_item", #"{"dishName":7}"#, .invalidItem, "data.dishName must be a string"),
    Failure("add_item", #"{"dishName":"a"}"#, .invalidItem, "data.dishType is missing"),
    Failure(
      "add_item", #"{"dishName":"a","dishType":"vegan"}"#, .invalidItem, "data.dishType must be one of 'veg', 'non-veg'"
    ),
    Failure(
      "add_item", #"{"dishName":"a","dishType":1}"#, .invalidItem, "data.dishType must be one of 'veg', 'non-veg'"),
    Failure("add_item", #"{"dishName":"a","dishType":"veg","price":1}"#, .invalidQuantity, "data.quantity is missing"),
    Failure("add_item", #"{"quantity":"2"}"#, .invalidQuantity, "data.quantity must be a number"),
    Failure("add_item", #"{"dishName":"a","dishType":"veg","quantity":1}"#, .invalidPrice, "data.price is missing"),
    Failure("add_item", #"{"price":"299"}"#, .invalidPrice, "data.price must be a number"),
    Failure("add_item", #"{"price":1,"price":2}"#, .invalidPrice, "data.price is given twice"),
    Failure("add_item", #"{"price":1,"pric\u0065":2}"#, .invalidPrice, "data.price is given twice"),
    Failure("remove_item", nil, .invalidItem, "data is missing"),
    Failure("remove_item", #"{"itemId":1}"#, .invalidItem, "data.itemId must be a string"),
    Failure("remove_item", #"{"id":"a"}"#, .invalidItem, "data.itemId is missing"),
    Failure("update_quantity", #"{"quantity":1}"#, .invalidItem, "data.itemId is missing"),
    Failure("update_quantity", #"{"itemId":"a"}"#, .invalidQuantity, "data.quantity is missing"),
    Failure("update_item", "{}", .invalidItem, "data.itemId is missing"),
    Failure("update_split", "{}", .invalidSplit, "data.splitType is missing"),
    Failure(
      "update_split", #"{"splitType":"fair"}"#, .invalidSplit, "data.splitType must be one of 'equal', 'itemized'"),
    Failure("update_split", #"{"splitType":"custom"}"#, .invalidSplit, "data.amounts is missing"),
    Failure("update_split", #"{"splitType":"custom","amounts":[1]}"#, .invalidSplit, "data.amounts must be an object"),
    Failure("update_split", #"{"amounts":{"p":"1"}}"#, .invalidSplit, "gives each participant, once, a number"),
    Failure("update_split", #"{"amounts":{"p":null}}"#, .invalidSplit, "gives each participant, once, a number"),
    Failure("update_split", #"{"amounts":{"p":1,"p":1}}"#, .invalidSplit, "gives each participant, once, a number"),
    Failure("update_split", #"{"shares":{},"shares":{}}"#, .invalidSplit, "data.shares is given twice"),
    Failure(
      "update_split", #"{"splitType":"custom","amounts":{},"splitDetails":[]}"#, .invalidSplit,
      "cannot be given together"),
    Failure(
      "update_split", #"{"splitType":"custom","splitDetails":[{"participantId":"p","shares":1}]}"#, .invalidSplit,
      "must give each participant"),
    Failure("update_split", #"{"splitDetails":[1],"splitType":"custom"}"#, .invalidSplit, "must be an array of {part"),
    Failure(
      "update_split", #"{"splitDetails":[{"amount":1}]}"#, .invalidSplit,
      "data.splitDetails.participantId is missing"),
    Failure(
      "update_split", #"{"splitDetails":[{"shares":1,"share":1}]}"#, .invalidSplit,
      "data.splitDetails.shares is given twice"),
    Failure(
      "update_split", #"{"splitDetails":[{"participantId":"p"},{"participantId":"p"}]}"#, .invalidSplit,
      "each participant once"),
    Failure("update_split", #"{"splitDetails":{}}"#, .invalidSplit, "data.splitDetails must be an array"),
    Failure("ready", #"{"ready":"yes"}"#, .invalidMessage, "data.ready must be true or false"),
    Failure("speaking", #"{"speaking":0}"#, .invalidMessage, "data.speaking must be true or false"),
    Failure("remove_participant", "{}", .invalidMessage, "data.participantId is missing"),
    Failure(
      "transfer_ownership", #"{"participantId":""}"#, .invalidMessage,
      "data.participantId must be a string of 1 to 200 bytes"),
    Failure("set_deadline", "{}", .invalidDeadline, "or null for none"),
    Failure("set_deadline", #"{"deadline":"soon"}"#, .invalidDeadline, "data.deadline must be an integer"),
    Failure("set_deadline", #"{"deadline":-1}"#, .invalidDeadline, "data.deadline must be an integer"),
    Failure("set_limits", #"{"maxItems":1.5}"#, .invalidLimit, "data.maxItems must be an integer"),
    Failure("set_limits", #"{"editing":"nobody"}"#, .invalidLimit, "data.editing must be one of 'everyone', 'own'"),
    Failure("set_charges", #"{"tax":"18%"}"#, .invalidCharge, "data.tax must be a number or {amount"),
    Failure("set_charges", #"{"tip":{"allocation":"equal"}}"#, .invalidCharge, "data.tip.amount is missing"),
    Failure("set_charges", #"{"tip":{"amount":"1"}}"#, .invalidCharge, "data.tip.amount must be a number"),
    Failure("set_charges", #"{"tip":{"amount":1,"amount":1}}"#, .invalidCharge, "data.tip.amount is given twice"),
    Failure(
      "set_charges", #"{"tip":{"amount":1,"allocation":"me"}}"#, .invalidCharge,
      "data.tip.allocation must be one of 'proportional', 'equal'"),
  ]

  @Test("says what is wrong", arguments: failures)
  func refuses(_ failure: Failure) {
    let error = #expect(throws: WireError.self) { try ClientMessage.decode(Array(failure.text.utf8)) }
    #expect(error?.code == failure.code)
    #expect(error?.message.contains(failure.words) == true, "\(error?.message ?? "")")
  }

  /// "WireError carries opId if it could be read", even if it comes after the field that is wrong.
  @Test func theErrorNamesTheOperation() {
    for text in [
      #"{"opId":"7","type":"add_item","participantId":"a","data":{"price":"x"}}"#,
      #"{"type":"add_item","participantId":"a","data":{"price":"x"},"opId":"7"}"#,
      #"{"participantId":1,"opId":"7"}"#, #"{"type":"nothing","opId":"7"}"#, #"{"opId":"7","type":"undo",}"#,
      #"{"data":[[{}]],"type":"add_item","opId":"7","participantId":"a"}"#,
    ] {
      let error = #expect(throws: WireError.self) { try ClientMessage.decode(Array(text.utf8)) }
      #expect(error?.opId == "7", "\(text)")
    }
    let none = #expect(throws: WireError.self) { try ClientMessage.decode(Array(#"{"opId":7}"#.utf8)) }
    #expect(none != nil && none?.opId == nil)
  }

  /// A text that is broken after a wrong field is no JSON first of all.
  @Test func aBrokenTextIsNoJSONWhateverCameBefore() {
    for text in [
      #"{"type":"add_item","data":{"price":"x"},"#, #"{"type":7,"participantId":x}"#, #"{"type":"undo"} }"#,
      #"{"data":{"price":},"type":"add_item"}"#,
    ] {
      let error = #expect(throws: WireError.self) { try ClientMessage.decode(Array(text.utf8)) }
      #expect(error?.code == .invalidJSON, "\(text)")
    }
  }
}
