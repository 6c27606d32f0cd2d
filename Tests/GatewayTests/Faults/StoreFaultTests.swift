import Foundation
import Load
import NIOCore
import Store
import TestSupport
import Testing

/// The promises of the README against real faults of a real disk: for each, a clear message, nothing acknowledged lost,
/// nothing unacknowledged shown, and a server that goes on when the fault has passed, without being started anew.
@Suite("The program, when the disk fails it", .timeLimit(.minutes(5)))
struct StoreFaultTests {
  @Test("a lock passes, and everything is as if it had never been")
  func lockPasses() async throws { try await passes(.lock) }

  @Test(
    "a fault of the disk passes, and everything is as if it had never been",
    .enabled(if: SmallDisk.isPossible && Tracer.isPossible, "nothing may be mounted or traced here"),
    arguments: StoreFault.allCases.filter { $0.needsDisk })
  func diskPasses(_ fault: StoreFault) async throws { try await passes(fault) }

  @Test(
    "a fault of a system call passes, and everything is as if it had never been",
    .enabled(if: Tracer.isPossible, "nothing may be traced here"),
    arguments: StoreFault.allCases.filter { $0.needsTracer && !$0.needsDisk })
  func callPasses(_ fault: StoreFault) async throws { try await passes(fault) }

  private func passes(_ fault: StoreFault) async throws {
    // A server that waits for its store is in nobody's way.
    try await (fault.answersAtOnce ? withPrograms : withDirectory) { directory async throws in
      let site = try await FaultSite(in: directory, small: fault.needsDisk)
      let server = try await site.serve()
      let probe = try await RawConnection.open(server.port)
      var asha = PersistentClient("asha", in: "room")
      try await asha.join(server.port)
      #expect(try await asha.ask("Before", server.port) == .accepted(at: 3))
      let page = try await FrameClient.open(server.port)
      #expect(try await page.nextMessage()?["seq"] == 3)
      #expect(try await probe.get("/readyz").status == 200)

      try await site.begin(fault, for: server)
      try await asha.send("During", server.port)
      var answer: PersistentClient.Answer?
      if fault.answersAtOnce {
        answer = try await asha.answer(to: "During")
      } else {
        // The probe's write is to wait behind this one, and not to go with it.
        try await Task.sleep(for: .milliseconds(500))
      }
      try await eventually("the server not to be ready") { try await probe.get("/readyz").status == 503 }
      #expect(try await probe.get("/healthz").status == 200)
      if let code = fault.code {
        if answer == nil { answer = try await asha.answer(to: "During") }
        #expect(answer == .refused(code: code))
        // Whoever comes meanwhile is refused as well, or sees what was acknowledged and no more.
        if fault != .lock { try await expectRefused(&asha, server.port) }
        let state = try await RawConnection.open(server.port).get("/party/room")
        #expect(state.status == 503 || (state.status == 200 && !state.body.contains("During")), "\(state)")
      }
      _ = try await server.child.errorLine { $0.contains(fault.logged) }
      try await eventually("\(fault.counted)") { try await Self.metric(fault.counted, probe) > 0 }
      #expect(try await Self.heard(by: page).allSatisfy { $0["type"] != "item_added" })
      try await site.end(fault)

      if fault.code == nil { #expect(try await asha.answer(to: "During") == .accepted(at: 4)) }
      try await eventually("the server to be ready") { try await probe.get("/readyz").status == 200 }
      try await eventually("the operation to be accepted") {
        switch try await asha.ask("During", server.port) {
        case .accepted(let position):
          #expect(position == 4)
          return true
        case .refused(let code):
          #expect(["store_unavailable", "outcome_unknown"].contains(code))
          return false
        case .closed(let code):
          #expect(code == 1013)
          return false
        }
      }
      // Once.
      #expect(try await asha.ask("During", server.port) == .accepted(at: 4))
      #expect(try await asha.ask("After", server.port) == .accepted(at: 5))
      server.child.kill(SIGKILL)
      #expect(await server.child.exit == .signal(SIGKILL))
      try await checkAfterwards(site, &asha)
    }
  }

  @Test(
    "a disk that takes its time makes its clients wait, and nobody sees what is not saved yet",
    .enabled(if: Tracer.isPossible, "nothing may be traced here"))
  func slow() async throws {
    try await withDirectory { directory async throws in
      let site = try await FaultSite(in: directory, small: false)
      let server = try await site.serve()
      var asha = PersistentClient("asha", in: "room")
      try await asha.join(server.port)
      #expect(try await asha.ask("Before", server.port) == .accepted(at: 3))
      let page = try await FrameClient.open(server.port)
      #expect(try await page.nextMessage()?["seq"] == 3)
      try await site.delaySyncs(seconds: 4, for: server)
      try await asha.send("During", server.port)
      #expect(try await Self.heard(by: page).allSatisfy { $0["type"] != "item_added" })
      #expect(try await asha.answer(to: "During") == .accepted(at: 4))
      try await site.end(.slowSync)
      #expect(try await asha.ask("After", server.port) == .accepted(at: 5))
      server.child.kill(SIGKILL)
      #expect(await server.child.exit == .signal(SIGKILL))
      try await checkAfterwards(site, &asha)
    }
  }

  @Test(
    "a server that is stopped while its disk is full ends well, and the next one finds all that was acknowledged",
    .enabled(if: SmallDisk.isPossible, "nothing may be mounted here"))
  func stopped() async throws {
    try await withPrograms { directory async throws in
      let site = try await FaultSite(in: directory, small: true)
      let server = try await site.serve()
      var asha = PersistentClient("asha", in: "room")
      try await asha.join(server.port)
      #expect(try await asha.ask("Before", server.port) == .accepted(at: 3))
      try await site.begin(.fullDisk, for: server)
      #expect(try await asha.ask("During", server.port) == .refused(code: "store_unavailable"))
      server.child.kill(SIGTERM)
      _ = try await server.child.errorLine { $0.contains("snapshot not saved") }
      #expect(await server.child.exit == .code(0))

      // It cannot start either, and says why.
      let refused = try await site.run(["serve", "--listen", "127.0.0.1:0"]).result()
      #expect(refused.exit == .code(1))
      #expect(refused.errors.contains("the disk is full"), "\(refused.errors)")
      try await site.end(.fullDisk)
      await asha.leave()
      let again = try await site.serve()
      #expect(try await asha.ask("During", again.port) == .accepted(at: 4))
      #expect(try await asha.ask("After", again.port) == .accepted(at: 5))
      again.child.kill(SIGKILL)
      _ = await again.child.exit
      try await checkAfterwards(site, &asha)
    }
  }

  @Test(
    "a server that is stopped while its disk hangs sends its clients away, and ends when the disk does what it is to",
    .enabled(if: Tracer.isPossible, "nothing may be traced here"))
  func stoppedWhileHanging() async throws {
    try await withDirectory { directory async throws in
      let site = try await FaultSite(in: directory, small: false)
      let server = try await site.serve()
      var asha = PersistentClient("asha", in: "room")
      try await asha.join(server.port)
      let guest = try await RoomClient.joined(server.port, RoomClient.path + "other", as: "guest")
      try await site.begin(.slowSync, for: server)
      try await asha.send("During", server.port)
      server.child.kill(SIGTERM)
      _ = try await server.child.errorLine { $0.contains("the store does not answer") }
      #expect(try await guest.closure()?.code == 1012)
      try await site.end(.slowSync)
      #expect(await server.child.exit == .code(0))
    }
  }

  @Test(
    "a server whose directory can only be read says so and ends with 1",
    .enabled(if: SmallDisk.isPossible, "nothing may be mounted here"))
  func readOnlyStart() async throws {
    try await withPrograms { directory async throws in
      let disk = try await SmallDisk(on: directory.path, sizeBytes: 1 << 20)
      try await disk.makeReadOnly()
      let store = "sqlite:" + directory.file("rooms.sqlite")
      let result = try await disk.start(
        ChildProcess.stonepot, ["serve", "--listen", "127.0.0.1:0", "--store", store]
      ).result()
      #expect(result.exit == .code(1))
      #expect(result.errors.contains("Read-only file system"), "\(result.errors)")
    }
  }

  // MARK: What is asked

  private func withDirectory(_ body: (TemporaryDirectory) async throws -> Void) async throws {
    try await body(try TemporaryDirectory())
  }

  private func expectRefused(_ client: inout PersistentClient, _ port: Int) async throws {
    switch try await client.ask("During", port) {
    case .accepted(let position): Issue.record("accepted at \(position), while nothing can be written")
    case .refused(let code): #expect(["store_unavailable", "outcome_unknown"].contains(code))
    case .closed(let code): #expect(code == 1013)
    }
  }

  /// A cold start has exactly what was acknowledged, each thing once.
  private func checkAfterwards(_ site: FaultSite, _ asha: inout PersistentClient) async throws {
    await asha.leave()
    let server = try await site.serve()
    for (index, dish) in ["Before", "During", "After"].enumerated() {
      #expect(try await asha.ask(dish, server.port) == .accepted(at: 3 + index))
    }
    let state = try JSON(parsing: try await RawConnection.open(server.port).get("/party/room").body)
    #expect(state["data"]["items"].elements.map { $0["dishName"] } == ["Before", "During", "After"])
    server.child.kill(SIGTERM)
    #expect(await server.child.exit == .code(0))

    let verified = try await site.run(["rooms", "verify"]).result()
    #expect(verified.lines == ["rooms: 1, events in the journal: 5, findings: 0"])
    let copy = try site.copy()
    let store = try await SQLiteStore.open(SQLiteConfiguration(path: copy, history: "", mode: .readOnly))
    asha.view.check(against: try await TestServer.journal(of: "room", in: store), "afterwards")
    await store.close()
  }

  static func metric(_ name: String, _ probe: RawConnection) async throws -> Double {
    let line = try await probe.get("/metrics").body.split(separator: "\n").first { $0.hasPrefix(name + " ") }
    return line?.split(separator: " ").last.flatMap { Double($0) } ?? 0
  }

  /// All that a connection was told until now; nothing, if it was ended.
  private static func heard(by client: FrameClient) async throws -> [JSON] {
    client.send(.ping, "now".utf8)
    var messages: [JSON] = []
    while let event = try await client.next() {
      switch event {
      case .pong, .close: return messages
      case .text(let text): messages.append(try JSON(parsing: String(buffer: text)))
      default: break
      }
    }
    return messages
  }
}
