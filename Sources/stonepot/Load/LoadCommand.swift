import ArgumentParser
import Foundation
import Load

/// `stonepot load`: drives a server with benchmark clients, and reports what it did.
struct LoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Drive a server with benchmark clients and report throughput, latency, processor time and memory.",
    discussion: """
      Example: stonepot load closed-loop --url ws://127.0.0.1:1999 --pid 4711 --rooms 200 --participants 5

      Exit codes: 0 all went well; 1 the run had errors, see the report; 2 the run could not begin.
      """,
    subcommands: [ClosedLoopCommand.self, OpenLoopCommand.self, IdleCommand.self, VisitsCommand.self])
}

struct ClosedLoopCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "closed-loop",
    abstract: "Each participant sends its next operation when it has seen the last: what can the server do?",
    discussion: """
      Example: stonepot load closed-loop --url ws://127.0.0.1:1999 --pid 4711 --seconds 10 --json run.json

      One room that is as busy as it can be: --rooms 1 --participants 1 --in-flight 64 --dialect 2
      One who changes and many who watch:    --rooms 1 --participants 1 --listeners 1000
      """)

  @OptionGroup var options: LoadOptions
  @OptionGroup var size: LoadSize

  func run() async throws {
    try await options.run(.closedLoop, size)
  }
}

struct OpenLoopCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "open-loop",
    abstract: "Operations come at a steady rate, whatever the server does: how long do they take?",
    discussion: "Example: stonepot load open-loop --rate 2000 --url ws://127.0.0.1:1999 --pid 4711")

  @OptionGroup var options: LoadOptions
  @OptionGroup var size: LoadSize

  @Option(help: "Operations per second, over all rooms.")
  var rate: Double

  func run() async throws {
    try await options.run(.openLoop(operationsPerSecond: rate), size)
  }
}

struct IdleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "idle",
    abstract: "Participants join and do nothing: what does a connection cost, and how fast do they come?",
    discussion: """
      Example: stonepot load idle --rooms 2000 --participants 5 --items 0 --url ws://127.0.0.1:1999 --pid 4711

      Things settle for --warmup seconds; memory is read at the end of --seconds.
      """)

  @OptionGroup var options: LoadOptions
  @OptionGroup var size: LoadSize

  func run() async throws {
    try await options.run(.idle, size)
  }
}

/// How much of everything a load has.
struct LoadSize: ParsableArguments {
  @Option(help: "Rooms.")
  var rooms = 200

  @Option(help: "Participants in each room.")
  var participants = 5

  @Option(help: "Connections in each room that did not join.")
  var listeners = 0

  @Option(help: "Items in each room.")
  var items = 5

  @Option(name: .customLong("in-flight"), help: "Operations that a participant has on their way at once.")
  var inFlight = 1

  @Option(help: "Seconds to run before measuring.")
  var warmup = 3.0

  @Option(help: "Seconds that connecting, joining and filling the rooms may take.")
  var setup = 60.0

  @Option(help: "Threads of the driver.")
  var loops = 1
}

/// What the rooms are called.
struct RoomNames: ParsableArguments {
  @Option(help: "How room names begin. By default, something that no other run has.")
  var prefix: String?

  /// The prefix that was asked for, or something that no other run has.
  func prefix(of command: String) -> String {
    if let prefix { return prefix }
    let milliseconds = Int(Date().timeIntervalSince1970 * 1000)
    return "\(command)-\(String(milliseconds, radix: 36))-\(ProcessInfo.processInfo.processIdentifier)"
  }
}

/// Where a load goes, what it speaks, and where its report goes.
struct LoadOptions: ParsableArguments {
  @Option(help: "The server: ws://HOST:PORT, or with a path that the room's name is appended to.")
  var url = "ws://127.0.0.1:1999"

  @Option(
    help: ArgumentHelp("A process of the server on this machine, to be measured; may be repeated.", valueName: "pid"))
  var pid: [Int32] = []

  @Option(help: "1: the full state in each broadcast. 2: the change alone.")
  var dialect = 1

  @Option(help: "Seconds to measure.")
  var seconds = 10.0

  @Option(help: "From how many addresses to connect: 127.0.0.1 and those after it.")
  var sources = 1

  @OptionGroup var names: RoomNames

  @Option(help: "Write the report to this file as JSON; - for standard output.")
  var json: String?

  func validate() throws {
    _ = try target()
    guard (1...200).contains(sources) else { throw ValidationError("sources must be 1 to 200") }
    guard LoadScenario.Dialect(rawValue: dialect) != nil else { throw ValidationError("the dialect is 1 or 2") }
  }

  func run(_ pacing: LoadScenario.Pacing, _ size: LoadSize) async throws {
    var scenario = LoadScenario(roomPrefix: names.prefix(of: "load"))
    scenario.rooms = size.rooms
    scenario.participantsPerRoom = size.participants
    scenario.listenersPerRoom = size.listeners
    scenario.itemsPerRoom = size.items
    scenario.operationsInFlight = size.inFlight
    scenario.dialect = spoken
    scenario.pacing = pacing
    scenario.measuredSeconds = seconds
    scenario.warmupSeconds = size.warmup
    scenario.setupTimeoutSeconds = size.setup
    scenario.eventLoops = size.loops
    if let complaint = scenario.complaint { throw ValidationError(complaint) }
    let runner = LoadRunner(scenario: scenario, target: try target())
    let report = try await Self.orExit("load") { try await runner.run() }
    try write(report, summary: report.summary)
    if !report.errors.isEmpty { throw ExitCode(1) }
  }

  var spoken: LoadScenario.Dialect { LoadScenario.Dialect(rawValue: dialect) ?? .fullState }

  func target() throws -> LoadTarget {
    guard var target = LoadTarget(url: url) else { throw ValidationError("'\(url)' is not of the form ws://HOST:PORT") }
    target.processIDs = pid
    target.sourceAddresses = sources
    return target
  }

  /// Runs it; says why it could not begin, and ends with 2.
  static func orExit<Report>(_ command: String, _ body: () async throws -> Report) async throws -> Report {
    do {
      return try await body()
    } catch {
      FileHandle.standardError.write(Data("\(command): \(error)\n".utf8))
      throw ExitCode(2)
    }
  }

  func write(_ report: some Encodable, summary: String) throws {
    if json != "-" { print(summary) }
    guard let json else { return }
    let data = try Self.encode(report)
    if json == "-" {
      FileHandle.standardOutput.write(data)
    } else {
      try data.write(to: URL(fileURLWithPath: json), options: .atomic)
    }
  }

  static func encode(_ report: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(report) + Data("\n".utf8)
  }
}
