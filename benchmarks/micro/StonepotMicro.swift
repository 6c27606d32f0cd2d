import ArgumentParser
import Foundation

/// Measures the steps of a message's life one by one, in processor time.
///
/// The load scenarios say whether the whole is fast enough; these say which step has changed.
@main
struct StonepotMicro: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stonepot-micro",
    abstract: "Processor time of each step of a message's life.",
    discussion: """
      Example: stonepot-micro --compare benchmarks/baselines/micro.json

      Exit codes: 0 all was measured; 1 something could not be. Changes are printed and fail nothing.
      """)

  @Option(help: "How often each is measured; the median counts.")
  var repetitions = 15

  @Option(help: "Only those whose name has this in it.")
  var filter = ""

  @Option(help: "Print the changes since this file was written.")
  var compare: String?

  @Option(help: "Write the figures to this file.")
  var save: String?

  func validate() throws {
    guard (1...1000).contains(repetitions) else { throw ValidationError("repetitions must be 1 to 1000") }
  }

  func run() async throws {
    let baseline = try compare.flatMap { try Figures.read($0) }
    var figures = Figures()
    print("\(pad("", 44))\(pad("ns", 12, left: true))\(pad("spread", 20, left: true))  per")
    func measure(_ benchmark: MicroBenchmark) async throws {
      guard filter.isEmpty || benchmark.name.contains(filter) else { return }
      let result = try await benchmark.run(repetitions: repetitions)
      figures.results[benchmark.name] = result
      print(line(benchmark.name, result, before: baseline?.results[benchmark.name]))
    }

    for benchmark in try OrderBenchmarks().all() { try await measure(benchmark) }
    for (group, transactions) in [(1, 100), (10, 100), (100, 50)] where isWanted("commit") {
      let name = "\(ProcessInfo.processInfo.processIdentifier)"
      let store = try await StoreBenchmarks(group: group, transactions: transactions, named: name)
      try await measure(store.benchmark())
      try await store.close()
    }
    for sockets in [1, 100, 1000] where isWanted("broadcast") {
      let fanOut = try await FanOutBenchmarks(sockets: sockets)
      for bytes in [150, 2200] { try await measure(fanOut.benchmark(bytes: bytes)) }
      try await fanOut.close()
    }
    if let save { try figures.write(save) }
  }

  /// Whether a group of benchmarks is worth setting up.
  private func isWanted(_ group: String) -> Bool {
    filter.isEmpty || filter.contains(group) || group.contains(filter) || filter.contains { $0.isNumber }
  }

  private func line(_ name: String, _ result: MicroBenchmark.Result, before: MicroBenchmark.Result?) -> String {
    var text = pad(name, 44) + pad(format(result.nanoseconds), 12, left: true)
    text += pad("\(format(result.least))–\(format(result.most))", 20, left: true) + "  \(result.unit)"
    guard let before else { return text }
    let change = result.nanoseconds / before.nanoseconds - 1
    // What lies within both spreads is noise.
    let isNoise = result.least <= before.most && before.least <= result.most
    return text
      + "  \(change < 0 ? "" : "+")\(Int((change * 100).rounded())) %\(isNoise ? "" : change > 0 ? "  slower" : "  faster")"
  }

  private func format(_ nanoseconds: Double) -> String {
    nanoseconds < 1000 ? "\(nanoseconds)" : "\(Int(nanoseconds.rounded()))"
  }

  private func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return left ? space + text : text + space
  }
}

/// The figures of one run, by the benchmark's name.
struct Figures: Codable {
  var cpu = Figures.processor
  var cores = ProcessInfo.processInfo.activeProcessorCount
  var results: [String: MicroBenchmark.Result] = [:]

  private static var processor: String {
    let text = FileManager.default.contents(atPath: "/proc/cpuinfo").map { String(decoding: $0, as: UTF8.self) } ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
  }

  static func read(_ path: String) throws -> Figures {
    try JSONDecoder().decode(Figures.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  func write(_ path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try (encoder.encode(self) + Data("\n".utf8)).write(to: URL(fileURLWithPath: path), options: .atomic)
  }
}
