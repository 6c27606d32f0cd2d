import Foundation
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

/// A program that runs beside the test, with all that it writes. It does not outlive its value.
final class ChildProcess: Sendable {
  typealias Exit = Program.Exit

  struct Ended: Error, CustomStringConvertible {
    let output: String
    var description: String { "the program ended, having written:\n\(output)" }
  }

  let pid: Int32
  private let ended: Promised<Exit>
  private let output = LineInbox()
  private let errors = LineInbox()

  static var stonepot: String { Program.built("stonepot") }

  /// - Parameter environment: all that the program gets beside `PATH`, what it needs to find its libraries, and
  ///   options of sanitizers.
  init(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], directory: String? = nil
  ) throws {
    let program = try Program(program, arguments, environment: environment, directory: directory)
    let ended = Promised<Exit>()
    Thread { ended.fulfil(program.wait()) }.start()
    self.ended = ended
    pid = program.pid
    output.read(program.output)
    errors.read(program.errors)
  }

  deinit {
    if !ended.isFulfilled { kill(SIGKILL) }
  }

  func kill(_ signal: Int32) { Glibc.kill(pid, signal) }

  var hasExited: Bool { ended.isFulfilled }
  var exit: Exit { get async { await ended.value } }

  /// The next line of its output that is so; those before it are dropped.
  func line(_ isSo: (String) -> Bool) async throws -> String { try await output.line(isSo) }

  /// The next line of its standard error that is so; those before it are dropped.
  func errorLine(_ isSo: (String) -> Bool) async throws -> String { try await errors.line(isSo) }

  struct Result: Sendable {
    let exit: Exit
    let output: String
    let errors: String

    var lines: [String] { output.split(separator: "\n").map(String.init) }
  }

  /// Waits for its end, and gives all that it wrote and nobody has read.
  func result() async throws -> Result {
    let exit = await exit
    return Result(exit: exit, output: try await output.rest(), errors: try await errors.rest())
  }

  static func run(
    _ arguments: [String], environment: [String: String] = [:], directory: String? = nil
  ) async throws -> Result {
    try await ChildProcess(stonepot, arguments, environment: environment, directory: directory).result()
  }
}

/// The lines that come through a pipe, read on a thread of its own.
private final class LineInbox: Sendable {
  private struct State {
    var lines: ArraySlice<String> = []
    var seen: [String] = []
    var isEnded = false
    var isExpired = false
    var isNew = false
    var waiter: UnsafeContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  func read(_ handle: FileHandle) {
    let thread = Thread { [self] in
      var part: [UInt8] = []
      while true {
        let data = handle.availableData
        guard !data.isEmpty else { break }
        part += data
        while let end = part.firstIndex(of: UInt8(ascii: "\n")) {
          let line = String(decoding: part[..<end], as: UTF8.self)
          part.removeFirst(end + 1)
          change { $0.lines.append(line) }
        }
      }
      change { $0.isEnded = true }
    }
    thread.start()
  }

  private func change(_ body: (inout sending State) -> Void) {
    let waiter = state.withLock { state in
      body(&state)
      state.isNew = true
      return state.waiter.take()
    }
    waiter?.resume()
  }

  func line(_ isSo: (String) -> Bool) async throws -> String {
    try await take { state in
      while let line = state.lines.popFirst() {
        state.seen.append(line)
        if isSo(line) { return line }
      }
      if state.isEnded { throw ChildProcess.Ended(output: state.seen.suffix(20).joined(separator: "\n")) }
      return nil
    }
  }

  func rest() async throws -> String {
    try await take { state in
      guard state.isEnded else { return nil }
      defer { state.lines = [] }
      return state.lines.map { $0 + "\n" }.joined()
    }
  }

  private func take(_ body: (inout State) throws -> String?) async throws -> String {
    let expiry = MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: TimeAmount(patience)) { [self] in
      change { $0.isExpired = true }
    }
    defer { expiry.cancel() }
    while true {
      let found = try state.withLock { state in
        state.isNew = false
        if let found = try body(&state) { return found as String? }
        if state.isExpired { throw GaveUp(what: "a line, after: \(state.seen.suffix(20))") }
        return nil
      }
      if let found { return found }
      await withUnsafeContinuation { continuation in
        let isNew = state.withLock { state in
          if !state.isNew { state.waiter = continuation }
          return state.isNew
        }
        if isNew { continuation.resume() }
      }
    }
  }
}

/// `stonepot serve`, `node` or `gateway`, once it listens.
struct ServingProcess {
  let child: ChildProcess
  let port: Int

  init(_ child: ChildProcess) async throws {
    self.child = child
    let line = try await child.errorLine { $0.contains("listening") && $0.contains("://") }
    let address = try #require(line.firstMatch(of: #/(?:ws|http)s?://[^ ]+:(\d+)//#))
    port = try #require(Int(address.output.1))
  }

  static func start(
    _ store: String, _ arguments: [String] = [], environment: [String: String] = [:]
  ) async throws -> ServingProcess {
    try await ServingProcess(
      try ChildProcess(
        ChildProcess.stonepot, ["serve", "--listen", "127.0.0.1:0", "--store", "sqlite:\(store)"] + arguments,
        environment: environment))
  }
}

/// Runs a test with a directory, when it is its turn to start programs.
func withPrograms(_ body: (TemporaryDirectory) async throws -> Void) async throws {
  await Turnstile.processes.enter()
  let result: Result<Void, any Error>
  do {
    result = .success(try await body(try TemporaryDirectory()))
  } catch {
    result = .failure(error)
  }
  await Turnstile.processes.leave()
  try result.get()
}
