import ArgumentParser
import Foundation
import Load

/// `stonepot drill`: clients that remember everything, while somebody harms the cluster.
struct DrillCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drill",
    abstract: "Load a cluster while a script harms it, and audit what its clients were told.",
    discussion: """
      Example: stonepot drill ./restart-a-node --url ws://127.0.0.1:1999 --url ws://127.0.0.1:2000
      Example: stonepot drill --seconds 60 --url wss://order.example.com

      The cluster must let one address have so many connections, rooms and messages: STONEPOT_ADDRESS_LIMITS=off \
      STONEPOT_ADDRESS_ROOMS=off STONEPOT_MESSAGE_RATE=off. Clusters for trying out, and scripts that harm them, are in \
      the folder cluster of the sources.

      The script is any program. The load begins before it and ends with it. On its standard output it says what it does, \
      a line each: `fault TEXT` when a fault begins and `healed TEXT` when it ends, `proof TEXT` how it is known that it \
      happened, `detected MILLIS` after how long others knew of it, `note TEXT` what else is worth telling, `expect closed` if clients may lose their connections. It ends \
      with 0, or with 77 where it can do nothing. Without a script the load takes so long as is said, and whatever befalls \
      the cluster meanwhile is others' doing.

      Exit codes: 0 passed; 1 failed, the verdict says why; 2 the load could not begin; 64 wrong usage; 77 skipped.
      """)

  @Argument(help: "The script that does the harm.", completion: .file())
  var script: String?

  @Option(help: "Without a script: how long the load takes.")
  var seconds: Double?

  @Option(
    help: ArgumentHelp(
      "A gateway: ws://HOST:PORT. May be repeated: clients are spread, and whose gateway goes takes the next.",
      valueName: "url"))
  var url = ["ws://127.0.0.1:1999"]

  @Option(help: "Rooms.")
  var rooms = 200

  @Option(help: "Participants in each room.")
  var participants = 5

  @Option(
    name: .customLong("quiet-rooms"), help: "Rooms beside these, with one participant each who changes nothing.")
  var quietRooms = 0

  @Option(help: "Operations per second, over all rooms that are not quiet.")
  var rate = 2000.0

  @Option(help: "Seconds that answers may be missing after the load has ended.")
  var patience = 60.0

  @Option(
    help: ArgumentHelp("A PEM file with the authority that has signed the gateways' certificates.", valueName: "path"),
    completion: .file())
  var authority: String?

  @OptionGroup var tokens: TokenSecret

  @OptionGroup var names: RoomNames

  @Option(help: "Write all that the clients did and saw to this file, a JSON object a line.", completion: .file())
  var history: String?

  @Option(help: "Write the verdict to this file as JSON.", completion: .file())
  var json: String?

  @Option(help: "Write the verdict to this file as a page with a timeline.", completion: .file())
  var html: String?

  func run() async throws {
    let began = Date()
    var scenario = DrillScenario(roomPrefix: names.prefix(of: "drill"))
    scenario.rooms = rooms
    scenario.participantsPerRoom = participants
    scenario.quietRooms = quietRooms
    scenario.operationsPerSecond = rate
    scenario.patienceSeconds = patience
    if let complaint = scenario.complaint { throw ValidationError(complaint) }
    let faults = try faults()
    var runner = DrillRunner(scenario: scenario, gateways: try gateways())
    runner.progress = { Self.tell(second: $0, issued: $1, unanswered: $2) }
    Self.say("\(rooms) rooms × \(participants), \(rate) operations/s; clients connect")
    let result = try await RunLoadCommand.orExit("drill") { try await runner.run(during: faults) }
    if result.isSkipped {
      Self.say("skipped")
      throw ExitCode(FaultScript.skipped)
    }
    let name = script.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "watch"
    print(result.verdict.summary(of: name))
    if let history { try write(result, to: history) }
    if let html {
      let page = result.verdict.page(name: name, date: began.formatted(.iso8601))
      try RunLoadCommand.write(Data(page.utf8), to: html)
    }
    if let json { try RunLoadCommand.encode(result.verdict).write(to: URL(fileURLWithPath: json), options: .atomic) }
    if !result.verdict.isPassed { throw ExitCode(1) }
  }

  private func faults() throws -> @Sendable () async throws -> FaultReport {
    switch (script, seconds) {
    case (let script?, nil):
      guard FileManager.default.isExecutableFile(atPath: script) else {
        throw ValidationError("\(script) is no program that can be run")
      }
      return { try await FaultScript(path: script) { Self.say("  \($0)") }.run() }
    case (nil, let seconds?):
      guard (1...86400).contains(seconds) else { throw ValidationError("--seconds must be 1 to 86400") }
      return {
        try await Task.sleep(for: .seconds(seconds))
        return FaultReport(isOthers: true)
      }
    default: throw ValidationError("either a script or --seconds is to be given")
    }
  }

  private func gateways() throws -> [LoadTarget] {
    let tokens = try tokens.maker
    return try url.map {
      guard var target = LoadTarget(url: $0) else { throw ValidationError("'\($0)' is not of the form ws://HOST:PORT") }
      target.authorityPath = authority
      target.tokens = tokens
      return target
    }
  }

  private func write(_ result: DrillRunner.Result, to path: String) throws {
    guard FileManager.default.createFile(atPath: path, contents: nil),
      let file = FileHandle(forWritingAtPath: path)
    else { throw CocoaError(.fileWriteUnknown) }
    for room in result.histories { try file.write(contentsOf: Data(room.lines(since: result.start).utf8)) }
    try file.close()
  }

  fileprivate static func say(_ text: String) {
    FileHandle.standardError.write(Data("drill: \(text)\n".utf8))
  }

  private static func tell(second: Double, issued: Int, unanswered: Int) {
    guard Int(second) % 5 == 0 else { return }
    say("\(Int(second)) s, \(issued) operations, \(unanswered) of them not answered")
  }
}

extension DrillVerdict {
  /// A table for a person.
  func summary(of name: String) -> String {
    func row(_ title: String, _ value: String) -> String {
      "  " + title.padding(toLength: 24, withPad: " ", startingAt: 0) + value
    }
    func counts<Key: Comparable & Hashable>(_ counts: [Key: Int]) -> String {
      let total = counts.values.reduce(0, +)
      let parts = counts.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }
      return total == 0 ? "0" : "\(total): \(parts.joined(separator: ", "))"
    }
    func times(_ times: Ranked) -> String { "p50 \(times.p50) ms, p99 \(times.p99) ms, max \(times.max) ms" }
    var lines = [
      "\(name): \(rooms) rooms, \(clients) clients, \(seconds) s",
      row("operations", "\(operations), \(acknowledged) acknowledged; \(deliveries) events delivered"),
    ]
    lines += RoomAudit.Kind.allCases.map { row($0.title, "\(violations[$0.rawValue] ?? 0)") }
    lines += samples.map { "    \($0)" }
    lines += [
      row("connections closed", counts(closeCodes) + (closingIsExpected ? ", as expected" : "")),
      row("refused for good", counts(refusals.final)),
      row("refused and sent again", counts(refusals.retried)),
      row("never answered", "\(unanswered)"),
      row("operations took", times(latencyMillis)),
      row("rooms stood still", times(stallMillis)),
    ]
    for mark in marks {
      let recovery = mark.recoverySeconds == 0 ? "nothing was slow" : "recovered after \(mark.recoverySeconds) s"
      lines.append(row("\(mark.isHealing ? "healed" : "fault") at \(mark.second) s", "\(mark.text); \(recovery)"))
    }
    if !detectionMillis.isEmpty {
      lines.append(row("known after", detectionMillis.map { "\($0) ms" }.joined(separator: ", ")))
    }
    lines += proofs.map { row("proof", $0) }
    lines += notes.map { row("note", $0) }
    lines.append(isPassed ? "PASSED" : "FAILED: " + objections.joined(separator: "; "))
    return lines.joined(separator: "\n")
  }
}
