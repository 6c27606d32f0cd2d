package import JSONText
package import Ordering
package import RoomCore

/// What a conversation has come to so far: with whom, for which circle, in which order.
package struct OrderState: Sendable, Equatable {
  package struct Customer: Sendable, Equatable {
    package var name: String?
    package var phone: PhoneNumber
    package var email: String?
    package var deliveryAddress: Address?
    /// When the customer has confirmed this; nil while only the number is known.
    package var confirmedAt: Timestamp?
  }

  package struct CircleNote: Sendable, Equatable {
    package var id: String
    package var name: String
  }

  package struct OrderNote: Sendable, Equatable {
    package var id: String
    package var circle: String
    /// Whom the customer is in the order.
    package var participant: ParticipantID
    package var status: String
  }

  package enum Change: Sendable, Equatable {
    case customer(Customer)
    case circle(CircleNote)
    case order(OrderNote)
    case orderStatus(String, of: String)
  }

  package var customer: Customer?
  package var circle: CircleNote?
  package var order: OrderNote?

  package init() {}

  package mutating func apply(_ change: Change) {
    switch change {
    case .customer(let customer):
      // What was said of circles and orders was said by somebody else.
      if let known = self.customer, known.phone != customer.phone { (circle, order) = (nil, nil) }
      self.customer = customer
    case .circle(let circle): self.circle = circle
    case .order(let order): self.order = order
    case .orderStatus(let status, let id): if order?.id == id { order?.status = status }
    }
  }

  // MARK: As JSON

  package var text: String {
    var writer = JSONWriter()
    write(to: &writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  package func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("customer")
    if let customer { writer.customer(customer) } else { writer.null() }
    writer.key("circle")
    if let circle {
      writer.beginObject()
      writer.field("id", circle.id)
      writer.field("name", circle.name)
      writer.endObject()
    } else {
      writer.null()
    }
    writer.key("order")
    if let order {
      writer.beginObject()
      writer.field("id", order.id)
      writer.field("circleId", order.circle)
      writer.field("participantId", order.participant.value)
      writer.field("status", order.status)
      writer.endObject()
    } else {
      writer.null()
    }
    writer.endObject()
  }

  /// - Parameter phone: whom the session is with.
  package init(text: String, phone: PhoneNumber?) throws(JSONError) {
    let tree = try JSONTree(parsing: Array(text.utf8))
    if let phone {
      let known = tree["customer"]
      var address: Address?
      if let parts = known?["deliveryAddress"] { address = Address(parts) }
      var confirmedAt: Timestamp?
      if case .number(let number)? = known?["confirmedAt"] {
        confirmedAt = number.integer.map { Timestamp(millis: $0) }
      }
      customer = Customer(
        name: known?["name"]?.text, phone: phone, email: known?["email"]?.text, deliveryAddress: address,
        confirmedAt: confirmedAt)
    }
    if let id = tree["circle"]?["id"]?.text {
      circle = CircleNote(id: id, name: tree["circle"]?["name"]?.text ?? "")
    }
    if let order = tree["order"], let id = order["id"]?.text {
      self.order = OrderNote(
        id: id, circle: order["circleId"]?.text ?? "", participant: ParticipantID(order["participantId"]?.text ?? ""),
        status: order["status"]?.text ?? "")
    }
  }
}

extension Address {
  /// The parts that are texts; nil if there are none.
  init?(_ parts: JSONTree) {
    self.init(
      street: parts["street"]?.text, apartment: parts["apartment"]?.text, city: parts["city"]?.text,
      state: parts["state"]?.text, pincode: parts["pincode"]?.text, landmark: parts["landmark"]?.text)
    if self == Address() { return nil }
  }
}

extension JSONWriter {
  /// As the state has it: what is not known is null.
  mutating func customer(_ customer: OrderState.Customer) {
    beginObject()
    nullable("name", customer.name)
    field("phone", customer.phone.text)
    nullable("email", customer.email)
    key("deliveryAddress")
    if let address = customer.deliveryAddress {
      beginObject()
      for (name, value) in address.parts { field(name, value) }
      endObject()
    } else {
      null()
    }
    key("confirmedAt")
    if let confirmedAt = customer.confirmedAt { integer(confirmedAt.millis) } else { null() }
    endObject()
  }

  private mutating func nullable(_ key: StaticString, _ value: String?) {
    self.key(key)
    if let value { string(value) } else { null() }
  }
}
