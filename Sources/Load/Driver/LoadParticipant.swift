import NIOCore

/// One participant with its connection. It lives on the event loop of its room.
final class LoadParticipant: LoadClient {
  private enum Phase {
    case connecting
    case joining
    case waiting
    case operating
    case failed
  }

  let index: Int
  let room: LoadRoom
  let worker: LoadWorker
  var handler: WebSocketChannelHandler<LoadParticipant>?

  private var phase = Phase.connecting
  private var operation: OperationMessage?
  private(set) var times: OperationTimes
  /// Its own among them.
  var broadcasts: BroadcastCount
  private(set) var acknowledged = 0
  /// When operations were due that could not begin yet. Only an open loop has any.
  private var overdue = CircularBuffer<UInt64>()

  init(index: Int, room: LoadRoom, worker: LoadWorker) {
    self.index = index
    self.room = room
    self.worker = worker
    times = OperationTimes(inFlight: worker.scenario.operationsInFlight)
    broadcasts = BroadcastCount(participants: worker.scenario.participantsPerRoom)
  }

  var id: String { room.names.id(index) }
  var participant: String { id }
  private var inFlight: Int { times.count - broadcasts.of(index) }

  func send(_ text: String) {
    handler?.send(ClientFrameEncoder().encode(.text, payload: text.utf8))
  }

  // MARK: Operating

  func prepare(itemID: String) {
    phase = .operating
    operation = OperationMessage(
      participantID: id, itemID: itemID, firstQuantity: index, dialect: worker.scenario.dialect)
  }

  /// An operation is due. It begins at once, or when one of those in flight is done.
  func operationDue(at time: UInt64) {
    if inFlight >= worker.scenario.operationsInFlight {
      overdue.append(time)
    } else {
      begin(at: time)
    }
  }

  private func begin(at time: UInt64) {
    guard phase == .operating, let frame = operation?.next(number: times.count) else { return }
    times.began(at: time)
    handler?.send(frame)
  }

  private func ownOperationDone(at now: UInt64) {
    switch worker.scenario.kind {
    case .closedLoop: if now < worker.window.end { begin(at: now) }
    case .openLoop: if let due = overdue.popFirst() { begin(at: due) }
    case .idle: break
    }
  }

  private func quantityUpdated(by sender: Int?, size: Int) {
    guard let now = broadcastCame(from: sender, own: index, size: size), sender == index else { return }
    ownOperationDone(at: now)
  }

  // MARK: WebSocketReceiver

  func webSocketOpened(_ response: UpgradeResponse) {
    phase = .joining
    send(room.joinMessage(of: id))
  }

  func webSocketReceived(_ event: WebSocketDecoder.Event) {
    guard case .text(let payload) = event else { return }
    payload.withUnsafeReadableBytes { bytes in
      guard let reply = Reply(scanning: bytes) else { return fail("a message has no type") }
      switch reply.kind {
      case .quantityUpdated:
        quantityUpdated(by: room.names.index(of: reply.participantID), size: bytes.count)
      case .ack: acknowledged += 1
      case .participantJoined:
        guard phase == .joining, room.names.index(of: reply.participantID) == index else { return }
        phase = .waiting
        worker.joined(self)
      case .itemAdded:
        guard room.names.index(of: reply.participantID) == index else { return }
        guard let item = JSONMembers.value(at: "data", "item", "id", in: bytes) else {
          return fail("item_added without data.item.id")
        }
        room.itemAdded(id: String(decoding: item, as: UTF8.self))
      case .sync: if phase == .operating { fail("a sync took the place of broadcasts") }
      case .error: fail("the server refused: \(String(decoding: bytes.prefix(300), as: UTF8.self))")
      case .orderFinalized, .other: break
      }
    }
  }

  func fail(_ text: @autoclosure () -> String) {
    phase = .failed
    worker.failed(text())
  }
}

/// The operation that a participant sends over and over, each time with another quantity.
struct OperationMessage {
  private var template: TextFrameTemplate
  private let quantityOffset: Int
  private let numberOffset: Int?
  private let firstQuantity: Int
  private static let numberWidth = 12

  /// - Parameter itemID: as it stands in JSON, with its escapes.
  init(participantID: String, itemID: String, firstQuantity: Int, dialect: LoadScenario.Dialect) {
    var text = #"{"type":"update_quantity","participantId":"\#(participantID)","participantName":"\#(participantID)","#
    text += #""timestamp":1700000000000,"#
    if dialect == .deltas {
      text += #""opId":""#
      numberOffset = text.utf8.count
      text += String(repeating: "0", count: Self.numberWidth) + "\","
    } else {
      numberOffset = nil
    }
    text += #""data":{"itemId":"\#(itemID)","quantity":"#
    quantityOffset = text.utf8.count
    text += "1}}"
    template = TextFrameTemplate(text: text)
    self.firstQuantity = firstQuantity
  }

  /// The frame of the operation of that number, from 0. Quantities run from 1 to 9 and begin again.
  mutating func next(number: Int) -> ByteBuffer {
    template.setByte(UInt8(ascii: "1") + UInt8((firstQuantity + number) % 9), at: quantityOffset)
    if let numberOffset { template.setDigits(number, width: Self.numberWidth, at: numberOffset) }
    return template.frame
  }
}
