import ArgumentParser
import Foundation
import Load

/// `stonepot load`: drives a server with benchmark clients, and reports what it did.
struct LoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Drive a server with benchmark clients and report throughput, latency and processor time.",
    discussion: """
      Example: stonepot load closed-loop --url ws://127.0.0.1:1999 --pid 4711 --rooms 200 --participants 5

      Exit codes: 0 all went well; 1 the run had errors, see the report; 2 the run could not begin.
      """,
    subcommands: [ClosedLoopCommand.self, OpenLoopCommand.self])

}

struct ClosedLoopCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "closed-loop",
    abstract: "Each participant sends its next operation when it has seen the last: what can the server do?",
    discussion: "Example: stonepot load closed-loop --url ws://127.0.0.1:1999 --pid 4711 --seconds 10 --json run.json")

  @OptionGroup var options: LoadOptions

  func run() async throws {
    try await options.run(.closedLoop)
  }
}

struct OpenLoopCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "open-loop",
    abstract: "Operations come at a steady rate, whatever the server does: how long do they take?",
    discussion: "Example: stonepot load open-loop --rate 2000 --url ws://127.0.0.1:1999 --pid 4711")

  @OptionGroup var options: LoadOptions

  @Option(help: "Operations per second, over all rooms.")
  var rate: Double

  func run() async throws {
    try await options.run(.openLoop(operationsPerSecond: rate))
  }
}

struct LoadOptions: ParsableArguments {
  @Option(help: "The server: ws://HOST:PORT, or with a path that the room's name is appended to.")
  var url = "ws://127.0.0.1:1999"

  @Option(
    help: ArgumentHelp("A process of the server on this machine, to be measured; may be repeated.", valueName: "pid"))
  var pid: [Int32] = []

  @Option(help: "Rooms.")
  var rooms = 200

  @Option(help: "Participants in each room.")
  var participants = 5

  @Option(help: "Items in each room.")
  var items = 5

  @Option(help: "1: the full state in each broadcast. 2: the change alone.")
  var dialect = 1

  @Option(help: "Seconds to measure.")
  var seconds = 10.0

  @Option(help: "Seconds to run before measuring.")
  var warmup = 3.0

  @Option(help: "Threads of the driver.")
  var loops = 1

  @Option(help: "How room names begin. By default, something that no other run has.")
  var prefix: String?

  @Option(help: "Write the report to this file as JSON; - for standard output.")
  var json: String?

  func validate() throws {
    guard LoadTarget(url: url) != nil else { throw ValidationError("'\(url)' is not of the form ws://HOST:PORT") }
    guard LoadScenario.Dialect(rawValue: dialect) != nil else { throw ValidationError("the dialect is 1 or 2") }
  }

  func run(_ pacing: LoadScenario.Pacing) async throws {
    guard var target = LoadTarget(url: url), let dialect = LoadScenario.Dialect(rawValue: dialect) else { return }
    target.processIDs = pid
    let milliseconds = Int(Date().timeIntervalSince1970 * 1000)
    var scenario = LoadScenario(
      roomPrefix: prefix ?? "load-\(String(milliseconds, radix: 36))-\(ProcessInfo.processInfo.processIdentifier)")
    scenario.rooms = rooms
    scenario.participantsPerRoom = participants
    scenario.itemsPerRoom = items
    scenario.dialect = dialect
    scenario.pacing = pacing
    scenario.measuredSeconds = seconds
    scenario.warmupSeconds = warmup
    scenario.eventLoops = loops
    if let complaint = scenario.complaint { throw ValidationError(complaint) }

    let report: LoadReport
    do {
      report = try await LoadRunner(scenario: scenario, target: target).run()
    } catch {
      FileHandle.standardError.write(Data("load: \(error)\n".utf8))
      throw ExitCode(2)
    }
    try write(report)
    if !report.errors.isEmpty { throw ExitCode(1) }
  }

  private func write(_ report: LoadReport) throws {
    if json != "-" { print(report.summary) }
    guard let json else { return }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let data = try encoder.encode(report) + Data("\n".utf8)
    if json == "-" {
      FileHandle.standardOutput.write(data)
    } else {
      try data.write(to: URL(fileURLWithPath: json), options: .atomic)
    }
  }
}

extension LoadReport {
  /// A few lines for a person.
  var summary: String {
    func line(_ name: String, _ latency: Latency) -> String {
      "\(name) p50 \(latency.p50Micros) µs, p99 \(latency.p99Micros) µs, p99.9 \(latency.p999Micros) µs, "
        + "max \(latency.maxMicros) µs"
    }
    var lines = [
      "\(scenario.rooms) rooms × \(scenario.participantsPerRoom), dialect \(scenario.dialect.rawValue), "
        + "\(scenario.measuredSeconds) s, set up in \(setupSeconds) s",
      "\(operationsPerSecond) operations/s, \(deliveriesPerSecond) deliveries/s of \(bytesPerBroadcast) bytes",
      line("own echo:", ownEcho),
      line("others:  ", others),
    ]
    if let server {
      lines.append(
        "server:   \(server.operationsPerCPUSecond) operations per CPU-second, \(rounded(server.cpuSeconds)) s of CPU, "
          + "\(server.residentBeforeKB / 1024) → \(server.residentAfterKB / 1024) MB")
    }
    lines.append(
      "driver:   \(driver.cpuMicrosPerOperation) µs of CPU per operation, busy \(driver.busyFraction) of its time")
    if !errors.isEmpty {
      lines.append("ERRORS:   \(errors.count)")
      lines += errors.samples.map { "  \($0)" }
    }
    return lines.joined(separator: "\n")
  }
}
