public import JSONText
public import Ordering
import RoomCore

/// Records as answers, in the field names of the seed's collections. Amounts are in major units, times in milliseconds
/// since 1970.
extension JSONWriter {
  public mutating func customer(_ customer: Customer) {
    beginObject()
    field("id", customer.id)
    field("tenantId", customer.tenant)
    field("phone", customer.phone.text)
    field("name", customer.name)
    field("email", customer.email)
    if let address = customer.deliveryAddress {
      key("deliveryAddress")
      self.address(address)
    }
    key("addresses")
    beginArray()
    for saved in customer.addresses {
      beginObject()
      field("label", saved.label.rawValue)
      field("isDefault", saved.isDefault)
      key("address")
      address(saved.address)
      endObject()
    }
    endArray()
    field("isVerified", customer.isVerified)
    times(customer.createdAt, customer.updatedAt, customer.version)
    endObject()
  }

  private mutating func address(_ address: Address) {
    beginObject()
    for (name, value) in address.parts { field(name, value) }
    endObject()
  }

  public mutating func circle(_ circle: Circle) {
    beginObject()
    field("id", circle.id)
    field("tenantId", circle.tenant)
    field("name", circle.name)
    field("type", circle.kind.rawValue)
    field("createdBy", circle.createdBy.text)
    field("status", circle.status.rawValue)
    key("members")
    members(of: circle)
    key("activeOrders")
    beginArray()
    for order in circle.activeOrders { string(order) }
    endArray()
    times(circle.createdAt, circle.updatedAt, circle.version)
    endObject()
  }

  public mutating func members(of circle: Circle) {
    beginArray()
    for member in circle.members {
      beginObject()
      field("phone", member.phone.text)
      field("role", member.role.rawValue)
      field("status", member.status.rawValue)
      field("joinedAt", member.joinedAt.millis)
      endObject()
    }
    endArray()
  }

  public mutating func order(_ order: PlacedOrder) {
    beginObject()
    field("id", order.id)
    field("tenantId", order.tenant)
    if order.orderer != .unknown { field("customerId", "\(order.tenant)_\(order.orderer.text)") }
    field("sessionId", order.session)
    field("collaborativeOrderId", order.collaborativeOrder)
    field("reorderOf", order.repeats)
    field("orderType", order.kind.rawValue)
    field("currency", order.currency.code)
    key("items")
    beginArray()
    for item in order.items {
      beginObject()
      field("dishName", item.dishName)
      field("dishType", item.dishType?.rawValue)
      field("quantity", item.quantity)
      money("price", item.price, order.currency)
      field("customization", item.customization)
      field("addedBy", item.addedBy)
      endObject()
    }
    endArray()
    money("total", order.total, order.currency)
    field("status", order.status.rawValue)
    field("statusUpdatedAt", (order.timeline.last?.at ?? order.createdAt).millis)
    key("timeline")
    beginArray()
    for moment in order.timeline {
      beginObject()
      field("status", moment.status.rawValue)
      field("at", moment.at.millis)
      endObject()
    }
    endArray()
    times(order.createdAt, order.updatedAt, order.version)
    endObject()
  }

  public mutating func menu(_ menu: Menu) {
    beginObject()
    field("tenantId", menu.tenant)
    field("currency", menu.currency.code)
    key("dishes")
    beginArray()
    for dish in menu.dishes {
      beginObject()
      field("id", dish.id)
      field("name", dish.name)
      field("type", dish.type.rawValue)
      money("price", dish.price, menu.currency)
      key("options")
      beginArray()
      for option in dish.options {
        beginObject()
        field("name", option.name)
        money("price", option.price, menu.currency)
        endObject()
      }
      endArray()
      field("available", dish.isAvailable)
      endObject()
    }
    endArray()
    field("updatedAt", menu.updatedAt.millis)
    field("version", menu.version)
    endObject()
  }

  public mutating func tenant(_ tenant: Tenant) {
    beginObject()
    field("id", tenant.id)
    field("name", tenant.name)
    times(tenant.createdAt, tenant.updatedAt, tenant.version)
    endObject()
  }

  /// - Parameter text: the key itself, when it is told.
  public mutating func apiKey(_ key: ApiKey, text: String? = nil) {
    beginObject()
    field("id", key.id)
    field("tenantId", key.tenant)
    field("label", key.label)
    field("key", text)
    field("createdAt", key.createdAt.millis)
    if let time = key.expiresAt { field("expiresAt", time.millis) }
    if let time = key.revokedAt { field("revokedAt", time.millis) }
    if let time = key.lastUsedAt { field("lastUsedAt", time.millis) }
    endObject()
  }

  /// A circle as one of its members may take it along: the others' numbers are not theirs.
  public mutating func membership(_ circle: Circle, of phone: PhoneNumber) {
    guard let member = circle[phone] else { preconditionFailure("a circle of somebody who is not in it") }
    beginObject()
    field("id", circle.id)
    field("name", circle.name)
    field("type", circle.kind.rawValue)
    field("role", member.role.rawValue)
    field("status", member.status.rawValue)
    field("joinedAt", member.joinedAt.millis)
    if circle.createdBy == .customer(phone) { field("createdBy", phone.text) }
    endObject()
  }

  private mutating func times(_ createdAt: Timestamp, _ updatedAt: Timestamp, _ version: Int64) {
    field("createdAt", createdAt.millis)
    field("updatedAt", updatedAt.millis)
    field("version", version)
  }
}
