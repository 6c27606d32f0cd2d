/// What a drill did to a cluster, as whoever did it tells.
package struct FaultReport: Sendable, Equatable {
  package struct Mark: Sendable, Equatable {
    package var time: UInt64
    package var text: String
    /// Whether it is the end of a fault, and not its beginning.
    package var isHealing = false
  }

  package enum Ending: Sendable, Equatable {
    /// All faults happened.
    case done
    /// They cannot happen here.
    case skipped
    case failed(String)
  }

  /// When faults began and ended.
  package private(set) var marks: [Mark] = []
  /// How it is known that they happened.
  package private(set) var proofs: [String] = []
  /// After how many milliseconds each was known to others in the cluster, where that was measured.
  package private(set) var detections: [Int] = []
  /// What else is worth telling.
  package private(set) var notes: [String] = []
  /// Lines that mean nothing: a word that is misspelled would else be a fault or a proof that nobody hears of.
  package private(set) var unread: [String] = []
  /// Whether clients may lose their connections.
  package private(set) var expectsClosing = false
  package var ending = Ending.done
  /// Whether others do the harm, if anybody does, and tell nothing of it.
  package let isOthers: Bool

  package init(isOthers: Bool = false) {
    self.isOthers = isOthers
    expectsClosing = isOthers
  }

  /// Takes a line of the script: `fault`, `healed`, `proof` or `note` and a text, `detected` and milliseconds,
  /// or `expect closed`.
  package mutating func read(_ line: String, at time: UInt64) {
    let words = line.split(separator: " ", maxSplits: 1)
    let text = words.count == 2 ? String(words[1]) : ""
    switch words.first {
    case _ where text.isEmpty: unread.append(line)
    case "fault": marks.append(Mark(time: time, text: text))
    case "healed": marks.append(Mark(time: time, text: text, isHealing: true))
    case "proof": proofs.append(text)
    case "note": notes.append(text)
    case "detected":
      if let millis = Int(text) { detections.append(millis) } else { unread.append(line) }
    case "expect" where text == "closed": expectsClosing = true
    default: unread.append(line)
    }
  }
}
