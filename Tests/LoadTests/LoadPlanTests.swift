import Foundation
import Load
import Testing

@Suite("Scenarios in files")
struct LoadPlanTests {
  private func plan(_ text: String, _ changes: [(name: String, value: String)] = []) throws(LoadFailure) -> LoadPlan {
    try LoadPlan(json: Data(text.utf8), changes: changes, roomPrefix: "test")
  }

  @Test("what is not said is as usual, and what is said last counts")
  func overlay() throws {
    let plan = try plan(
      """
      {"about": "why", "kind": "open-loop", "rooms": 7, "dialect": 2,
       "thresholds": {"latencies.ownEcho.p99Micros": {"atMost": 15000}, "operations": {"atLeast": 1, "atMost": 2}}}
      """, [("rooms", "9"), ("roomPrefix", "mine")])
    guard case .rooms(let rooms) = plan.workload else {
      Issue.record("\(plan)")
      return
    }
    #expect(plan.about == "why")
    #expect(rooms.kind == .openLoop && rooms.rooms == 9 && rooms.dialect == .deltas && rooms.roomPrefix == "mine")
    #expect(rooms.participantsPerRoom == LoadScenario(roomPrefix: "").participantsPerRoom)
    #expect(
      plan.thresholds == [
        LoadThreshold(figure: "latencies.ownEcho.p99Micros", atMost: 15000),
        LoadThreshold(figure: "operations", atLeast: 1, atMost: 2),
      ])
  }

  @Test("each kind has parameters that are usual, and is what its JSON says", arguments: Workload.names)
  func kinds(kind: String) throws {
    let plan = try plan(#"{"kind": "\#(kind)"}"#)
    #expect(plan.workload == Workload(kind, roomPrefix: "test"))
    #expect(plan.workload.parameters.complaint == nil)
    let again = try JSONDecoder().decode(Workload.self, from: JSONEncoder().encode(plan.workload))
    #expect(again == plan.workload)
  }

  @Test(
    "what cannot be meant is refused, and named",
    arguments: [
      ("[]", "no JSON object"), ("{", "cannot be read"), (#"{"rooms": 3}"#, "kind must be one of"),
      (#"{"kind": "dance"}"#, "kind must be one of"), (#"{"kind": "idle", "romms": 3}"#, "no parameter romms"),
      (#"{"kind": "idle", "rooms": "many"}"#, "rooms has a value of the wrong kind"),
      (#"{"kind": "idle", "rooms": 0}"#, "rooms must be 1 to 100000"),
      (#"{"kind": "idle", "dialect": 3}"#, "dialect"),
      (#"{"kind": "directory", "tenant": "a/b"}"#, "tenant must have"),
      (#"{"kind": "directory", "customers": 4}"#, "membersPerCircle must be 1 to 3"),
      (#"{"kind": "directory", "customers": 1}"#, "customers must be 2"),
      (#"{"kind": "directory", "mix": {"dance": 1}}"#, "mix must give weights to some of getCustomer"),
      (#"{"kind": "directory", "mix": {"getCustomer": 0}}"#, "one of them above 0"),
      (#"{"kind": "directory", "mix": {"getCustomer": -1, "getCircle": 1}}"#, "0 to 1000"),
      (#"{"kind": "directory", "mix": {"getCustomer": "often"}}"#, "has a value of the wrong kind"),
      (#"{"kind": "idle", "thresholds": {"errors.count": {"below": 1}}}"#, "atLeast or atMost"),
      (#"{"kind": "idle", "thresholds": {"errors.count": 1}}"#, "thresholds must be"),
    ])
  func refusals(text: String, reason: String) {
    let error = #expect(throws: LoadFailure.self) { try plan(text) }
    #expect("\(String(describing: error))".contains(reason), "\(String(describing: error))")
  }

  @Test("the scenarios that come with it can be run")
  func files() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "benchmarks/scenarios")
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    #expect(files.count >= 10)
    for file in files {
      let plan = try LoadPlan(json: Data(contentsOf: file), roomPrefix: "test")
      #expect(!plan.about.isEmpty, "\(file.lastPathComponent)")
    }
  }
}
