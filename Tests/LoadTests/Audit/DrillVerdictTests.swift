import Foundation
import Load
import Testing

@Suite("DrillVerdict")
struct DrillVerdictTests {
  private let second: UInt64 = 1_000_000_000

  private func client(_ entries: [(millis: UInt64, what: Observation)]) -> ClientHistory {
    var history = ClientHistory()
    for entry in entries { history.note(entry.what, at: entry.millis * 1_000_000) }
    return history
  }

  private var report: FaultReport {
    var report = FaultReport()
    report.read("fault it broke", at: 20_000_000)
    report.read("proof it is broken", at: 21_000_000)
    return report
  }

  @Test("a good history passes, with a fault that is proven")
  func passes() {
    let verdict = DrillVerdict(on: [AuditScene().history], faults: report, from: 0, to: second)
    #expect(verdict.objections == [])
    #expect(verdict.operations == 8)
    #expect(verdict.acknowledged == 8)
    #expect(verdict.deliveries == 18)
  }

  @Test("its page shows what happened over time, who owned what, and needs nothing else")
  func page() throws {
    var verdict = DrillVerdict(on: [AuditScene().history], faults: report, from: 0, to: second)
    #expect(verdict.timeline.map(\.acknowledgedPerSecond).reduce(0, +) == 16)
    #expect(verdict.timeline.count == 3 && verdict.timeline[0].maxMillis > 0)
    #expect(verdict.page(name: "<kill>", date: "today").components(separatedBy: "<svg").count == 3)

    let cluster = #"""
      {"node":"a~1","members":[{"name":"a","kind":"node","slots":20},{"name":"a","kind":"node","slots":3},
      {"name":"b","kind":"node","slots":1000},{"name":"g","kind":"gateway","slots":0}],"unownedSlots":1}
      """#
    let moment = try #require(OwnershipMoment(second: 1.5, json: Array(cluster.utf8)))
    #expect(moment.slots == ["a": 23, "b": 1000, "": 1])
    #expect(OwnershipMoment(second: 1, json: Array("{}".utf8)) == nil)
    verdict.ownership = [moment]
    let page = verdict.page(name: "<kill>", date: "today")
    #expect(page.components(separatedBy: "<svg").count == 4)
    #expect(page.contains("&lt;kill&gt;") && page.contains(">nobody</text>") && !page.contains("<script"))
  }

  @Test("a drill without a fault, without a proof or without a load does not pass")
  func proof() {
    var silent = FaultReport()
    func objections(_ report: FaultReport, _ histories: [RoomHistory] = [AuditScene().history]) -> Int {
      DrillVerdict(on: histories, faults: report, from: 0, to: second).objections.count
    }
    #expect(objections(silent) == 2)
    silent.read("fault x", at: 5)
    #expect(objections(silent) == 1)
    #expect(objections(report, []) == 1)
    var failed = report
    failed.ending = .failed("it ended with 1")
    #expect(objections(failed) == 1)
  }

  @Test("a violation, a refusal, a closed connection and an operation without an answer do not pass")
  func objections() {
    func verdict(_ change: (inout AuditScene) -> Void, _ report: FaultReport) -> DrillVerdict {
      var scene = AuditScene()
      change(&scene)
      return DrillVerdict(on: [scene.history], faults: report, from: 0, to: second)
    }
    #expect(verdict({ $0.outcome.quantities[0] = 9 }, report).objections == ["1 wrongState"])
    let refused = verdict({ $0.views[0] += [.due(4), .sent(4), .refused(4, code: "no", isFinal: true)] }, report)
    #expect(refused.objections == ["1 operations were refused for good"])
    #expect(refused.refusals.final == ["no": 1])
    let waiting = verdict({ $0.views[0] += [.due(4), .sent(4), .refused(4, code: "no", isFinal: false)] }, report)
    #expect(waiting.objections == ["1 operations were never answered"])
    #expect(waiting.unanswered == 1)
    #expect(verdict({ $0.views[0].append(.closed(code: 1013)) }, report).objections == ["1 connections were closed"])
    var expecting = report
    expecting.read("expect closed", at: 0)
    let closed = verdict({ $0.views[0].append(.closed(code: 1013)) }, expecting)
    #expect(closed.objections == [])
    #expect(closed.closeCodes == [1013: 1])
  }

  @Test("a room stands still from when an operation is due until anything is acknowledged")
  func stall() {
    let one = client([
      (0, .due(0)), (10, .acknowledged(0, at: 1)), (100, .due(1)), (900, .due(2)), (1500, .acknowledged(2, at: 3)),
    ])
    let other = client([(50, .due(0)), (700, .acknowledged(0, at: 2)), (1600, .due(1))])
    // 100 is helped by the other's at 700, 900 waits until 1500, 1600 until the end.
    var times = DrillTimes(of: [one, other], from: 0, to: 1700 * 1_000_000)
    #expect(times.longestStall == 650 * 1_000_000)
    #expect(times.operations.count == 5)
    #expect(times.operations.filter { $0.acknowledged == nil }.count == 2)
    times = DrillTimes(of: [one, other], from: 0, to: 3000 * 1_000_000)
    #expect(times.longestStall == 1400 * 1_000_000)
    // What was due before does not count.
    times = DrillTimes(of: [one, other], from: 60 * 1_000_000, to: 1700 * 1_000_000)
    #expect(times.longestStall == 600 * 1_000_000)
  }

  @Test("a fault is recovered from when nothing is slow any more")
  func recovery() {
    var report = FaultReport()
    report.read("fault one", at: 1 * second)
    report.read("fault two", at: 10 * second)
    let one = client([
      (1000, .due(0)), (1200, .acknowledged(0, at: 1)), (1500, .due(1)), (3500, .acknowledged(1, at: 2)),
      (10_100, .due(2)), (10_200, .acknowledged(2, at: 3)),
    ])
    let history = RoomHistory(name: "room", clients: [one], outcome: RoomOutcome())
    let verdict = DrillVerdict(on: [history], faults: report, from: 0, to: 11 * second)
    #expect(verdict.marks.map(\.recoverySeconds) == [2.5, 0])
    #expect(verdict.marks.map(\.second) == [1, 10])
    #expect(verdict.latencyMillis == Ranked(p50: 200, p99: 2000, max: 2000))
  }

  @Test("ranks are those of values that there are")
  func ranks() {
    #expect(Ranked(millisOf: []) == Ranked())
    #expect(Ranked(millisOf: [3_000_000]) == Ranked(p50: 3, p99: 3, max: 3))
    #expect(Ranked(millisOf: (1...200).map { $0 * 1_000_000 }) == Ranked(p50: 100, p99: 198, max: 200))
  }

  @Test("a script's lines are told apart by their first word")
  func lines() {
    var report = FaultReport()
    let words = ["fault kill -9 of node-2", "healed node-2 is back", "note 3 claims"]
    let others = ["", "fault", "faults x", "expect", "expect nothing", "cluster: node-2 has ended"]
    for (index, line) in (words + others).enumerated() { report.read(line, at: UInt64(index)) }
    #expect(report.unread == others)
    #expect(report.marks.map(\.text) == ["kill -9 of node-2", "node-2 is back"])
    #expect(report.marks.map(\.isHealing) == [false, true])
    #expect(report.marks.map(\.time) == [0, 1])
    #expect(report.notes == ["3 claims"])
    #expect(!report.expectsClosing)
  }

  @Test("a history is written line by line")
  func historyLines() {
    let one = client([
      (1001, .dialed(gateway: 1)), (1002, .opened), (1003, .state(at: 0)), (1004, .due(0)), (1004, .sent(0)),
      (1005, .refused(nil, code: "rate_limited", isFinal: true)), (1006, .acknowledged(0, at: 2)),
      (1007, .saw(RoomEvent(position: 2, cause: .operation(OperationName(client: 0, number: 0)), digest: 255))),
      (1008, .closed(code: nil)), (1009, .failed(#"no "route" \ ö"#)),
    ])
    let history = RoomHistory(
      name: "r-1", clients: [one],
      outcome: RoomOutcome(journal: [RoomEvent(position: 1, cause: .unknown, digest: 1)]))
    #expect(
      history.lines(since: second) == """
        {"ms":1.0,"room":"r-1","client":0,"what":"dialed","gateway":1}
        {"ms":2.0,"room":"r-1","client":0,"what":"opened"}
        {"ms":3.0,"room":"r-1","client":0,"what":"state","seq":0}
        {"ms":4.0,"room":"r-1","client":0,"what":"due","operation":0}
        {"ms":4.0,"room":"r-1","client":0,"what":"sent","operation":0}
        {"ms":5.0,"room":"r-1","client":0,"what":"refused","operation":null,"code":"rate_limited","final":true}
        {"ms":6.0,"room":"r-1","client":0,"what":"acknowledged","operation":0,"seq":2}
        {"ms":7.0,"room":"r-1","client":0,"what":"saw","seq":2,"by":0,"operation":0,"digest":"ff"}
        {"ms":8.0,"room":"r-1","client":0,"what":"closed","code":null}
        {"ms":9.0,"room":"r-1","client":0,"what":"failed","reason":"no route  "}
        {"room":"r-1","what":"journal","seq":1,"digest":"1"}

        """)
  }
}
