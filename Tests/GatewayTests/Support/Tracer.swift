import Foundation
import TestSupport
import Testing

/// Makes system calls of a running program fail or wait, by strace, for as long as it is attached.
final class Tracer: Sendable {
  private let child: ChildProcess
  private let log: String

  private static let program = "/usr/bin/strace"

  /// Whether running programs may be traced here; containers often forbid it.
  static let isPossible: Bool = {
    guard let sleeper = try? Program("/usr/bin/sleep", ["0.3"]) else { return false }
    defer { _ = sleeper.wait() }
    // Ends with its program, and with 0 if it could attach.
    return Program.succeeds(program, ["-o", "/dev/null", "-p", "\(sleeper.pid)"])
  }()

  private init(_ child: ChildProcess, log: String) {
    self.child = child
    self.log = log
  }

  /// - Parameters:
  ///   - calls: names of system calls; only those on the file at `path` are touched.
  ///   - fault: what becomes of them, in the words of strace(1): `error=EIO`.
  static func attach(to pid: Int32, _ calls: String, on path: String, _ fault: String, log: String) async throws
    -> Tracer
  {
    let child = try ChildProcess(
      program,
      ["-f", "-P", path, "-e", "trace=\(calls)", "-e", "inject=\(calls):\(fault)", "-o", log, "-p", "\(pid)"])
    _ = try await child.errorLine { $0.contains("attached") }
    return Tracer(child, log: log)
  }

  /// Lets the program go on undisturbed. A fault that never happened has proved nothing.
  func detach() async throws {
    child.kill(SIGTERM)
    try await eventually("strace to let go") { child.hasExited }
    // Only the calls that it touches are in its log.
    let lines = try String(contentsOfFile: log, encoding: .utf8)
    #expect(!lines.isEmpty, "no call was touched")
  }
}
