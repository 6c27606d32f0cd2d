import Membership

/// What is to happen, by time; what is due at one time happens in the order in which it was added.
struct EventQueue<Event> {
  private struct Entry {
    let time: MonotonicTime
    let order: Int
    let event: Event

    func isBefore(_ other: Entry) -> Bool { (time, order) < (other.time, other.order) }
  }

  /// A binary heap.
  private var entries: [Entry] = []
  private var added = 0

  var nextTime: MonotonicTime? { entries.first?.time }

  mutating func add(_ event: Event, at time: MonotonicTime) {
    added += 1
    entries.append(Entry(time: time, order: added, event: event))
    var child = entries.count - 1
    while child > 0, entries[child].isBefore(entries[(child - 1) / 2]) {
      entries.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func popFirst() -> (time: MonotonicTime, event: Event)? {
    guard let first = entries.first else { return nil }
    let last = entries.removeLast()
    guard !entries.isEmpty else { return (first.time, first.event) }
    entries[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [parent * 2 + 1, parent * 2 + 2] where child < entries.count {
        if entries[child].isBefore(entries[least]) { least = child }
      }
      if least == parent { break }
      entries.swapAt(parent, least)
      parent = least
    }
    return (first.time, first.event)
  }
}
