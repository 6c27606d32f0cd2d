import Logging
import Metrics
import RoomCore
import Store
import Synchronization

extension RoomRegistry {
  /// Wakes rooms whose timer is due and lets idle rooms go; beside that, as it may take long, trims the journal and
  /// deletes ended rooms. Until the task is cancelled.
  public func keepHouse(clock: some Clock<Duration>) async {
    await withTaskGroup { group in
      group.addTask {
        await self.every(self.settings.housekeepingInterval, on: clock) {
          self.watchClock()
          await self.wakeDueRooms()
          self.letIdleRoomsGo()
          self.tellPresence()
          self.watchMemory()
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

  /// Has rooms say who is there whose sessions came from another owner and had the time to.
  public func tellPresence() {
    let now = time.now()
    for room in warmRooms {
      let due = room.presenceDue.load(ordering: .relaxed)
      guard due != 0, due <= now.millis else { continue }
      room.presenceDue.store(0, ordering: .relaxed)
      _ = room.mailbox.offer(.presence, now: now)
    }
  }

  /// Says so if the time of day is earlier than it was at the last look. Rooms stay at the time of their last event until
  /// the clock has caught up.
  func watchClock() {
    let now = time.now()
    let last = Timestamp(millis: lookedAt.exchange(now.millis, ordering: .relaxed))
    guard now < last else { return }
    logger.warning(
      "the clock was set back; a room's time stands still until the clock has caught up with it",
      metadata: ["by": "\(last.millis - now.millis) ms"])
  }

  private func watchMemory() {
    metrics.memoryBytes.set(memory.usedBytes)
    relieveMemory()
  }

  /// If memory is short, has rooms without clients leave, those first that were used longest ago: so many that there will
  /// be room for a while, but no more at once than the store's writer bears, as most of them save a snapshot. Looks beside
  /// its caller, and not more often than four times a second: where all rooms have clients, looking finds nothing.
  func relieveMemory() {
    guard memory.isTight else { return }
    let now = time.now()
    let last = relievedAt.load(ordering: .relaxed)
    // A clock that was set back must not keep rooms in memory for as long.
    guard last > now.millis || last &+ 250 <= now.millis else { return }
    guard relievedAt.compareExchange(expected: last, desired: now.millis, ordering: .relaxed).exchanged else { return }
    Task {
      var excess = memory.excessBytes
      var staying: [(room: Room<Voice>, weight: Int, used: Timestamp)] = []
      for room in warmRooms {
        let weight = room.idleWeight.load(ordering: .relaxed)
        guard weight > 0 else { continue }
        if room.isAskedToLeave.load(ordering: .relaxed) {
          excess -= weight
        } else {
          staying.append((room, weight, room.mailbox.lastUsed))
        }
      }
      for (room, weight, _) in staying.sorted(by: { $0.used < $1.used }).prefix(256) where excess > 0 {
        room.isAskedToLeave.store(true, ordering: .relaxed)
        _ = room.mailbox.offer(.passivate, now: now)
        excess -= weight
      }
    }
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
