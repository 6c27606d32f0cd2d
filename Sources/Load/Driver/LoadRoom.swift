/// One room: who is in it, and the items that its operations change.
final class LoadRoom {
  let name: String
  let names: ParticipantNames
  private(set) var participants: [LoadParticipant] = []
  private(set) var listeners: [LoadListener] = []
  private let worker: LoadWorker
  private var listening = 0
  private var joined = 0
  private var itemIDs: [String] = []

  init(number: Int, worker: LoadWorker) {
    name = "\(worker.scenario.roomPrefix)-\(number)"
    names = ParticipantNames(prefix: "load-\(number)-")
    self.worker = worker
    participants = (0..<worker.scenario.participantsPerRoom).map {
      LoadParticipant(index: $0, room: self, worker: worker)
    }
    listeners = (0..<worker.scenario.listenersPerRoom).map { _ in LoadListener(room: self, worker: worker) }
  }

  func joinMessage(of id: String) -> String {
    """
    {"type":"join","participantId":"\(id)","participantName":"\(id)","timestamp":1700000000000,\
    "data":{"circleId":"load","tenantId":"load","phone":"9876543210"}}
    """
  }

  func participantJoined() {
    joined += 1
    if joined == participants.count { fill() }
  }

  /// Items are added one after the other, so that each room has the same in the same order. Then come the listeners.
  private func fill() {
    let number = itemIDs.count
    guard number < worker.scenario.itemsPerRoom else { return filled() }
    let participant = participants[number % participants.count]
    participant.send(
      """
      {"type":"add_item","participantId":"\(participant.id)","participantName":"\(participant.id)",\
      "timestamp":1700000000000,"data":{"dishName":"Chicken Biryani No. \(number + 1)","dishType":"non-veg",\
      "quantity":10,"price":299}}
      """)
  }

  func itemAdded(id: String) {
    itemIDs.append(id)
    fill()
  }

  private func filled() {
    if !itemIDs.isEmpty {
      for participant in participants {
        participant.prepare(itemID: itemIDs[participant.index % itemIDs.count])
      }
    }
    if listeners.isEmpty { worker.roomReady() } else { worker.connect(listeners) }
  }

  func listenerReady() {
    listening += 1
    if listening == listeners.count { worker.roomReady() }
  }
}
