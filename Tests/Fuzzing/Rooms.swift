import JSONText
import Ordering
import RoomCore
import Wire

/// Rooms to begin with, and what can be asked of any.
let room = must("naming a room") {
  guard let room = RoomID("table-7") else { throw JSONError(reason: "a room's name", offset: 0) }
  return room
}

let voice = OrderVoice(history: "h")

let emptyRoom = RoomMachine<OrderLogic>(room: room)

/// Three are at the table, and two have ordered something.
let runningRoom: RoomMachine<OrderLogic> = {
  var machine = emptyRoom
  let messages = [
    #"{"type":"join","participantId":"a","participantName":"Asha","opId":"1","data":{"circleId":"c","tenantId":"t"}}"#,
    #"{"type":"join","participantId":"b","participantName":"Ben","opId":"2"}"#,
    #"{"type":"join","participantId":"c","participantName":"Cal","opId":"5"}"#,
    #"{"type":"add_item","participantId":"a","opId":"3","data":{"id":"i","dishName":"Dal","dishType":"veg","quantity":2,"price":9.5}}"#,
    #"{"type":"add_item","participantId":"b","opId":"4","data":{"id":"j","dishName":"Naan","dishType":"veg","quantity":1,"price":3}}"#,
  ]
  for text in messages {
    let message = must(text) { try ClientMessage.decode(Array(text.utf8)) }
    guard case .operation(let command) = message.body else { fatalError(text) }
    let id = OperationID(participant: message.participant, value: message.opId ?? "")
    let operation = Operation(id: id, after: machine.head, command: command)
    guard
      case .accepted(let records) = machine.decide(
        operation, context: TenantContext(), now: Timestamp(millis: 1_700_000_000_000))
    else { fatalError(text) }
    for record in records { machine.apply(record) }
  }
  machine.settle()
  return machine
}()

func checkJSON(_ text: [UInt8]?) {
  guard let text else { return }
  must("reading what clients are told") {
    try JSONReader.read(text) { reader throws(JSONError) in try reader.skip() }
  }
}

/// A machine is what its snapshot says.
func checkSnapshot(of machine: RoomMachine<OrderLogic>) {
  let text = machine.snapshot()
  let again = must("reading a snapshot that was written") { try RoomMachine<OrderLogic>(room: room, snapshot: text) }
  promise(again.snapshot() == text, "a snapshot that was written is read as another")
  promise(again.state == machine.state, "a state that was written is read as another")
}

/// Asks a machine, wherever it comes from, what rooms are asked.
func use(_ machine: RoomMachine<OrderLogic>) {
  for dialect in Dialect.allCases {
    checkJSON(voice.sync(state: machine.state, head: machine.head, online: [], in: dialect, now: machine.clock))
  }
  _ = OrderLogic.timerDue(machine.state)
  _ = machine.decideTimer(now: machine.clock)
  if let order = machine.state.order { _ = try? OrderLogic.previewShares(of: order) }
}
