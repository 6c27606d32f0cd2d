import Foundation
import Testing

@testable import Load

@Suite("Reports")
struct LoadReportTests {
  private func report(operations: Int = 1000, p99: Double = 900) -> LoadReport {
    var tally = LoadTally()
    for number in 1...UInt64(operations) { tally.record(.ownEcho, nanoseconds: number * 1000, isMain: true) }
    let latency = tally[.ownEcho].map(LoadReport.Latency.init(nanoseconds:))
    return LoadReport(
      scenario: .rooms(LoadScenario(roomPrefix: "<r>")), target: LoadTarget(host: "h", port: 1), machine: .current(),
      setup: nil, seconds: 10, operations: operations, operationsPerSecond: Double(operations) / 10,
      deliveries: 5 * operations, deliveriesPerSecond: Double(operations) / 2, bytesPerDelivery: 100,
      latencies: ["ownEcho": latency ?? LoadReport.Latency(nanoseconds: LoadTally.histogram())],
      percentiles: [
        .init(percentile: 0, micros: 1), .init(percentile: 99, micros: p99), .init(percentile: 100, micros: 1000),
      ],
      timeline: (0..<10).map {
        .init(operations: operations / 10, errors: 0, p50Micros: 500, p99Micros: p99, maxMicros: Double(1000 + $0))
      },
      server: nil, driver: .init(cpuSeconds: 1, cpuMicrosPerOperation: 1, busyFraction: 0.95), errors: LoadErrors(),
      judgements: [])
  }

  @Test("a figure is held against its threshold, and one that is not there is not met")
  func judgement() throws {
    var report = report()
    try report.judge(by: [
      LoadThreshold(figure: "operations", atLeast: 1000, atMost: 1000),
      LoadThreshold(figure: "latencies.ownEcho.p50Micros", atMost: 400),
      LoadThreshold(figure: "errors.count", atMost: 0),
      LoadThreshold(figure: "server.cpuSeconds", atMost: 1),
    ])
    #expect(report.judgements.map(\.isMet) == [true, false, true, false])
    #expect(report.judgements[0].value == 1000 && report.judgements[3].value == nil)
    #expect(!report.isPassed)
  }

  @Test("two reports are compared by what says how good a server is")
  func comparison() throws {
    let (before, after) = (try LoadFigures(of: report()), try LoadFigures(of: report(operations: 1500)))
    let comparison = LoadComparison(before, after)
    let row = try #require(comparison.rows.first { $0.figure == "operationsPerSecond" })
    #expect(row == .init(figure: "operationsPerSecond", before: 100, after: 150) && row.change == 0.5)
    #expect(!comparison.rows.contains { $0.figure.contains("rooms") || $0.figure == "seconds" })
    #expect(comparison.unmatched.isEmpty)
  }

  @Test("each kind of request is a figure, and a line of the page")
  func operations() throws {
    var tally = LoadTally()
    for (number, operation) in DirectoryOperation.allCases.enumerated() {
      tally.record(.response, nanoseconds: 1_000_000, isMain: true)
      tally.record(operation.latency, nanoseconds: UInt64(number + 1) * 1_000_000, isMain: false)
    }
    var report = report()
    report.scenario = .directory(DirectoryScenario(tenant: "t"))
    report.latencies = tally.summaries
    let page = report.page(title: "Load", about: "", date: "today")
    let figures = try LoadFigures(of: report)
    for (number, operation) in DirectoryOperation.allCases.enumerated() {
      let median = try #require(figures["latencies.\(operation.rawValue).p50Micros"])
      #expect(abs(median - Double(number + 1) * 1000) < 2 * Double(number + 1))
      #expect(page.contains("<td>\(operation.rawValue)</td><td>1</td>"))
    }
    #expect(report[.response].count == UInt64(DirectoryOperation.allCases.count))
  }

  @Test("the page needs nothing else, says what was wrong, and has its words as words")
  func page() throws {
    var report = report()
    report.errors.note("a <b> came & went")
    try report.judge(by: [LoadThreshold(figure: "operations", atLeast: 2000)])
    let page = report.page(title: "Load: \"x\" <y>", about: "why & how", date: "today")
    #expect(!page.contains("<script") && !page.contains("http://") && !page.contains("src="))
    #expect(page.contains("Load: &quot;x&quot; &lt;y&gt;") && page.contains("a &lt;b&gt; came &amp; went"))
    #expect(page.contains("it may have been what was slow") && page.contains("at least 2000"))
    // Two over time and one over percentiles: two, three and one line.
    #expect(page.components(separatedBy: "<svg").count - 1 == 3)
    #expect(page.components(separatedBy: "<polyline").count - 1 == 6)
    #expect(!page.contains("nan") && !page.contains("inf\""))
  }
}
