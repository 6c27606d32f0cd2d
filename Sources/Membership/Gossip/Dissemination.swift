/// News that is to be told a number of times, each along with whatever is sent next.
///
/// What has been told least goes first, so that a burst of news does not hold up what comes after it (SWIM §4.1).
package struct Dissemination<Subject: Comparable & Sendable>: Sendable {
  private struct Entry {
    let subject: Subject
    var timesTold: Int
  }

  /// By how often they were told, the least first; among those, the oldest first.
  private var entries: [Entry] = []

  package init() {}

  package var isEmpty: Bool { entries.isEmpty }

  /// There is news about a subject. Older news about it is of no more use.
  package mutating func add(_ subject: Subject) {
    entries.removeAll { $0.subject == subject }
    let position = entries.firstIndex { $0.timesTold > 0 } ?? entries.endIndex
    entries.insert(Entry(subject: subject, timesTold: 0), at: position)
  }

  /// The same for many at once.
  package mutating func add(_ subjects: [Subject]) {
    let sorted = subjects.sorted()
    entries.removeAll { entry in
      let position = sorted.partitioningIndex { $0 >= entry.subject }
      return position < sorted.count && sorted[position] == entry.subject
    }
    let position = entries.firstIndex { $0.timesTold > 0 } ?? entries.endIndex
    entries.insert(contentsOf: sorted.map { Entry(subject: $0, timesTold: 0) }, at: position)
  }

  /// What goes along with the next message: at most `limit` subjects. Each is told `times` times in all.
  package mutating func take(limit: Int, times: Int) -> [Subject] {
    let told = entries.prefix(limit)
    let rest = entries.dropFirst(limit)
    let again = told.compactMap { entry in
      entry.timesTold + 1 < times ? Entry(subject: entry.subject, timesTold: entry.timesTold + 1) : nil
    }
    entries = Self.merge(Array(rest), again)
    return told.map(\.subject)
  }

  /// Of those told equally often, the ones in `first` come first.
  private static func merge(_ first: [Entry], _ second: [Entry]) -> [Entry] {
    if first.isEmpty { return second }
    return (first + second).enumerated()
      .sorted { ($0.element.timesTold, $0.offset) < ($1.element.timesTold, $1.offset) }
      .map(\.element)
  }
}

extension Array {
  /// The first position from which on `belongsToSecond` holds, in an array that is ordered by it.
  func partitioningIndex(where belongsToSecond: (Element) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if belongsToSecond(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
