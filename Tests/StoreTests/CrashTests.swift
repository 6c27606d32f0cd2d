import Foundation
import RoomCore
import Store
import StoreTesting
import TestSupport
import Testing

/// Promise 1, saved before sent: whatever a process was told is on disk is there after `kill -9` at any moment.
struct CrashTests {
  static let rounds = 44
  static let roomCount = 48

  /// What one life of the child told before it died.
  struct Life: Sendable {
    var isReady = false
    var acknowledged: [RoomID: Int64] = [:]
    var lines = 0
    var status: Int32 = 0
  }

  @Test(.timeLimit(.minutes(2)))
  func whatWasAcknowledgedSurvivesAKillAtAnyMoment() async throws {
    let seed = ProcessInfo.processInfo.environment["STONEPOT_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...999_999)
    print("crash test: STONEPOT_SEED=\(seed)")
    var generator = SplitMix64(seed: seed)
    let file = try TemporaryFile()
    let rooms = (0..<Self.roomCount).map { room("room-\($0)") }
    var verified: [RoomID: Int64] = [:]
    var (withCommits, beyondAcknowledged, total) = (0, 0, 0)

    for round in 0..<Self.rounds {
      // Most rounds die at work; some while they open the file, recover it and claim.
      let lines = round % 9 == 4 ? 0 : Int.random(in: 1...600, using: &generator)
      let delay = UInt32.random(in: 0...(lines == 0 ? 60_000 : 3000), using: &generator)
      let life = try await Self.run(
        path: file.path, seed: generator.next() >> 1, killAfter: lines, delayMicroseconds: delay)
      #expect(life.status & 0x7F == SIGKILL, "seed \(seed), round \(round): ended by itself, status \(life.status)")
      // A life killed before its file was made leaves nothing to look at.
      guard life.isReady || !verified.isEmpty else { continue }

      // By turns as the next server would, which empties the write-ahead log, and as a visitor, which leaves it.
      let mode: SQLiteConfiguration.Mode = round % 2 == 0 ? .exclusive : .readOnly
      let store = try await SQLiteStore.open(SQLiteConfiguration(path: file.path, history: "x", mode: mode))
      #expect(store.identity.history == "crash")
      var isBeyond = false
      for room in rooms {
        let before = verified[room] ?? 0
        let told = life.acknowledged[room] ?? before
        let rows = try #require(
          try await store.journal(of: room, after: SequenceNumber(before), through: SequenceNumber(.max)),
          "seed \(seed), round \(round): \(room) lost what was there")
        let head = Self.check(rows, after: before, "seed \(seed), round \(round), \(room)")
        #expect(head >= told, "seed \(seed), round \(round): \(room) was told \(told) and ends at \(head)")
        if life.acknowledged[room] != nil || life.isReady, head > told { isBeyond = true }
        verified[room] = head
      }
      for summary in try await store.rooms(after: nil, limit: 1000) {
        #expect(summary.head.number == verified[summary.room])
        #expect((summary.snapshot ?? .zero) <= summary.head)
      }
      await store.close()
      total += life.acknowledged.count
      if !life.acknowledged.isEmpty { withCommits += 1 }
      if isBeyond { beyondAcknowledged += 1 }
    }

    let store = try await SQLiteStore.open(SQLiteConfiguration(path: file.path, history: "x"))
    for room in rooms {
      let rows = try #require(try await store.journal(of: room, after: .zero, through: SequenceNumber(.max)))
      #expect(Self.check(rows, after: 0, "seed \(seed), at the end, \(room)") == verified[room])
      #expect(zip(rows, rows.dropFirst()).allSatisfy { $0.epoch <= $1.epoch })
      #expect(try await store.load(room)?.head.number == verified[room])
    }
    await store.close()
    #expect(try RawDatabase(file.path).query("PRAGMA integrity_check") == ["ok"])

    let events = verified.values.reduce(0, +)
    print(
      "crash test: \(Self.rounds) kills, \(withCommits) with commits acknowledged, \(beyondAcknowledged) between "
        + "commit and acknowledgement, \(events) events")
    // Else the kills missed what they were meant to hit, and nothing was proved.
    #expect(withCommits > Self.rounds / 2)
    #expect(beyondAcknowledged > 0)
  }

  /// - Returns: the last position, having seen that each one after `after` is there once.
  static func check(_ rows: [JournalRow], after: Int64, _ place: @autoclosure () -> String) -> Int64 {
    var head = rows.first.map { min($0.first.number - 1, after) } ?? after
    for row in rows {
      #expect(row.first.number == head + 1, "\(place()): \(head) is followed by \(row.first)")
      let numbers = row.first.number...row.last.number
      #expect(row.string == "[" + numbers.map(String.init).joined(separator: ",") + "]", "\(place()): not its text")
      head = row.last.number
    }
    return head
  }

  // MARK: The child

  static func run(
    path: String, seed: UInt64, killAfter lines: Int, delayMicroseconds: UInt32, part: Int? = nil, of parts: Int = 1
  ) async throws -> Life {
    let result: Result<Life, any Error> = await withUnsafeContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(
          returning: Result {
            try live(
              path: path, seed: seed, killAfter: lines, delayMicroseconds: delayMicroseconds,
              part: part.map { [$0, parts] } ?? [])
          })
      }
    }
    return try result.get()
  }

  private static func live(
    path: String, seed: UInt64, killAfter lines: Int, delayMicroseconds: UInt32, part: [Int]
  ) throws -> Life {
    let program = Program.built("store-crash-child")
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw POSIXError(.EMFILE) }
    let (reading, writing) = (ends[0], ends[1])
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(reading) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, writing, 1)
    let words = [program, path, "\(seed)", "\(roomCount)"] + part.map(String.init)
    let arguments = words.map { word in strdup(word) }
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    let code = posix_spawn(&pid, program, &actions, nil, arguments + [nil], environ)
    close(writing)
    guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .ENOENT) }

    var life = Life()
    var text: [UInt8] = []
    var isKilled = false
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    func killNow() {
      usleep(delayMicroseconds)
      kill(pid, SIGKILL)
      isKilled = true
    }
    if lines == 0 { killNow() }
    // To the very end: what it wrote before it died was told.
    while true {
      let count = buffer.withUnsafeMutableBytes { read(reading, $0.baseAddress, $0.count) }
      guard count > 0 else { break }
      text += buffer[..<count]
      life.lines += buffer[..<count].count { $0 == UInt8(ascii: "\n") }
      if !isKilled, life.lines >= lines { killNow() }
    }
    waitpid(pid, &life.status, 0)
    // A line that was cut short was not told.
    let whole = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for line in whole.dropLast() {
      let words = String(decoding: line, as: UTF8.self).split(separator: " ")
      if words == ["ready"] {
        life.isReady = true
      } else if words.count == 2, let id = RoomID(String(words[0])), let position = Int64(words[1]) {
        life.acknowledged[id] = max(life.acknowledged[id] ?? 0, position)
      } else {
        Issue.record("the child said \(words)")
      }
    }
    return life
  }
}
