import ArgumentParser
import Foundation
import Load

/// `stonepot load`: drives a server with benchmark clients, and reports what it did.
struct LoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Drive a server with benchmark clients and report throughput, latency, processor time and memory.",
    subcommands: [RunLoadCommand.self, CompareLoadsCommand.self], defaultSubcommand: RunLoadCommand.self)
}

struct RunLoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a scenario: a file, or a kind of load with its usual parameters.",
    discussion: """
      Examples: stonepot load benchmarks/scenarios/lunch-rush.json --url wss://orders.example --html rush.html
                stonepot load closed-loop --set rooms=50 --set dialect=2 --pid 4711 --json run.json

      The server must let one address have so many connections, rooms, messages and requests: STONEPOT_ADDRESS_LIMITS=off \
      STONEPOT_ADDRESS_ROOMS=off STONEPOT_MESSAGE_RATE=off STONEPOT_KEY_RATE=off. If it asks for tokens, give its secret, \
      and for its records a key.

      Kinds: closed-loop, each participant sends its next operation when it has seen the last; open-loop, operations come \
      at a steady rate, and latency counts from when each was due; idle, participants join and do nothing; rush, orders \
      begin at a steady rate, are filled and finalized; storm, everybody loses the connection at once and comes back; \
      visits, clients look into rooms that exist; requests, the state of rooms over HTTP/2; directory, a tenant's \
      customers, circles and orders over HTTP/2, read and changed. What a kind's parameters are, a wrong one says: \
      --set x=1.

      Exit codes: 0 all went well; 1 the run had errors; 2 it could not begin; 3 a figure is not what the scenario's \
      thresholds ask for; 64 wrong usage.
      """)

  @Argument(help: "A scenario's file, or a kind of load.", completion: .file(extensions: ["json"]))
  var scenario: String

  @Option(help: "The server: ws://HOST:PORT or wss://HOST:PORT, or with a path that the room's name is appended to.")
  var url = "ws://127.0.0.1:1999"

  @Option(
    help: ArgumentHelp("A PEM file with the authority that has signed the server's certificate.", valueName: "path"))
  var authority: String?

  @Option(
    help: ArgumentHelp("A process of the server on this machine, to be measured; may be repeated.", valueName: "pid"))
  var pid: [Int32] = []

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Another value for a parameter of the scenario; may be repeated.", valueName: "name=value"))
  var changes: [String] = []

  @Option(help: "From how many addresses to connect: 127.0.0.1 and those after it.")
  var sources = 1

  @OptionGroup var tokens: TokenSecret

  @Option(
    help: ArgumentHelp(
      "A file with an API key of the tenant whose records are asked for, or with the admin token.", valueName: "path"),
    completion: .file())
  var apiKeyFile: String?

  @Option(help: "Write the report to this file as JSON; - for standard output.", completion: .file())
  var json: String?

  @Option(help: "Write the report to this file as a page with plots.", completion: .file())
  var html: String?

  @Flag(help: "Say nothing while it runs.")
  var quiet = false

  func run() async throws {
    let plan = try plan()
    var target = LoadTarget(url: url)
    target?.processIDs = pid
    target?.sourceAddresses = sources
    target?.authorityPath = authority
    target?.tokens = try tokens.maker
    target?.recordsKey = try apiKeyFile.map(Self.key)
    guard let target else { throw ValidationError("'\(url)' is not of the form ws://HOST:PORT or wss://HOST:PORT") }
    guard (1...200).contains(sources) else { throw ValidationError("sources must be 1 to 200") }
    let began = Date()
    var runner = LoadRunner(plan.workload, target: target)
    let teller = ProgressTeller(seconds: plan.workload.parameters.measuredSeconds)
    if !quiet { runner.progress = { teller.tell($0) } }
    var report = try await Self.orExit("load") { [runner] in try await runner.run() }
    if !quiet { teller.end() }
    try report.judge(by: plan.thresholds)
    if json != "-" { print(report.summary) }
    if let json { try Self.write(Self.encode(report), to: json) }
    if let html {
      let name = URL(fileURLWithPath: scenario).deletingPathExtension().lastPathComponent
      let page = report.page(title: "Load: \(name)", about: plan.about, date: began.formatted(.iso8601))
      try Self.write(Data(page.utf8), to: html)
    }
    if !report.errors.isEmpty { throw ExitCode(1) }
    if !report.isPassed { throw ExitCode(3) }
  }

  private func plan() throws -> LoadPlan {
    let changes = try changes.map { change in
      guard let sign = change.firstIndex(of: "=") else {
        throw ValidationError("--set takes NAME=VALUE, not \(change)")
      }
      return (name: String(change[..<sign]), value: String(change[change.index(after: sign)...]))
    }
    let isKind = Workload.names.contains(scenario)
    do {
      let file =
        isKind
        ? try JSONSerialization.data(withJSONObject: ["kind": scenario])
        : try Data(contentsOf: URL(fileURLWithPath: scenario))
      return try LoadPlan(json: file, changes: changes, roomPrefix: RoomNames.new("load"))
    } catch let failure as LoadFailure {
      throw ValidationError("\(scenario): \(failure)")
    } catch {
      let kinds = Workload.names.joined(separator: ", ")
      throw ValidationError("\(scenario) cannot be read, and is none of \(kinds): \(error.localizedDescription)")
    }
  }

  private static func key(inFile path: String) throws -> String {
    do {
      return try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    } catch {
      throw ValidationError("\(path) cannot be read: \(error.localizedDescription)")
    }
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

  static func encode(_ report: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(report) + Data("\n".utf8)
  }

  static func write(_ data: Data, to path: String) throws {
    if path == "-" {
      FileHandle.standardOutput.write(data)
    } else {
      try data.write(to: URL(fileURLWithPath: path), options: .atomic)
    }
  }
}

struct CompareLoadsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Hold one report against another, figure by figure.",
    discussion: """
      Example: stonepot load compare before.json after.json

      Exit codes: 0 done; 1 a report cannot be read; 64 wrong usage.
      """)

  @Argument(help: "The JSON of the first report.", completion: .file(extensions: ["json"]))
  var before: String

  @Argument(help: "The JSON of the second.", completion: .file(extensions: ["json"]))
  var after: String

  func run() throws {
    let comparison = try LoadComparison(figures(before), figures(after))
    let width = comparison.rows.map(\.figure.count).max() ?? 0
    for row in comparison.rows {
      let change = row.change.map { "\($0 < 0 ? "−" : "+")\(rounded(abs($0) * 100)) %" } ?? ""
      print(
        row.figure.padding(toLength: width + 2, withPad: " ", startingAt: 0) + "\(row.before) → \(row.after)  \(change)"
      )
    }
    for figure in comparison.unmatched { print("\(figure): in one of them only") }
  }

  private func figures(_ path: String) throws -> LoadFigures {
    do {
      return try LoadFigures(json: try Data(contentsOf: URL(fileURLWithPath: path)))
    } catch {
      FileHandle.standardError.write(Data("load: \(path) cannot be read: \(error.localizedDescription)\n".utf8))
      throw ExitCode(1)
    }
  }
}

/// What the rooms of a run are called.
struct RoomNames: ParsableArguments {
  @Option(help: "How room names begin. By default, something that no other run has.")
  var prefix: String?

  /// The prefix that was asked for, or something that no other run has.
  func prefix(of command: String) -> String { prefix ?? Self.new(command) }

  static func new(_ command: String) -> String {
    let milliseconds = Int(Date().timeIntervalSince1970 * 1000)
    return "\(command)-\(String(milliseconds, radix: 36))-\(ProcessInfo.processInfo.processIdentifier)"
  }
}

/// What a server in token mode signs with.
struct TokenSecret: ParsableArguments {
  @Option(
    help: ArgumentHelp("A file with the token secret of the server, if it asks for tokens.", valueName: "path"),
    completion: .file())
  var tokenSecretFile: String?

  /// Nil: the server is in open mode.
  var maker: RoomTokenMaker? {
    get throws {
      guard let tokenSecretFile else { return nil }
      let secret: String
      do {
        secret = try String(contentsOfFile: tokenSecretFile, encoding: .utf8)
      } catch {
        throw ValidationError("\(tokenSecretFile) cannot be read: \(error.localizedDescription)")
      }
      let day = 86_400.0
      return RoomTokenMaker(
        secret: secret.trimmingCharacters(in: .newlines), expiry: Int(Date().timeIntervalSince1970 + day))
    }
  }
}
