extension DrillVerdict {
  /// The verdict as a page of HTML that needs nothing else.
  ///
  /// - Parameters:
  ///   - name: of the drill.
  ///   - date: when it began, as it is to be read.
  package func page(name: String, date: String) -> String {
    var page = HTMLPage("Drill: \(name)")
    page.paragraph("\(date); \(rooms) rooms, \(clients) clients, \(seconds) s")
    page.paragraph(
      isPassed ? "Passed." : "Failed: \(objections.joined(separator: "; ")).", isWarning: !isPassed)
    page.heading("Verdict")
    let kinds = RoomAudit.Kind.allCases
    page.table(
      ["", "count"], kinds.map { [$0.title, "\(violations[$0.rawValue] ?? 0)"] },
      bad: Set(kinds.indices.filter { violations[kinds[$0].rawValue] != nil }))
    if !samples.isEmpty { page.list(samples) }
    page.table([], rows)
    page.heading("What happened")
    page.list(marks.map { "\($0.second) s: \($0.text)" + recovery(of: $0) })
    if !proofs.isEmpty { page.list(proofs) }
    if !notes.isEmpty { page.list(notes) }
    page.heading("Over time")
    for plot in plots { page.plot(plot) }
    return page.text
  }

  private var rows: [[String]] {
    func times(_ times: Ranked) -> String { "p50 \(times.p50) ms, p99 \(times.p99) ms, max \(times.max) ms" }
    return [
      ["operations", "\(operations), of which \(acknowledged) were acknowledged"],
      ["events that clients were told of", "\(deliveries)"],
      ["connections closed", "\(closed)\(closingIsExpected ? ", as expected" : "")"],
      ["operations took", times(latencyMillis)], ["rooms stood still", times(stallMillis)],
    ]
  }

  private func recovery(of mark: Mark) -> String {
    mark.recoverySeconds == 0 ? "" : "; operations were slow for \(mark.recoverySeconds) s"
  }

  private var plots: [LinePlot] {
    let faults = marks.map { LinePlot.Mark(x: $0.second, text: $0.text, isEnd: $0.isHealing) }
    func line(_ name: String, _ value: (Moment) -> Double) -> LinePlot.Line {
      LinePlot.Line(name: name, points: timeline.map { ($0.second, value($0)) })
    }
    var plots = [
      LinePlot(
        title: "Operations acknowledged", xTitle: "second", yTitle: "per second",
        lines: [line("acknowledged") { $0.acknowledgedPerSecond }], marks: faults),
      LinePlot(
        title: "What operations took", xTitle: "second in which they were due", yTitle: "ms", yScale: .logarithmic,
        lines: [line("p50") { $0.p50Millis }, line("p99") { $0.p99Millis }, line("max") { $0.maxMillis }],
        marks: faults),
    ]
    if !ownership.isEmpty {
      let names = Set(ownership.flatMap(\.slots.keys)).sorted { $0 > $1 }
      let lines = names.map { name in
        LinePlot.Line(
          name: name.isEmpty ? "nobody" : name,
          points: ownership.map { ($0.second, Double($0.slots[name] ?? 0)) })
      }
      plots.append(LinePlot(title: "Who owned slots", xTitle: "second", yTitle: "slots", lines: lines, marks: faults))
    }
    return plots
  }
}

extension RoomAudit.Kind {
  /// In words, for a table.
  package var title: String {
    switch self {
    case .lost: "lost"
    case .doubled: "applied twice"
    case .reordered: "in another order"
    case .gap: "missed by a client"
    case .repeated: "told twice"
    case .phantom: "sent by nobody"
    case .stale: "stale states"
    case .refusedYetDone: "refused, yet done"
    case .wrongState: "wrong final state"
    case .unreadable: "unreadable journals"
    }
  }
}
