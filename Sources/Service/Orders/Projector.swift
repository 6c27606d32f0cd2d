package import Directory
package import Logging
import Metrics
package import RoomCore
import Store
import Synchronization

/// Draws from what rooms report what follows for the records, soon after they have reported it.
///
/// Whoever does it first does it; the others find nothing left. So a room's owner does it at once, whoever wants to see
/// the outcome does it before looking, and all look from time to time for what was left by owners that are no more.
package final class Projector: Sendable {
  private let directory: Directory
  private let logger: Logger
  private let waiting = Mutex<Set<RoomID>>([])
  private let bell: AsyncStream<Void>
  private let ring: AsyncStream<Void>.Continuation
  private let projected = Counter(label: "stonepot_reports_projected_total")
  private let failures = Counter(label: "stonepot_reports_failed_total")

  /// More are found by the next look at all.
  private static let mostWaiting = 10_000
  private static let lookInterval = Duration.seconds(2)
  private static let roomsPerLook = 100

  package init(directory: Directory, logger: Logger) {
    self.directory = directory
    self.logger = logger
    (bell, ring) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// A room has reported something. Called on its lane.
  package func reported(_ room: RoomID) {
    waiting.withLock { waiting in
      if waiting.count < Self.mostWaiting { waiting.insert(room) }
    }
    ring.yield()
  }

  /// Deals with what a room has reported; the records show it when this returns.
  package func project(_ room: RoomID) async throws {
    while true {
      let count = try await directory.project(room)
      projected.increment(by: count)
      if count < Directory.mostReportsAtOnce { return }
    }
  }

  /// Until the task is cancelled.
  package func run(clock: some Clock<Duration>) async {
    await withTaskGroup { group in
      group.addTask {
        for await _ in self.bell { await self.projectWaiting() }
      }
      group.addTask {
        while !Task.isCancelled {
          await self.lookAtAll()
          do { try await clock.sleep(for: Self.lookInterval) } catch { return }
        }
      }
    }
  }

  private func projectWaiting() async {
    while !Task.isCancelled, let room = waiting.withLock({ $0.popFirst() }) { await attempt(room) }
  }

  /// What is found here was left behind, or is being dealt with by somebody else: a report that stays whatever is done is
  /// passed over until the next look.
  private func lookAtAll() async {
    var after: Int64 = 0
    do {
      while !Task.isCancelled {
        let found = try await directory.reportingRooms(after: after, limit: Self.roomsPerLook)
        for room in Set(found.map(\.room)) where !Task.isCancelled { await attempt(room) }
        guard found.count == Self.roomsPerLook, let last = found.last else { return }
        after = last.number
      }
    } catch {
      logger.warning("what rooms have reported cannot be read", metadata: ["reason": "\(error)"])
    }
  }

  private func attempt(_ room: RoomID) async {
    do {
      try await project(room)
    } catch {
      failures.increment()
      logger.warning("a report waits", metadata: ["room": "\(room)", "reason": "\(error)"])
    }
  }
}
