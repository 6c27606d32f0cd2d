import Foundation
import JWTKit
import Load
import RoomCore
import Store
import StoreTesting
import TestSupport
import Testing

@Suite("The program", .timeLimit(.minutes(5)))
struct ProgramTests {
  // MARK: Stopping

  @Test(
    "SIGTERM: clients hear 1012, the rooms are saved, the program ends with 0, and the next one finds all",
    arguments: [
      SIGTERM, SIGINT,
    ])
  func stopping(signal: Int32) async throws {
    try await withPrograms { directory async throws in
      let file = directory.file("deep/er/rooms.sqlite")
      let first = try await ServingProcess.start(file, ["--dev-rooms"])
      let asha = try await RoomClient.joined(first.port, RoomClient.path + "room?v=2", as: "asha")
      let page = try await RoomClient.open(first.port)
      let echo = try await RoomClient.open(first.port, "/parties/echo/x")
      let idle = try await RawConnection.open(first.port)
      #expect(try await idle.get("/healthz").status == 200)
      let silent = try await RawConnection.open(first.port)
      for number in 0..<10 { asha.add("Dish \(number)", as: "asha", opId: "op-\(number)") }
      while try await asha.next("ack")["opId"] != "op-9" {}
      first.child.kill(signal)
      for client in [asha, page, echo] {
        let closure = try await client.closure()
        #expect(closure?.code == 1012)
        #expect(closure?.wasClean == true)
      }
      _ = try await idle.rest()
      _ = try await silent.rest()
      #expect(await first.child.exit == .code(0))

      let store = try await SQLiteStore.open(SQLiteConfiguration(path: file, history: "", mode: .readOnly))
      let summary = try #require(try await store.rooms(after: nil, limit: 10).first)
      #expect(summary.head.number == 12)
      #expect(summary.snapshot?.number == 12)
      await store.close()

      let second = try await ServingProcess.start(file)
      let again = try await RoomClient.open(second.port, RoomClient.path + "room?v=2&since=7")
      #expect(try await again.next()["type"] == "resumed")
      for position in 8...12 { #expect(try await again.next()["seq"].int == position) }
      second.child.kill(SIGTERM)
      #expect(await second.child.exit == .code(0))
    }
  }

  @Test("SIGTERM does not wait for ever for who does not answer")
  func stubbornClient() async throws {
    try await withPrograms { directory async throws in
      let server = try await ServingProcess.start(directory.file("rooms.sqlite"))
      let stubborn = try await FrameClient.open(server.port)
      server.child.kill(SIGTERM)
      #expect(try await stubborn.closeCode() == 1012)
      #expect(await server.child.exit == .code(0))
    }
  }

  // MARK: Starting

  @Test("what would be a mistake to run is refused with a message")
  func refusals() async throws {
    try await withPrograms { directory async throws in
      let store = ["--store", "sqlite:" + directory.file("rooms.sqlite")]
      let cases: [(arguments: [String], code: Int32, message: String)] = [
        (["serve", "--listen", "0.0.0.0:0"] + store, 64, "auth open"),
        (["serve", "--listen", "[::]:0"] + store, 64, "auth open"),
        (["serve", "--listen", "127.0.0.1:0", "--auth", "token"] + store, 64, "secret"),
        (["serve", "--listen", "127.0.0.1:0", "--auth", "maybe"] + store, 64, "--auth"),
        (["serve", "--listen", "nowhere"] + store, 64, "--listen"),
        (["serve", "--listen", "127.0.0.1:99999"] + store, 64, "--listen"),
        (["serve", "--store", "mysql://here"], 64, "--store"),
        (["serve", "--max-message-bytes", "1"] + store, 64, "max-message-bytes"),
        (["serve", "--message-rate", "0"] + store, 64, "--message-rate"),
        (["serve", "--key-rate", "0"] + store, 64, "--key-rate"),
        (
          ["serve", "--listen", "127.0.0.1:0", "--auth", "token", "--token-keys", directory.file("none.keys")] + store,
          1,
          "none.keys"
        ),
        (["serve", "--currency", "rupees"] + store, 64, "--currency"),
        (["serve", "--log-level", "loud"] + store, 64, "--log-level"),
        (["serve", "--config", directory.file("none.json")] + store, 64, "none.json"),
        (["serve", "--turbo"] + store, 64, "--turbo"),
        (["dance"], 64, "dance"),
        (["serve", "--listen", "127.0.0.1:0", "--auth", "token", "--token-secret", "short"] + store, 1, "32 bytes"),
        (["rooms", "show", "none"] + store, 1, "rooms.sqlite"),
      ]
      for (arguments, code, message) in cases {
        let result = try await ChildProcess.run(arguments, directory: directory.path)
        #expect(result.exit == .code(code), "\(arguments): \(result.errors)")
        #expect(result.errors.contains(message), "\(arguments): \(result.errors)")
      }
      #expect(!FileManager.default.fileExists(atPath: directory.file("rooms.sqlite")))
    }
  }

  @Test("a second server on the same file, or the same port, is refused with a message")
  func secondServer() async throws {
    try await withPrograms { directory async throws in
      let file = directory.file("rooms.sqlite")
      let first = try await ServingProcess.start(file)
      let second = try await ChildProcess.run(["serve", "--listen", "127.0.0.1:0", "--store", "sqlite:\(file)"])
      #expect(second.exit == .code(1))
      #expect(second.errors.contains(file), "\(second.errors)")
      let third = try await ChildProcess.run([
        "serve", "--listen", "127.0.0.1:\(first.port)", "--store", "sqlite:\(directory.file("other.sqlite"))",
      ])
      #expect(third.exit == .code(1))
      // Neither did any harm.
      _ = try await RoomClient.joined(first.port, as: "asha")
      first.child.kill(SIGTERM)
      #expect(await first.child.exit == .code(0))
    }
  }

  @Test("an option wins over the environment, the environment over the file; the secret is not shown")
  func precedence() async throws {
    try await withPrograms { directory async throws in
      let secret = "the secret that nobody may ever read"
      let config = directory.file("serve.json")
      try #"""
      {"cluster": "file", "idle": {"limit": 111}, "currency": "USD/2", "message": {"rate": "7"}, "log": {"level": "notice"}}
      """#.write(toFile: config, atomically: true, encoding: .utf8)
      let environment = [
        "STONEPOT_CURRENCY": "EUR/2", "STONEPOT_MESSAGE_RATE": "8", "STONEPOT_TOKEN_SECRET": secret,
        "STONEPOT_AUTH": "token", "STONEPOT_LOG_LEVEL": "info",
      ]
      let server = try await ServingProcess(
        try ChildProcess(
          ChildProcess.stonepot,
          [
            "serve", "--listen", "127.0.0.1:0", "--store", "sqlite:\(directory.file("rooms.sqlite"))", "--config",
            config,
            "--message-rate", "9",
          ], environment: environment),
        settings: { line in
          for setting in ["cluster=file", "idle-limit=111", "currency=EUR/2", "message-rate=9", "auth=token"] {
            #expect(line.contains(" \(setting)"), "\(setting) in \(line)")
          }
          #expect(line.contains("token-secret=********"))
          #expect(!line.contains(secret))
        })
      let path = RoomClient.path + "room"
      #expect(try await refusal(server.port, path)?.status == 401)
      let keys = JWTKeyCollection()
      await keys.add(hmac: HMACKey(stringLiteral: secret), digestAlgorithm: .sha256)
      let token = try await keys.sign(Claims(sub: "asha", room: "room", exp: 4_102_444_800))
      let asha = try await RoomClient.open(server.port, path + "?token=\(token)")
      asha.join(as: "asha")
      #expect(try await asha.next()["data"]["currency"] == "EUR")
      server.child.kill(SIGTERM)
      let result = try await server.child.result()
      #expect(result.exit == .code(0))
      #expect(!result.errors.contains(secret))
      #expect(!result.errors.contains(token))
    }
  }

  private struct Claims: JWTPayload {
    var sub: String
    var room: String
    var exp: Int

    func verify(using algorithm: some JWTAlgorithm) async throws {}
  }

  @Test("a setting of the wrong kind is a mistake that is told, not a setting left out")
  func wrongKind() async throws {
    try await withPrograms { directory async throws in
      let arguments = ["serve", "--listen", "127.0.0.1:0", "--store", "sqlite:" + directory.file("rooms.sqlite")]
      let cases = [
        (#"{"auth": true}"#, "--auth"), (#"{"auth": "token", "token": {"secret": 12}}"#, "secret"),
        (#"{"room": {"idle": "soon"}}"#, "room-idle"), (#"{"dev": {"rooms": "x"}}"#, "dev-rooms"),
        (#"{"max": {"message": {"bytes": 1.5}}}"#, "max-message-bytes"), (#"{"turbo": 1}"#, "turbo"), ("{", ".json"),
      ]
      for (number, (text, message)) in cases.enumerated() {
        let file = directory.file("\(number).json")
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let result = try await ChildProcess.run(arguments + ["--config", file])
        #expect(result.exit == .code(64), "\(text): \(result.errors)")
        #expect(result.errors.contains(message), "\(text): \(result.errors)")
      }
      let result = try await ChildProcess.run(arguments, environment: ["STONEPOT_MAX_MESSAGE_BYTES": "many"])
      #expect(result.exit == .code(64), "\(result.errors)")
      #expect(result.errors.contains("max-message-bytes"), "\(result.errors)")
    }
  }

  @Test("open authentication says so loudly at the start")
  func openIsLoud() async throws {
    try await withPrograms { directory async throws in
      let child = try ChildProcess(
        ChildProcess.stonepot,
        ["serve", "--listen", "127.0.0.1:0", "--store", "sqlite:\(directory.file("rooms.sqlite"))"])
      #expect(try await child.errorLine { $0.contains("OPEN") }.contains("warning"))
      _ = try await ServingProcess(child)
      child.kill(SIGTERM)
      #expect(await child.exit == .code(0))
    }
  }

  // MARK: Metrics

  @Test("gauges go up and down with what they count")
  func gauges() async throws {
    try await withPrograms { directory async throws in
      let server = try await ServingProcess.start(directory.file("rooms.sqlite"))
      let asha = try await RoomClient.joined(server.port, as: "asha")
      let ravi = try await RoomClient.joined(server.port, RoomClient.path + "other", as: "ravi")
      let probe = try await RawConnection.open(server.port)
      func metric(_ name: String) async throws -> Double? {
        let text = try await probe.get("/metrics").body
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return line?.split(separator: " ").last.flatMap { Double($0) }
      }
      #expect(try await metric("stonepot_sessions") == 2)
      #expect(try await metric("stonepot_connections") == 3)
      #expect(try await metric("stonepot_rooms_warm") == 2)
      #expect(try await metric("stonepot_messages_received_total") == 2)
      #expect(try await metric("stonepot_room_events_total") == 4)
      try await eventually("the store's own counts") { try await metric("stonepot_store_commits_total") == 2 }
      let text = try await probe.get("/metrics").body
      for name in ["commits_total", "transaction_seconds_total"] {
        #expect(text.contains("# TYPE stonepot_store_\(name) counter\n"))
      }
      #expect(try await metric("stonepot_store_transaction_seconds_total") ?? 0 > 0)
      await asha.socket.close()
      await ravi.socket.disconnect()
      try await eventually("the sessions to end") { try await metric("stonepot_sessions") == 0 }
      try await eventually("the connections to end") { try await metric("stonepot_connections") == 1 }
      server.child.kill(SIGTERM)
      #expect(await server.child.exit == .code(0))
    }
  }

  @Test("what strangers are held to stands in the metrics, and so does what was refused for it")
  func limits() async throws {
    try await withPrograms { directory async throws in
      let server = try await ServingProcess.start(
        directory.file("rooms.sqlite"),
        [
          "--address-rooms", "1", "--tenant-rooms", "7", "--tenant-messages", "8", "--tenant-connections", "9",
          "--room-memory", "10", "--message-rate", "off",
        ])
      _ = try await RoomClient.joined(server.port, as: "asha")
      let second = try await RoomClient.open(server.port, RoomClient.path + "second")
      second.join(as: "asha")
      #expect(try await second.next("error")["data"]["code"] == "rate_limited")
      let text = try await RawConnection.open(server.port).get("/metrics").body
      for (name, value) in [
        ("address_rooms_per_hour", 1), ("tenant_rooms_per_hour", 7), ("tenant_messages_per_second", 8),
        ("tenant_connections", 9), ("room_memory_bytes", 10 << 20), ("address_connections", 256),
        ("connections", 50_000), ("message_bytes", 65_536),
      ] {
        #expect(text.contains("stonepot_limit{name=\"\(name)\"} \(Double(value))\n"), "\(name)")
      }
      #expect(!text.contains("connection_messages_per_second"))
      #expect(text.contains("stonepot_rooms_refused_total{because=\"address\"} 1\n"))
      #expect(text.contains("stonepot_rooms_refused_total{because=\"memory\"} 0\n"))
      server.child.kill(SIGTERM)
      #expect(await server.child.exit == .code(0))
    }
  }

  // MARK: Looking in

  @Test("rooms ls, show, export and import, while a server runs and into a new file")
  func lookingIn() async throws {
    try await withPrograms { directory async throws in
      let (old, new) = (directory.file("old.sqlite"), directory.file("new.sqlite"))
      let server = try await ServingProcess.start(old)
      for room in ["lunch", "dinner"] {
        let client = try await RoomClient.joined(server.port, RoomClient.path + room, as: "asha")
        client.add("Dal", as: "asha")
        _ = try await client.next("item_added")
        await client.socket.close()
      }
      func rooms(_ arguments: String..., store: String) async throws -> [String] {
        let result = try await ChildProcess.run(["rooms"] + arguments + ["--store", "sqlite:\(store)"])
        #expect(result.exit == .code(0), "\(arguments): \(result.errors)")
        return result.lines
      }
      let listed = try await rooms("ls", store: old)
      #expect(listed.map { $0.split(separator: "\t")[0] } == ["dinner", "lunch"])
      #expect(listed.allSatisfy { $0.contains("3 events") })
      #expect(try await rooms("ls", "--limit", "1", store: old).count == 1)
      #expect(try await rooms("ls", "--after", "dinner", store: old).count == 1)

      let shown = try JSON(parsing: try #require(try await rooms("show", "lunch", store: old).first))
      #expect(shown["data"]["items"][0]["dishName"] == "Dal")
      let events = try await rooms("show", "lunch", "--events", store: old).map { try JSON(parsing: $0) }
      #expect(events.map { $0["seq"] } == [1, 2, 3])
      #expect(events.allSatisfy { $0["participant"] == "asha" })

      #expect(
        try await rooms("verify", store: old) == ["rooms: 2, events in the journal: 6, findings: 0"], "a server has it")
      #expect(
        try await rooms("verify", "lunch", store: old) == ["rooms: 1, events in the journal: 3, findings: 0"])

      let one = try await rooms("export", "lunch", store: old)
      #expect(try one.map { try JSON(parsing: $0)["room"] } == ["lunch"])
      let exported = try await rooms("export", store: old)
      #expect(exported.count == 2)
      let file = directory.file("rooms.jsonl")
      try exported.map { $0 + "\n" }.joined().write(toFile: file, atomically: true, encoding: .utf8)

      // Not into a file that a server has.
      let refused = try await ChildProcess.run(["rooms", "import", file, "--store", "sqlite:\(old)"])
      #expect(refused.exit == .code(1))
      #expect(refused.errors.contains(old), "\(refused.errors)")
      server.child.kill(SIGTERM)
      #expect(await server.child.exit == .code(0))

      #expect(try await rooms("import", file, store: new) == ["2 rooms imported"])
      #expect(
        try await rooms("show", "lunch", "--events", store: new) == rooms("show", "lunch", "--events", store: old))
      let again = try await ChildProcess.run(["rooms", "import", file, "--store", "sqlite:\(new)"])
      #expect(again.exit == .code(1), "a room is not imported over itself")

      let broken = directory.file("broken.jsonl")
      try #"{"room":"supper","journal":[{"first":1,"count":1,"epoch":1,"at":1}]}"#
        .write(toFile: broken, atomically: true, encoding: .utf8)
      let unread = try await ChildProcess.run(["rooms", "import", broken, "--store", "sqlite:\(new)"])
      #expect(unread.exit == .code(1))
      #expect(unread.errors.contains("an exported row of the journal has events"), "\(unread.errors)")
      #expect(!FileManager.default.fileExists(atPath: new + "-wal"), "the store was not closed")

      // Clean, damaged, and not there.
      #expect(try await rooms("verify", store: new) == ["rooms: 2, events in the journal: 6, findings: 0"])
      try RawDatabase(old).query("DELETE FROM timers WHERE room = (SELECT id FROM rooms WHERE name = 'lunch')")
      let damaged = try await ChildProcess.run(["rooms", "verify", "--store", "sqlite:\(old)"])
      #expect(damaged.exit == .code(1))
      #expect(damaged.lines.count == 2)
      #expect(damaged.lines.first?.hasPrefix("room lunch: it has no timer") == true, "\(damaged.lines)")
      for arguments in [
        ["--store", "sqlite:" + directory.file("none.sqlite")], ["supper", "--store", "sqlite:\(new)"],
      ] {
        let refused = try await ChildProcess.run(["rooms", "verify"] + arguments)
        #expect(refused.exit == .code(2))
        #expect(!refused.errors.isEmpty)
      }

      let second = try await ServingProcess.start(new)
      let client = try await RoomClient.open(second.port, RoomClient.path + "lunch")
      let sync = try await client.next()
      #expect(sync["data"]["items"].elements.count == 1)
      #expect(sync["seq"] == 3)
      client.add("Naan", as: "asha")
      #expect(try await client.next("item_added")["seq"] == 4)
      second.child.kill(SIGTERM)
      #expect(await second.child.exit == .code(0))
    }
  }
}

extension ServingProcess {
  /// - Parameter settings: is shown the line with which the program tells its settings.
  init(_ child: ChildProcess, settings: (String) -> Void) async throws {
    settings(try await child.errorLine { $0.contains("settings: ") })
    try await self.init(child)
  }
}
