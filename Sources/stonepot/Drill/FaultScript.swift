import Foundation
import Load

/// The program that does the harm of a drill, and tells what it does on its standard output.
struct FaultScript: Sendable {
  /// The exit code of a script that cannot do its harm here.
  static let skipped: Int32 = 77

  let path: String
  /// Is given each line.
  let tell: @Sendable (String) -> Void

  /// Returns when the script has ended.
  func run() async throws -> FaultReport {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result { try runHere() }) }
    }
  }

  private func runHere() throws -> FaultReport {
    let (process, output) = try spawn()
    defer { close(output) }
    var report = FaultReport()
    var unread: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(output, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      let now = DrillRunner.now
      unread += buffer[..<count]
      while let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: unread[..<end], as: UTF8.self)
        unread.removeSubrange(...end)
        report.read(line, at: now)
        tell(line)
      }
    }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    let (signal, code) = (status & 0x7F, (status >> 8) & 0xFF)
    if signal != 0 {
      report.ending = .failed("\(path) was ended by signal \(signal)")
    } else if code == Self.skipped {
      report.ending = .skipped
    } else if code != 0 {
      report.ending = .failed("\(path) ended with \(code)")
    }
    return report
  }

  /// Starts it with standard error of ours, and nothing else that is open here: what it starts may outlive it, and must
  /// hold neither its output nor our clients' sockets.
  ///
  /// - Returns: the process, and what to read its output from.
  private func spawn() throws -> (process: pid_t, output: Int32) {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw POSIXError(.EMFILE) }
    defer { close(ends[1]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    addClosing(&actions, from: 3)
    // Threads of ours are not to be interrupted; the script is.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    let arguments = [strdup(path), nil]
    defer { free(arguments[0]) }
    var process: pid_t = 0
    let code = posix_spawn(&process, path, &actions, &attributes, arguments, environ)
    guard code == 0 else {
      close(ends[0])
      throw POSIXError(POSIXErrorCode(rawValue: code) ?? .ENOENT)
    }
    return (process, ends[0])
  }
}

/// Has a program that is to be started inherit no descriptor from `first` on. An extension of glibc that its headers show
/// only to who asks for it, which the module of it in Swift does not.
@_silgen_name("posix_spawn_file_actions_addclosefrom_np") @discardableResult
private func addClosing(
  _ files: UnsafeMutablePointer<posix_spawn_file_actions_t>, from first: Int32
) -> Int32
