extension LoadReport {
  /// The report as a page of HTML that needs nothing else.
  ///
  /// - Parameters:
  ///   - title: what was run.
  ///   - about: what it is, in a sentence.
  ///   - date: when it began, as it is to be read.
  package func page(title: String, about: String, date: String) -> String {
    var page = HTMLPage(title)
    if !about.isEmpty { page.paragraph(about) }
    page.paragraph("\(date); \(machine.cores) × \(machine.cpu), \(machine.memoryMB) MB, Linux \(machine.kernel)")
    if driver.isBottleneck {
      page.paragraph(
        "The driver was busy \(driver.busyFraction) of its time: it may have been what was slow.", isWarning: true)
    }
    if !errors.isEmpty {
      page.paragraph("\(errors.count) errors: these figures are worth nothing.", isWarning: true)
      page.list(errors.samples)
    }
    if !judgements.isEmpty {
      page.heading("What was expected")
      page.table(
        ["figure", "expected", "found"], judgements.map { [$0.threshold.figure, $0.threshold.words, $0.found] },
        bad: Set(judgements.indices.filter { !judgements[$0].isMet }))
    }
    page.heading("Figures")
    page.table([], rows)
    page.heading("Latency")
    page.table(
      ["", "count", "p50", "p99", "p99.9", "max", "mean (ms)"],
      latencies.sorted { $0.key < $1.key }.map { name, latency in
        [name, "\(latency.count)"]
          + [latency.p50Micros, latency.p99Micros, latency.p999Micros, latency.maxMicros, latency.meanMicros].map(
            millis)
      })
    plot(&page)
    return page.text
  }

  private var rows: [[String]] {
    var rows: [[String]] = []
    if let setup {
      rows.append([
        "connections", "\(setup.connections) in \(setup.seconds) s, \(setup.connectionsPerSecond) per second",
      ])
    }
    rows += [
      ["operations", "\(operations) in \(seconds) s, \(operationsPerSecond) per second"],
      ["deliveries", "\(deliveries), \(deliveriesPerSecond) per second, of \(bytesPerDelivery) bytes"],
    ]
    if let server {
      rows += [
        ["operations per CPU-second of the server", "\(server.operationsPerCPUSecond)"],
        ["deliveries per CPU-second of the server", "\(server.deliveriesPerCPUSecond)"],
        ["memory of the server", "\(server.residentBeforeKB / 1024) → \(server.residentAfterKB / 1024) MB"],
      ]
    }
    rows.append([
      "the driver", "busy \(driver.busyFraction) of its time, \(driver.cpuMicrosPerOperation) µs an operation",
    ])
    return rows
  }

  private func plot(_ page: inout HTMLPage) {
    func line(_ name: String, _ value: (Second) -> Double) -> LinePlot.Line {
      LinePlot.Line(name: name, points: timeline.enumerated().map { (Double($0.offset + 1), value($0.element)) })
    }
    let about = scenario.parameters.mainLatency.name
    if timeline.count > 1 {
      page.heading("Over time")
      page.plot(
        LinePlot(
          title: "Operations each second", xTitle: "second", yTitle: "operations",
          lines: [line("operations") { Double($0.operations) }, line("errors") { Double($0.errors) }]))
      page.plot(
        LinePlot(
          title: "Latency over time", xTitle: "second", yTitle: "\(about), ms", yScale: .logarithmic,
          lines: [
            line("p50") { $0.p50Micros / 1000 }, line("p99") { $0.p99Micros / 1000 },
            line("max") { $0.maxMicros / 1000 },
          ]))
    }
    if !percentiles.isEmpty {
      page.heading("Over percentiles")
      // So many of the slowest: 1 in 10, 1 in 100, …
      let points = percentiles.filter { $0.percentile < 100 }.map { (100 / (100 - $0.percentile), $0.micros / 1000) }
      page.plot(
        LinePlot(
          title: "Latency over percentiles", xTitle: "percentile", yTitle: "\(about), ms", xScale: .logarithmic,
          yScale: .logarithmic, xLabel: { LinePlot.percentile(oneIn: $0) },
          lines: [LinePlot.Line(name: about, points: points)]))
    }
  }
}

/// Microseconds as milliseconds, to a hundredth.
package func millis(_ micros: Double) -> String { "\((micros / 10).rounded() / 100)" }

extension LinePlot {
  /// As 99 for one in a hundred.
  static func percentile(oneIn count: Double) -> String {
    let percentile = 100 - 100 / count
    return percentile == percentile.rounded() ? "\(Int(percentile))" : "\((percentile * 10_000).rounded() / 10_000)"
  }
}

extension LoadThreshold {
  package var words: String {
    [atLeast.map { "at least \($0)" }, atMost.map { "at most \($0)" }].compactMap(\.self).joined(separator: ", ")
  }
}

extension LoadReport.Judgement {
  package var found: String { value.map { "\($0)" } ?? "the report has no such figure" }
}
