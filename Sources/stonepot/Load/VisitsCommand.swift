import ArgumentParser
import Load

struct VisitsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "visits",
    abstract: "Clients look into rooms that exist, at a steady rate: how long until they see the order?",
    discussion: """
      Example: stonepot load visits --prefix cold --rooms 100000 --rate 200 --url ws://127.0.0.1:1999 --pid 4711

      The rooms are named PREFIX-0, PREFIX-1 and so on. Each visitor leaves when it has seen the first sync.
      """)

  @OptionGroup var options: LoadOptions

  @Option(help: "How many rooms there are.")
  var rooms = 100_000

  @Option(help: "Visits per second.")
  var rate = 200.0

  func validate() throws {
    guard options.names.prefix != nil else { throw ValidationError("--prefix says which rooms to visit") }
  }

  func run() async throws {
    var scenario = VisitScenario(roomPrefix: options.names.prefix(of: "load"))
    scenario.rooms = rooms
    scenario.dialect = options.spoken
    scenario.visitsPerSecond = rate
    scenario.seconds = options.seconds
    if let complaint = scenario.complaint { throw ValidationError(complaint) }
    let runner = VisitRunner(scenario: scenario, target: try options.target())
    let report = try await LoadOptions.orExit("load") { try await runner.run() }
    try options.write(report, summary: report.summary)
    if !report.errors.isEmpty { throw ExitCode(1) }
  }
}
