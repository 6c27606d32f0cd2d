import Foundation
import RoomCore

/// Runs whole clusters from seeds, and says whether a promise was broken.
@main
struct Simulate {
  static let usage = """
    usage: simulate [--seeds COUNT] [--first SEED] [--mutant NAME] [--trace]
           simulate --mutants

      --seeds COUNT   how many clusters; default 20, or what finds the planted bug
      --first SEED    the first one's seed; default 1
      --mutant NAME   with a planted bug, until it is found: \(Mutant.allCases.map(\.rawValue).joined(separator: ", "))
      --trace         print all that happened
      --mutants       print the names of the planted bugs

    Exit codes: 0 no promise was broken, or the planted bug was found; 2 safety: something happened that must never
    happen; 3 liveness: something did not happen in time; 4 nothing was proved: no write was fenced, or the planted bug
    was not found; 64 wrong usage.
    """

  struct Options {
    var count: Int?
    var first: UInt64 = 1
    var mutant: Mutant?
    var traces = false
    var listsMutants = false

    var seeds: Int { count ?? mutant?.bound ?? 20 }

    init?(_ arguments: [String]) {
      var rest = arguments[...]
      while let option = rest.popFirst() {
        switch option {
        case "--seeds":
          guard let count = rest.popFirst().flatMap({ Int($0) }), count > 0 else { return nil }
          self.count = count
        case "--first":
          guard let seed = rest.popFirst().flatMap({ UInt64($0) }) else { return nil }
          first = seed
        case "--mutant":
          guard let name = rest.popFirst(), let named = Mutant(rawValue: name) else { return nil }
          mutant = named
        case "--trace": traces = true
        case "--mutants": listsMutants = true
        default: return nil
        }
      }
    }
  }

  static func main() {
    guard let options = Options(Array(CommandLine.arguments.dropFirst())) else {
      FileHandle.standardError.write(Data((usage + "\n").utf8))
      exit(64)
    }
    if options.listsMutants {
      for mutant in Mutant.allCases { print(mutant.rawValue) }
      exit(0)
    }
    beginAnewWithoutChance()
    RuntimeHook.install()
    exit(run(options))
  }

  /// Sets and dictionaries must have the same order in each run, and so what is keyed by address the same addresses.
  private static func beginAnewWithoutChance() {
    guard getenv("SWIFT_DETERMINISTIC_HASHING") == nil else { return }
    setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
    var arguments = CommandLine.arguments.map { strdup($0) }
    arguments.append(nil)
    execv("/proc/self/exe", arguments)
    fatalError("the program cannot begin anew: \(String(cString: strerror(errno)))")
  }

  /// At once, so that it is there if the program ends before its time.
  private static func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

  private static func run(_ options: Options) -> Int32 {
    var totals = VirtualCluster.Counts()
    var (safety, liveness) = (0, 0)
    for number in 0..<UInt64(options.seeds) {
      let seed = options.first &+ number
      let cluster = VirtualCluster(seed: seed, mutant: options.mutant, keepsTrace: options.traces)
      cluster.run()
      totals.add(cluster.counts)
      if options.traces { for line in cluster.trace { say(line) } }
      if let violation = cluster.violation {
        say("seed \(seed): \(violation.kind.rawValue): \(violation.what)")
        if violation.kind == .safety { safety += 1 } else { liveness += 1 }
        if let mutant = options.mutant {
          say("\(mutant.rawValue): found by seed number \(number + 1), which breaks \(violation.kind.rawValue)")
          if violation.kind == mutant.breaks { return 0 }
          say("it should break \(mutant.breaks.rawValue)")
          return violation.kind == .safety ? 2 : 3
        }
      } else {
        say("seed \(seed): \(cluster.counts) \(String(cluster.fingerprint.finish(), radix: 16))")
      }
    }
    if let mutant = options.mutant {
      say("\(mutant.rawValue): not found by \(options.seeds) seeds")
      return 4
    }
    say("\(options.seeds) seeds: \(safety) break safety, \(liveness) liveness; \(totals)")
    if safety > 0 { return 2 }
    if liveness > 0 { return 3 }
    if totals.fenced == 0 {
      say("no write was fenced: nothing is proved")
      return 4
    }
    return 0
  }
}

extension VirtualCluster.Counts: CustomStringConvertible {
  var description: String {
    """
    \(faults) faults, \(commits) commits, \(fenced) fenced, \(claims) claims, \(operations) operations, \
    \(readings) readings, \(steps) steps
    """
  }

  mutating func add(_ other: Self) {
    faults += other.faults
    operations += other.operations
    readings += other.readings
    closings += other.closings
    fenced += other.fenced
    claims += other.claims
    commits += other.commits
    steps += other.steps
  }
}
