package import Foundation

/// A program that was started beside the test. Its end has to be waited for once.
package struct Program: Sendable {
  struct CannotStart: Error, CustomStringConvertible {
    let program: String
    let code: Int32
    var description: String { "cannot start \(program): \(String(cString: strerror(code)))" }
  }

  package enum Exit: Equatable, Sendable {
    case code(Int32)
    case signal(Int32)
  }

  package let pid: Int32
  /// What it writes to its standard output and its standard error.
  package let (output, errors): (FileHandle, FileHandle)

  /// The program reads nothing, inherits no open file, and takes all signals, whatever the test's threads do.
  ///
  /// - Parameter environment: all that the program gets beside `PATH`, what it needs to find its libraries, and
  ///   options of sanitizers.
  package init(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], directory: String? = nil
  ) throws {
    var all = environment
    for name in ["PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "TSAN_OPTIONS"] {
      all[name] = ProcessInfo.processInfo.environment[name]
    }

    let (outPipe, errorPipe) = (Pipe(), Pipe())
    var files = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&files)
    defer { posix_spawn_file_actions_destroy(&files) }
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&files, outPipe.fileHandleForWriting.fileDescriptor, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&files, errorPipe.fileHandleForWriting.fileDescriptor, STDERR_FILENO)
    addClosing(&files, STDERR_FILENO + 1)
    if let directory { addChangingDirectory(&files, directory) }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (none, every) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigfillset(&every)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &every)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var pid: Int32 = 0
    let code = withCStrings([program] + arguments) { arguments in
      withCStrings(all.map { "\($0)=\($1)" }) { environment in
        posix_spawn(&pid, program, &files, &attributes, arguments, environment)
      }
    }
    guard code == 0 else { throw CannotStart(program: program, code: code) }
    self.pid = pid
    // The pipes end when the program closes them: nobody else may hold their ends.
    try outPipe.fileHandleForWriting.close()
    try errorPipe.fileHandleForWriting.close()
    (output, errors) = (outPipe.fileHandleForReading, errorPipe.fileHandleForReading)
  }

  /// Blocks until the program has ended.
  package func wait() -> Exit {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 { precondition(errno == EINTR, "nobody else waits for \(pid)") }
    let signal = status & 0x7F
    return signal == 0 ? .code((status >> 8) & 0xFF) : .signal(signal)
  }

  /// The path of a product that was built together with the tests.
  package static func built(_ name: String) -> String {
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appendingPathComponent(name).path
  }

  /// Whether a program that ends soon ends with 0. Blocks.
  package static func succeeds(_ program: String, _ arguments: [String]) -> Bool {
    (try? Program(program, arguments))?.wait() == .code(0)
  }
}

// An extension of glibc that its headers show only to who asks for it, which the module of it in Swift does not.

@_silgen_name("posix_spawn_file_actions_addchdir_np") @discardableResult
private func addChangingDirectory(
  _ files: UnsafeMutablePointer<posix_spawn_file_actions_t>, _ path: UnsafePointer<CChar>
) -> Int32

private func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  let copies = strings.map { strdup($0) }
  defer { for copy in copies { free(copy) } }
  return (copies + [nil]).withUnsafeBufferPointer { pointers in
    guard let first = pointers.baseAddress else { preconditionFailure("the list has an end, at least") }
    return body(first)
  }
}
