/// What the clients of a drill send. Each has an item of its own, and sets its quantity over and over.
enum DrillOperation {
  /// The first operation joins, the second adds the item, and the others set its quantity. So each can be applied
  /// whatever became of those before it.
  static let preparations = 2

  static func setsQuantity(_ number: Int) -> Bool { number >= preparations - 1 }

  static func quantity(_ number: Int) -> Int { 1 + number % 99 }

  private static let dish = #""dishName":"Dal","dishType":"veg","price":10"#

  static func itemID(of client: Int) -> String { "item-\(client)" }

  static func client(ofItem id: String) -> Int? { id.hasPrefix("item-") ? Int(id.dropFirst(5)) : nil }

  /// - Parameter after: the last position that the client had seen when it first sent the operation.
  static func text(_ number: Int, of client: Int, as participant: String, after: Int) -> String {
    let (type, data) =
      switch number {
      case 0: ("join", #"{"circleId":"drill","tenantId":"drill","phone":"9876543210"}"#)
      case 1:
        ("add_item", #"{"id":"\#(itemID(of: client))","quantity":\#(quantity(number)),\#(dish)}"#)
      default: ("update_quantity", #"{"itemId":"\#(itemID(of: client))","quantity":\#(quantity(number))}"#)
      }
    let sender = #""participantId":"\#(participant)","participantName":"\#(participant)""#
    return #"{"type":"\#(type)",\#(sender),"opId":"\#(number)","after":\#(after),"data":\#(data)}"#
  }
}

/// What the clients of a drill are told, as far as they care.
struct DrillReply {
  enum Kind {
    case event(RoomEvent)
    case state(at: Int)
    case resumed(since: Int, head: Int)
    case acknowledged(Int, at: Int)
    case refused(Int?, code: String, isRetryable: Bool)
    /// Has no position: presence, for instance.
    case other
  }

  var kind: Kind
  /// The store's past, if the message names it.
  var history: String?

  /// - Returns: nil if it makes no sense.
  init?(scanning message: UnsafeRawBufferPointer, names: ParticipantNames) {
    guard var members = JSONMembers(of: message) else { return nil }
    var type: UnsafeRawBufferPointer?
    var data: UnsafeRawBufferPointer?
    var (author, operation, position): (Int?, Int?, Int?) = (nil, nil, nil)
    while let member = members.next() {
      if member.key.equals("type") {
        type = member.value.withoutQuotes
      } else if member.key.equals("participantId") {
        author = names.index(of: member.value.withoutQuotes)
      } else if member.key.equals("data") {
        data = member.value
      } else if member.key.equals("seq") {
        position = member.value.decimal
      } else if member.key.equals("opId") {
        operation = member.value.withoutQuotes.decimal
      } else if member.key.equals("history") {
        history = member.value.withoutQuotes.text
      }
    }
    guard let type else { return nil }
    if type.equals("error") {
      guard let data, let code = JSONMembers.value(at: "code", in: data) else { return nil }
      let number = JSONMembers.value(at: "opId", in: data)?.decimal
      let isRetryable = JSONMembers.value(at: "retryable", in: data)?.equals("true") ?? false
      kind = .refused(number, code: code.text, isRetryable: isRetryable)
    } else if type.equals("ack") {
      guard let operation, let position else { return nil }
      kind = .acknowledged(operation, at: position)
    } else if type.equals("sync") {
      guard let position else { return nil }
      kind = .state(at: position)
    } else if type.equals("resumed") {
      guard let position, let data, let since = JSONMembers.value(at: "since", in: data)?.decimal else { return nil }
      history = JSONMembers.value(at: "history", in: data)?.text
      kind = .resumed(since: since, head: position)
    } else if let position {
      var cause = RoomEvent.Cause.unknown
      if let author, let operation {
        let name = OperationName(client: author, number: operation)
        cause = type.equals("order_created") ? .creation(name) : .operation(name)
      }
      kind = .event(RoomEvent(position: position, cause: cause, digest: message.digest))
    } else {
      kind = .other
    }
  }
}

extension UnsafeRawBufferPointer {
  var text: String { String(decoding: self, as: UTF8.self) }

  /// The number that it is in decimal digits, and nothing else.
  fileprivate var decimal: Int? {
    guard (1...18).contains(count) else { return nil }
    var value = 0
    for byte in self {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      value = value * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return value
  }

  /// FNV-1a.
  fileprivate var digest: UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in self { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
  }
}
