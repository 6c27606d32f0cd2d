import RoomCore

/// Who is connected to a room, and as whom: presence, which is no part of the room's durable state.
struct SessionTable {
  struct Entry {
    let subscriber: any RoomSubscriber
    let dialect: Dialect
    let address: String?
    /// Whom the session acts for, once that is known; it never changes afterwards.
    var participant: ParticipantID?
  }

  private(set) var entries: [SessionNumber: Entry] = [:]
  private var sessionsOf: [ParticipantID: Int] = [:]
  private(set) var online: Set<ParticipantID> = []
  /// Each subscriber with the number of its sessions; there is one in most rooms.
  private var subscriberCounts: [(subscriber: any RoomSubscriber, sessions: Int)] = []
  private var dialectCounts: [Dialect: Int] = [:]

  var isEmpty: Bool { entries.isEmpty }
  var subscribers: some Sequence<any RoomSubscriber> { subscriberCounts.lazy.map(\.subscriber) }

  subscript(session: SessionNumber) -> Entry? { entries[session] }

  func hasSessions(in dialect: Dialect) -> Bool { dialectCounts[dialect, default: 0] > 0 }

  mutating func open(_ opening: SessionOpening, for subscriber: any RoomSubscriber) -> PresenceChange? {
    var change: PresenceChange?
    if entries[opening.session] != nil { change = close(opening.session) }
    entries[opening.session] = Entry(
      subscriber: subscriber, dialect: opening.dialect, address: opening.address, participant: nil)
    dialectCounts[opening.dialect, default: 0] += 1
    if let index = subscriberCounts.firstIndex(where: { $0.subscriber === subscriber }) {
      subscriberCounts[index].sessions += 1
    } else {
      subscriberCounts.append((subscriber, 1))
    }
    if let participant = opening.participant {
      change = bind(opening.session, to: participant) ?? change
    }
    return change
  }

  /// Fixes whom a session acts for.
  mutating func bind(_ session: SessionNumber, to participant: ParticipantID) -> PresenceChange? {
    guard entries[session] != nil, entries[session]?.participant == nil else { return nil }
    entries[session]?.participant = participant
    sessionsOf[participant, default: 0] += 1
    guard sessionsOf[participant] == 1 else { return nil }
    online.insert(participant)
    return PresenceChange(participant: participant, isOnline: true)
  }

  mutating func close(_ session: SessionNumber) -> PresenceChange? {
    guard let entry = entries.removeValue(forKey: session) else { return nil }
    dialectCounts[entry.dialect, default: 0] -= 1
    if let index = subscriberCounts.firstIndex(where: { $0.subscriber === entry.subscriber }) {
      subscriberCounts[index].sessions -= 1
      if subscriberCounts[index].sessions == 0 { subscriberCounts.remove(at: index) }
    }
    return entry.participant.flatMap { release($0) }
  }

  private mutating func release(_ participant: ParticipantID) -> PresenceChange? {
    let rest = sessionsOf[participant, default: 1] - 1
    guard rest == 0 else {
      sessionsOf[participant] = rest
      return nil
    }
    sessionsOf[participant] = nil
    online.remove(participant)
    return PresenceChange(participant: participant, isOnline: false)
  }
}

struct PresenceChange: Equatable {
  let participant: ParticipantID
  let isOnline: Bool
}
