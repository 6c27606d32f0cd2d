import Ordering
import RoomCore
import Store
import StoreTesting
import Testing

@testable import Directory

@Suite("Sessions of voice agents, in each store", .timeLimit(.minutes(2)))
struct AssistantSessionTests {
  @Test("old sessions and forgotten calls are found along an index", arguments: Engine.allCases)
  func plans(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    try await harness.store.writeRecords { records in
      for number in 0..<5000 {
        try records.run(
          """
          INSERT INTO assistant_sessions (id, tenant, order_state, created_at, updated_at, version)
          VALUES ($1, 't', '{}', $2, $2, 1)
          """, [.text("s-\(number)"), RecordValue(number)])
        try records.run(
          "INSERT INTO assistant_calls (session, call, number, fingerprint, result) VALUES ($1, $2, $3, 'f', '{}')",
          [.text("s-\(number % 50)"), .text("c-\(number)"), RecordValue(number)])
      }
      if engine == .postgres {
        for table in ["assistant_sessions", "assistant_calls"] { try records.run("ANALYZE \(table)") }
      }
    }
    for (query, values, index) in [
      (SessionQueries.unused, ["2500", "200"], "assistant_sessions_by_age"),
      (SessionQueries.forgotten, ["'s-1'", "60"], "assistant_calls_by_number"),
    ] {
      var sql = query
      for (place, value) in values.enumerated() { sql = sql.replacing("$\(place + 1)", with: value) }
      let explained = (engine == .sqlite ? "EXPLAIN QUERY PLAN " : "EXPLAIN ") + sql
      let plan = try await harness.store.readRecords { records in
        try records.run(explained, []).map { $0.values.compactMap(\.text).joined() }.joined(separator: "\n")
      }
      #expect(plan.contains(index), "\(plan)")
      #expect(!plan.lowercased().contains("temp b-tree") && !plan.contains("Seq Scan"), "\(plan)")
    }
    await harness.store.close()
  }

  @Test("a session is known to its tenant alone, until it is ended or unused for long", arguments: Engine.allCases)
  func life(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    let phone = DirectoryHarness.phone(1)
    let made = try await directory.beginSession("t", phone: phone, orderState: "{\"a\":\"é\"}")
    #expect(try await directory.session("t", made.id) == made && made.version == 1)
    #expect(try await DirectoryHarness.refusal { _ = try await directory.session("u", made.id) } == .sessionNotFound)
    let call = AnsweredCall(id: "c", fingerprint: "f", result: "{}")
    #expect(try await directory.answer(call, in: made.id, "t") { ($0, $1) } == call)
    let (session, answered) = try await directory.session("t", made.id, answering: "c")
    #expect(answered == call && session.version == 2 && session.updatedAt > made.updatedAt && session.phone == phone)
    #expect(
      try await DirectoryHarness.refusal { _ = try await directory.answer(call, in: made.id, "u") { ($0, $1) } }
        == .sessionNotFound)
    #expect(try await DirectoryHarness.refusal { try await directory.endSession("u", made.id) } == .sessionNotFound)
    try await directory.endSession("t", made.id)
    #expect(try await DirectoryHarness.refusal { _ = try await directory.session("t", made.id) } == .sessionNotFound)
    for _ in 0..<3 { _ = try await directory.beginSession("t", phone: nil, orderState: "{}") }
    #expect(try await directory.deleteSessions(unusedFor: .zero, atMost: 2) == 2)
    #expect(try await directory.deleteSessions(unusedFor: .zero, atMost: 2) == 1)
    await harness.store.close()
  }
}
