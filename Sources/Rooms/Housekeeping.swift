import Logging
import Metrics
import RoomCore
import Store
import Synchronization

extension RoomRegistry {
  /// Wakes rooms whose timer is due and lets idle rooms go; beside that, as it may take long, trims the journal and
  /// deletes old rooms. Until the task is cancelled.
  public func keepHouse(clock: some Clock<Duration>) async {
    await withTaskGroup { group in
      group.addTask {
        await self.every(self.settings.housekeepingInterval, on: clock) {
          await self.wakeDueRooms()
          self.letIdleRoomsGo()
          self.recordMemory()
        }
      }
      group.addTask {
        await self.every(self.settings.cleaningInterval, on: clock) {
          await self.trimJournal()
          await self.deleteEndedRooms()
        }
      }
    }
  }

  private func every(_ interval: Duration, on clock: some Clock<Duration>, _ body: () async -> Void) async {
    while !Task.isCancelled {
      await body()
      do {
        try await clock.sleep(for: interval)
      } catch {
        return
      }
    }
  }

  /// One look for timers that are due; cold rooms are loaded for it.
  ///
  /// A room that cannot be loaded stays due, so the next look goes on behind the last one, and begins anew after the
  /// end.
  public func wakeDueRooms() async {
    let limit = settings.timersPerLook
    do throws(StoreError) {
      let timers = try await store.dueTimers(
        at: time.now(), in: ownership.owned, after: state.withLock { $0.lastDue }, limit: limit)
      state.withLock { $0.lastDue = timers.count < limit ? nil : timers.last }
      for timer in timers { _ = offer(.timer, to: timer.room) }
    } catch {
      logger.warning("due timers cannot be read", metadata: ["reason": "\(error.message)"])
    }
  }

  public func letIdleRoomsGo() {
    let now = time.now()
    let idle = settings.idleBeforePassivation
    for room in warmRooms {
      let used = room.mailbox.lastUsed
      // A clock that was set back must not keep rooms in memory for as long.
      let isBeforeItsTime = used > now.advanced(by: idle)
      if used.advanced(by: idle) <= now || isBeforeItsTime { _ = room.mailbox.offer(.passivate, now: now) }
    }
  }

  private func recordMemory() {
    metrics.memoryBytes.record(memory.usedBytes)
    if memory.isTight { relieveMemory() }
  }

  private func trimJournal() async {
    let batch = 1000
    do throws(StoreError) {
      let before = time.now().advanced(by: .zero - settings.journalRetention)
      while try await store.trimJournal(before: before, in: ownership.owned, limit: batch) == batch {}
    } catch {
      logger.warning("journal not trimmed", metadata: ["reason": "\(error.message)"])
    }
  }
}
