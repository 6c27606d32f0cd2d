import JSONText
import Ordering
import RoomCore
import Wire

/// What a room does with one message, from the text that comes to the texts that go: no thread, no disk, no socket.
///
/// The order is that of the load scenarios: five people, five items.
struct OrderBenchmarks {
  private let history = "e8qjx6alv8xdb0qna2bmw0339"
  private let room: RoomID
  private let machine: RoomMachine<OrderLogic>
  private let context = TenantContext()
  private let now = Timestamp(millis: 1_730_000_000_000)
  private let online: Set<ParticipantID>

  private static let people = (0..<5).map { "load-0-00\($0)" }

  private static func message(_ type: String, by person: String, _ data: String, opId: String) -> [UInt8] {
    Array(
      """
      {"type":"\(type)","participantId":"\(person)","participantName":"\(person)","timestamp":1700000000000,\
      "opId":"\(opId)","data":\(data)}
      """.utf8)
  }

  private static let join = message(
    "join", by: people[0], #"{"circleId":"load","tenantId":"load","phone":"9876543210"}"#, opId: "000000000001")
  private static let addItem = message(
    "add_item", by: people[0],
    #"{"dishName":"Chicken Biryani No. 1","dishType":"non-veg","quantity":10,"price":299}"#, opId: "000000000002")
  private static let updateQuantity = message(
    "update_quantity", by: people[1], #"{"itemId":"item_7","quantity":3}"#, opId: "000000000003")

  init() throws {
    guard let room = RoomID("load-0") else { preconditionFailure("the name is well-formed") }
    self.room = room
    online = Set(Self.people.map { ParticipantID($0) })
    let (context, now) = (context, now)
    var machine = RoomMachine<OrderLogic>(room: room)
    var operations = 0
    func apply(_ text: [UInt8]) throws {
      operations += 1
      for record in try Self.records(of: text, on: machine, in: context, at: now, name: "setup-\(operations)") {
        machine.apply(record)
      }
    }
    for person in Self.people {
      try apply(
        Self.message("join", by: person, #"{"circleId":"load","tenantId":"load","phone":"9876543210"}"#, opId: "x"))
    }
    for (index, person) in Self.people.enumerated() {
      try apply(
        Self.message(
          "add_item", by: person,
          #"{"dishName":"Chicken Biryani No. \#(index + 1)","dishType":"non-veg","#
            + #""quantity":10,"price":299}"#, opId: "x"))
    }
    self.machine = machine
  }

  private static func records(
    of text: [UInt8], on machine: RoomMachine<OrderLogic>, in context: TenantContext, at now: Timestamp, name: String
  ) throws -> [Recorded<OrderEvent>] {
    let message = try ClientMessage.decode(text)
    guard case .operation(let command) = message.body else { preconditionFailure("a sample is an operation") }
    let operation = Operation(
      id: OperationID(participant: message.participant, value: name), after: machine.head, command: command)
    guard case .accepted(let records) = machine.decide(operation, context: context, now: now) else {
      preconditionFailure("a sample is accepted")
    }
    return records
  }

  func all() throws -> [MicroBenchmark] {
    try reading() + deciding() + writing() + storing()
  }

  private func reading() throws -> [MicroBenchmark] {
    try [("join", Self.join), ("add_item", Self.addItem), ("update_quantity", Self.updateQuantity)].map { name, text in
      try .calls("decode \(name)") { try ClientMessage.decode(text).participant.value.utf8.count }
    }
  }

  private func deciding() throws -> [MicroBenchmark] {
    func decide(_ name: String, _ text: [UInt8]) throws -> MicroBenchmark {
      let message = try ClientMessage.decode(text)
      guard case .operation(let command) = message.body else { preconditionFailure("a sample is an operation") }
      let operation = Operation(
        id: OperationID(participant: message.participant, value: "new"), after: machine.head, command: command)
      return try .calls("decide \(name)") { [machine, context, now] in
        guard case .accepted(let records) = machine.decide(operation, context: context, now: now) else { return 0 }
        return records.count
      }
    }
    let records = try Self.records(of: Self.updateQuantity, on: machine, in: context, at: now, name: "new")
    var applied = machine
    let start = applied.checkpoint
    return [
      try decide("add_item", Self.addItem),
      try decide("update_quantity", Self.updateQuantity),
      try .calls("apply update_quantity and roll back") {
        for record in records { applied.apply(record) }
        applied.rollBack(to: start)
        return applied.head.number.hashValue
      },
    ]
  }

  private func writing() throws -> [MicroBenchmark] {
    let (voice, online, now) = (OrderVoice(history: history), online, now)
    var after = machine
    let records = try Self.records(of: Self.updateQuantity, on: machine, in: context, at: now, name: "000000000003")
    for record in records { after.apply(record) }
    let (state, head, change) = (after.state, after.head, records[0])
    return [
      try .calls("encode quantity_updated, full") {
        voice.announcement(of: change, state: state, online: online, in: .full)?.count ?? 0
      },
      try .calls("encode quantity_updated, delta") {
        voice.announcement(of: change, state: state, online: online, in: .delta)?.count ?? 0
      },
      try .calls("encode sync") {
        voice.sync(state: state, head: head, online: online, in: .full, now: now)?.count ?? 0
      },
      try .calls("encode ack") { voice.acknowledgement(of: "000000000003", at: head, now: now).count },
    ]
  }

  private func storing() throws -> [MicroBenchmark] {
    let one = try Self.records(of: Self.updateQuantity, on: machine, in: context, at: now, name: "000000000003")
    let (oneText, snapshot) = (JournalText.write(one), machine.snapshot())
    return [
      try .calls("journal write 1 event") { JournalText.write(one).count },
      try .calls("journal read 1 event") {
        let records: [Recorded<OrderEvent>] = try JournalText.read(oneText, from: one[0].sequence)
        return records.count
      },
      try .calls("snapshot write") { [machine] in machine.snapshot().count },
      try .calls("snapshot read") { [room] in
        Int(try RoomMachine<OrderLogic>(room: room, snapshot: snapshot).head.number)
      },
    ]
  }
}
