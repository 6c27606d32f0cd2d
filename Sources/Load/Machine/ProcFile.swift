import Foundation

/// Reads what Linux says about processes and the machine under `/proc`.
package enum ProcFile {
  /// Kilobytes and processor seconds of one process.
  package struct Usage: Sendable, Equatable {
    package var cpuSeconds: Double
    package var residentKB: Int
  }

  /// The sum over several processes; nil if one of them is not there.
  package static func usage(of processIDs: [Int32]) -> Usage? {
    var sum = Usage(cpuSeconds: 0, residentKB: 0)
    for id in processIDs {
      guard let stat = read("/proc/\(id)/stat"), let ticks = cpuTicks(stat: stat),
        let status = read("/proc/\(id)/status"), let resident = kilobytes("VmRSS", in: status)
      else { return nil }
      sum.cpuSeconds += Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK)))
      sum.residentKB += resident
    }
    return sum
  }

  /// utime + stime of a `stat` line: fields 14 and 15 of proc_pid_stat(5). The second field, the command's name, may itself hold blanks
  /// and brackets, so that counting begins behind the last bracket.
  package static func cpuTicks(stat: String) -> Int? {
    guard let bracket = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[stat.index(after: bracket)...].split(separator: " ")
    guard fields.count > 12, let user = Int(fields[11]), let system = Int(fields[12]) else { return nil }
    return user + system
  }

  /// The value of a line such as `VmRSS:   1234 kB`.
  package static func kilobytes(_ name: String, in text: String) -> Int? {
    value(name, in: text)?.split(separator: " ").first.flatMap { Int($0) }
  }

  /// What follows the colon in the first line of that name.
  package static func value(_ name: String, in text: String) -> String? {
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, parts[0].trimmingCharacters(in: .whitespaces) == name else { continue }
      return parts[1].trimmingCharacters(in: .whitespaces)
    }
    return nil
  }

  package static func read(_ path: String) -> String? {
    // Files there have no size, and must be read to their end.
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    return String(decoding: data, as: UTF8.self)
  }
}

/// The processor seconds that this process has used.
func ownCPUSeconds() -> Double {
  func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000 }
  var usage = rusage()
  guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
  return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Where a figure was measured. Without it, a figure means nothing to the next reader.
package struct MachineDescription: Codable, Sendable, Equatable {
  package var cpu: String
  package var cores: Int
  package var memoryMB: Int
  package var kernel: String
  package var compiler: String
  package var isOptimized: Bool

  package static func current() -> MachineDescription {
    func trimmed(_ path: String) -> String? { ProcFile.read(path)?.trimmingCharacters(in: .whitespacesAndNewlines) }
    return MachineDescription(
      cpu: ProcFile.value("model name", in: ProcFile.read("/proc/cpuinfo") ?? "") ?? "unknown",
      cores: ProcessInfo.processInfo.activeProcessorCount,
      memoryMB: Int(ProcessInfo.processInfo.physicalMemory >> 20),
      kernel: trimmed("/proc/sys/kernel/osrelease") ?? "unknown",
      compiler: compiler,
      isOptimized: isOptimized)
  }

  private static var compiler: String {
    #if compiler(>=6.4)
      "Swift 6.4 or later"
    #elseif compiler(>=6.3)
      "Swift 6.3"
    #else
      "Swift 6.2"
    #endif
  }

  private static var isOptimized: Bool {
    #if DEBUG
      false
    #else
      true
    #endif
  }
}
