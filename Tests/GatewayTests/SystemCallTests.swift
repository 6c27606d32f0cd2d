import Foundation
import TestSupport
import Testing

/// Saved before sent, seen from the kernel: the disk has said that it has an event before the first byte of it goes
/// to any client.
@Suite("The order of system calls", .timeLimit(.minutes(5)))
struct SystemCallTests {
  private static let strace = "/usr/bin/strace"
  private static let calls = "trace=pwrite64,pwritev,write,writev,sendto,sendmsg,fdatasync,fsync"

  /// Whether programs may be traced here at all; containers often forbid it.
  static let canTrace = Program.succeeds(strace, ["-f", "-o", "/dev/null", "/bin/true"])

  @Test(
    "for each operation: journal written, then synced, then sent",
    .enabled(if: canTrace, "strace is not installed, or may not trace here"))
  func order() async throws {
    try await withPrograms { directory async throws in
      let log = directory.file("calls")
      let server = try await ServingProcess(
        try ChildProcess(
          Self.strace,
          [
            "-f", "-yy", "-s", "8192", "-e", Self.calls, "-o", log, ChildProcess.stonepot, "serve", "--listen",
            "127.0.0.1:0", "--store", "sqlite:\(directory.file("rooms.sqlite"))",
          ]))
      let asha = try await RoomClient.joined(server.port, RoomClient.path + "room?v=2", as: "asha")
      let page = try await RoomClient.open(server.port)
      _ = try await page.next("sync")
      let dishes = (0..<8).map { "Traced-Dish-\($0)-" }
      for dish in dishes {
        asha.add(dish, as: "asha", opId: dish)
        _ = try await asha.next("ack")
        _ = try await page.next("item_added")
      }
      let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init)
      let program = try #require(lines.first.flatMap { Int32($0.prefix { $0.isNumber }) })
      kill(program, SIGTERM)
      #expect(await server.child.exit == .code(0))

      for dish in dishes {
        let written = lines.firstIndex { $0.contains(" pwrite") && $0.contains("-wal>") && $0.contains(dish) }
        let sent = lines.firstIndex { $0.contains("<TCP") && $0.contains(dish) }
        let (from, to) = (
          try #require(written, "\(dish) was never written"), try #require(sent, "\(dish) was never sent")
        )
        #expect(from < to, "\(dish) was sent before it was written")
        guard from < to else { continue }
        #expect(Self.hasSync(in: lines[from..<to]), "\(dish) was sent before it was on disk")
      }
    }
  }

  /// Whether the log was synced: begun and ended there.
  private static func hasSync(in lines: ArraySlice<String>) -> Bool {
    var begun: Set<Substring> = []
    for line in lines {
      let thread = line.prefix { $0.isNumber }
      if line.contains("fdatasync("), line.contains("-wal>") {
        if line.contains("= 0") { return true }
        begun.insert(thread)
      } else if line.contains("fdatasync resumed"), line.contains("= 0"), begun.contains(thread) {
        return true
      }
    }
    return false
  }
}
