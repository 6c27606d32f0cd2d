import Directory
import JSONText
import Ordering

extension Tool {
  static let getMyCircles = Tool(
    "get_my_circles", title: "The customer's circles",
    "List the family and friend circles that the customer is in.",
    parameters: [ToolCall.customerPhone], answers: [Parameter("circles", .list(of: .object([])))], effect: .reads
  ) { call in
    let phone = try call.customer()
    let circles = try await call.directory.circles(of: phone, call.tenant, size: 200).entries
    let names = enumeration(circles.prefix(10).map(\.name))
    let message =
      switch circles.count {
      case 0: "You are in no circle yet."
      case 1: "You are in one circle: \(names)."
      case 2...10: "You are in \(circles.count) circles: \(names)."
      default: "You are in \(circles.count) circles, \(names) among them."
      }
    return ToolOutcome(
      .done("ok", message) { writer in
        writer.key("circles")
        writer.beginArray()
        for circle in circles { writer.circle(circle, seenBy: phone) }
        writer.endArray()
      })
  }

  static let createCircle = Tool(
    "create_circle", title: "Create a circle",
    "Create a circle of family or friends who order together. The customer owns it.",
    parameters: [
      Parameter("name", .text(), "What the circle is called, such as Home", isRequired: true),
      Parameter("type", .word(Circle.Kind.allCases.map(\.rawValue)), "Family or friends", isRequired: true),
      ToolCall.customerPhone,
    ],
    answers: [Parameter("circle", .object([])), Parameter("circleId", .text())], effect: .adds
  ) { call in
    let phone = try call.customer()
    let kind = call.required(call.text("type").flatMap { Circle.Kind(rawValue: $0) }, "type")
    let circle = try await call.directory.createCircle(
      call.tenant, name: call.required(call.text("name"), "name"), kind: kind, owner: phone,
      id: call.id(of: "circle"))
    return ToolOutcome(
      .done("created", "The circle \(circle.name) is there. Whom would you like to invite?") { writer in
        writer.key("circle")
        writer.circle(circle, seenBy: phone)
        writer.field("circleId", circle.id)
      }, .circle(OrderState.CircleNote(circle)))
  }

  static let inviteToCircle = Tool(
    "invite_to_circle", title: "Invite to a circle",
    "Invite somebody to a circle by their phone number. Read the number back first.",
    parameters: [
      Parameter(
        "phone", .phone(), "Phone number of whom to invite, as string of exactly 10 digits", isRequired: true),
      Parameter("name", .text(), "Their name (optional)"), ToolCall.circleID, ToolCall.customerPhone,
    ],
    answers: [
      Parameter("circleId", .text()), Parameter("members", .list(of: .object([]))),
      Parameter("phoneReadBack", .text(most: 400)),
    ], effect: .adds
  ) { call in
    let phone = try call.customer()
    let guest = call.required(try call.phone("phone"), "phone")
    let circle = try await call.circle(of: phone)
    let wasMember = circle[guest] != nil
    _ = try await call.directory.inviteToCircle(
      call.tenant, circle.id, guest, name: call.text("name"), by: phone)
    let (now, names) = try await call.directory.namedMembers(of: circle.id, call.tenant)
    let name = names[guest] ?? "Your guest"
    let message = wasMember ? "\(name) is in \(circle.name) already." : "\(name) is invited to \(circle.name)."
    return ToolOutcome(
      .done(wasMember ? "already_member" : "invited", message) { writer in
        writer.field("circleId", circle.id)
        writer.members(of: now, names)
        writer.field("phoneReadBack", guest.readBack)
      }, .circle(OrderState.CircleNote(circle)))
  }

  static let getCircleMembers = Tool(
    "get_circle_members", title: "A circle's members", "List who is in a circle, and who owns it.",
    parameters: [ToolCall.circleID, ToolCall.customerPhone],
    answers: [Parameter("circleId", .text()), Parameter("members", .list(of: .object([])))], effect: .reads
  ) { call in
    let phone = try call.customer()
    let circle = try await call.circle(of: phone)
    let (now, names) = try await call.directory.namedMembers(of: circle.id, call.tenant)
    let members = now.members.map { names[$0.phone] ?? "somebody" }
    return ToolOutcome(
      .done("ok", "In \(circle.name) there \(members.count == 1 ? "is" : "are") \(enumeration(members)).") { writer in
        writer.field("circleId", circle.id)
        writer.members(of: now, names)
      }, .circle(OrderState.CircleNote(circle)))
  }
}

extension OrderState.CircleNote {
  init(_ circle: Circle) { self.init(id: circle.id, name: circle.name) }
}

extension JSONWriter {
  fileprivate mutating func circle(_ circle: Circle, seenBy phone: PhoneNumber) {
    beginObject()
    field("id", circle.id)
    field("name", circle.name)
    field("type", circle.kind.rawValue)
    field("memberCount", circle.members.count)
    field("role", circle[phone]?.role.rawValue)
    field("membership", circle[phone]?.status.rawValue)
    endObject()
  }

  /// Of others' numbers the last two digits are seen, as in rooms.
  fileprivate mutating func members(of circle: Circle, _ names: [PhoneNumber: String]) {
    key("members")
    beginArray()
    for member in circle.members {
      beginObject()
      field("name", names[member.phone])
      field("phone", "********" + member.phone.ending)
      field("role", member.role.rawValue)
      field("status", member.status.rawValue)
      endObject()
    }
    endArray()
  }
}
