import Foundation
import StoreTesting
import Testing

/// What can befall the disk under a running server.
enum StoreFault: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case fullDisk = "a full disk"
  case readOnly = "a file system that became read-only"
  case noSpace = "a write that finds no space"
  case quota = "a write beyond the quota"
  case failingSync = "an fsync that fails"
  case slowSync = "an fsync that does not return"
  case lock = "another process that keeps the write lock"

  var testDescription: String { rawValue }

  var needsDisk: Bool { self == .fullDisk || self == .readOnly }
  var needsTracer: Bool { ![.fullDisk, .lock].contains(self) }
  var isPossible: Bool { (!needsDisk || SmallDisk.isPossible) && (!needsTracer || Tracer.isPossible) }

  /// What the first sender is told; nil: nothing, until the fault has passed.
  var code: String? {
    switch self {
    case .fullDisk, .noSpace, .lock: "store_unavailable"
    case .readOnly, .quota, .failingSync: "outcome_unknown"
    case .slowSync: nil
    }
  }

  /// Whether the sender is told at once; else the store waits, and is found not to be ready first.
  var answersAtOnce: Bool { self != .slowSync && self != .lock }

  /// What the log says, so that who runs the server knows what to do.
  var logged: String {
    switch self {
    case .fullDisk, .noSpace: "the disk is full (database or disk is full); free some space"
    case .readOnly: "the file or its directory cannot be written"
    // SQLite tells that a write failed, or an fsync, and not why.
    case .quota: "the disk failed (disk I/O error, code 778)"
    case .failingSync: "the disk failed (disk I/O error, code 1034)"
    case .slowSync: "the store has not finished a write"
    case .lock: "the process \(getpid()) holds the file's write lock"
    }
  }

  /// What is above 0 in the metrics: while it lasts, for what waits, and afterwards for what was counted.
  var counted: String {
    switch self {
    case .fullDisk, .noSpace, .lock: "stonepot_store_commits_failed_total"
    case .readOnly, .quota, .failingSync: "stonepot_store_commits_unknown_total"
    case .slowSync: "stonepot_store_queue_depth"
    }
  }
}

/// A store's directory, where faults come and go.
final class FaultSite {
  private let directory: TemporaryDirectory
  private let disk: SmallDisk?
  private var tracer: Tracer?
  private var neighbour: RawDatabase?
  private var isReadOnly = false

  init(in directory: TemporaryDirectory, small: Bool) async throws {
    self.directory = directory
    disk = small ? try await SmallDisk(on: directory.path, sizeBytes: 1 << 20) : nil
  }

  /// The store as its server finds it.
  private var path: String { directory.file("rooms.sqlite") }

  func run(_ arguments: [String]) throws -> ChildProcess {
    let arguments = arguments + ["--store", "sqlite:\(path)"]
    return try disk?.start(ChildProcess.stonepot, arguments) ?? ChildProcess(ChildProcess.stonepot, arguments)
  }

  /// The file once nobody has it open. SQLite does not find its way through a path into another process's mounts.
  func copy() throws -> String {
    let copy = directory.file("copy.sqlite")
    try FileManager.default.copyItem(atPath: disk?.outside(path) ?? path, toPath: copy)
    return copy
  }

  func serve() async throws -> ServingProcess {
    try await ServingProcess(try run(["serve", "--listen", "127.0.0.1:0"]))
  }

  private func trace(_ server: ServingProcess, _ calls: String, _ words: String) async throws {
    // Its log would find no space on a full disk; it is written by a program that does not see that one.
    tracer = try await Tracer.attach(
      to: server.child.pid, calls, on: path + "-wal", words, log: directory.file("calls"))
  }

  /// Each fsync takes so long, and succeeds, until `end(.slowSync)`.
  func delaySyncs(seconds: Int, for server: ServingProcess) async throws {
    try await trace(server, "fdatasync,fsync", "delay_enter=\(seconds)s")
  }

  func begin(_ fault: StoreFault, for server: ServingProcess) async throws {
    func trace(_ calls: String, _ words: String) async throws { try await self.trace(server, calls, words) }
    switch fault {
    case .fullDisk: try #require(disk).fill()
    case .readOnly:
      try await #require(disk).makeReadOnly()
      isReadOnly = true
      // What is open stays writable; the next error makes the store open its file anew.
      try await trace("fdatasync,fsync", "error=EIO:when=1")
    case .noSpace: try await trace("pwrite64", "error=ENOSPC")
    case .quota: try await trace("pwrite64", "error=EDQUOT")
    case .failingSync: try await trace("fdatasync,fsync", "error=EIO")
    case .slowSync: try await trace("fdatasync,fsync", "delay_enter=100s")
    case .lock:
      let database = try RawDatabase(path)
      try database.query("BEGIN IMMEDIATE")
      neighbour = database
    }
  }

  func end(_ fault: StoreFault) async throws {
    try await tracer?.detach()
    tracer = nil
    neighbour = nil
    if fault == .fullDisk { try disk?.makeRoom() }
    if isReadOnly { try await disk?.makeWritable() }
    isReadOnly = false
  }
}
