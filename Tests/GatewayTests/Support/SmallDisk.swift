import Foundation
import TestSupport
import Testing

/// A file system in memory of a few pages, mounted on a directory for those programs only that are started in it.
final class SmallDisk: Sendable {
  private let directory: String
  private let holder: ChildProcess

  /// Whoever is not root gets to be it in a namespace of his own, where that is allowed.
  private static var namespaces: [String] { geteuid() == 0 ? [] : ["--map-root-user"] }

  static let isPossible = Program.succeeds(
    "/usr/bin/unshare", ["--mount"] + namespaces + ["mount", "-t", "tmpfs", "tmpfs", "/tmp"])

  init(on directory: String, sizeBytes: Int) async throws {
    self.directory = directory
    // The mount lives as long as a process that sees it.
    let script = "mount -t tmpfs -o size=\(sizeBytes) tmpfs \"$0\" && echo mounted && exec sleep 600"
    holder = try ChildProcess(
      "/usr/bin/unshare", ["--mount"] + Self.namespaces + ["sh", "-c", script, directory])
    _ = try await holder.line { $0 == "mounted" }
  }

  /// A program that sees the disk.
  func start(_ program: String, _ arguments: [String]) throws -> ChildProcess {
    let user = geteuid() == 0 ? [] : ["--user", "--preserve-credentials"]
    return try ChildProcess(
      "/usr/bin/nsenter", ["--target", "\(holder.pid)", "--mount"] + user + [program] + arguments)
  }

  /// Where the rest of the system finds a file of the disk.
  func outside(_ path: String) -> String { "/proc/\(holder.pid)/root" + path }

  private var filler: String { outside(directory + "/filler") }

  /// Takes all the space that is left, to the last byte.
  func fill() throws {
    let file = open(filler, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    try #require(file >= 0)
    defer { close(file) }
    var code: Int32 = 0
    for size in [65536, 512, 1] {
      let bytes = [UInt8](repeating: 0, count: size)
      while write(file, bytes, size) == size {}
      code = errno
    }
    try #require(code == ENOSPC)
  }

  func makeRoom() throws { try FileManager.default.removeItem(atPath: filler) }

  /// Lets whoever opens a file from now on only read it; what is open stays as it is.
  func makeReadOnly() async throws {
    try await run("mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\"")
  }

  func makeWritable() async throws { try await run("umount --lazy \"$0\"") }

  private func run(_ script: String) async throws {
    let result = try await start("/bin/sh", ["-c", script, directory]).result()
    try #require(result.exit == .code(0), "\(result.errors)")
  }
}
