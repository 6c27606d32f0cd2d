import Foundation
import TestSupport
import Testing

/// Whole clusters in virtual time, each from a seed: in a program of its own, which takes over the language's runtime.
@Suite("Clusters in virtual time", .timeLimit(.minutes(20)))
struct SimulationTests {
  @Test("no promise is broken, and writes of deposed owners were refused", arguments: 0..<4)
  func seeds(part: Int) throws {
    let (exit, output) = try simulate(["--seeds", "50", "--first", "\(part * 50 + 1)"])
    #expect(exit == .code(0), "\(output.suffix(4000))")
    print(lastLine(of: output))
  }

  @Test("a seed gives the same run in each process")
  func replay() throws {
    let runs = try (0..<2).map { _ in try simulate(["--seeds", "3", "--first", "1001"]).output }
    #expect(runs[0] == runs[1])
  }

  @Test("a planted bug is found", arguments: try mutants())
  func mutant(name: String) throws {
    let (exit, output) = try simulate(["--mutant", name])
    #expect(exit == .code(0), "\(output.suffix(4000))")
    print(lastLine(of: output))
  }

  @Test("what is no option is refused")
  func usage() throws {
    #expect(try simulate(["--sedes", "3"]).exit == .code(64))
    #expect(try simulate(["--seeds", "0"]).exit == .code(64))
    #expect(try simulate(["--mutant", "no such bug"]).exit == .code(64))
  }

  private static func mutants() throws -> [String] {
    try simulate(["--mutants"]).output.split(separator: "\n").map(String.init)
  }
}

private func lastLine(of output: String) -> String {
  let lines = output.split(separator: "\n").map(String.init)
  return lines.last ?? ""
}

private func simulate(_ arguments: [String]) throws -> (exit: Program.Exit, output: String) {
  let program = try Program(Program.built("simulate"), arguments)
  // Of what it writes to its standard error nothing fills a pipe.
  let output = program.output.readDataToEndOfFile() + program.errors.readDataToEndOfFile()
  return (program.wait(), String(decoding: output, as: UTF8.self))
}
