import Logging
import Metrics
import RoomCore
import Store
import Synchronization

/// Rooms that ended long ago are deleted.
///
/// The store does not know what an end is, and only a room's logic can tell. So each look takes the next rooms in the
/// order of their names, loads those that nobody has written to for as long as ended rooms are kept, and asks. That needs
/// no mark that could be missing, costs the same however many rooms there are, and finds each room in the end.
///
/// No room in memory is touched, and one that is asked for meanwhile is loaded only afterwards: it finds all, or nothing.
extension RoomRegistry {
  /// One look at the next rooms.
  public func deleteEndedRooms() async {
    guard let retention = settings.endedRetention else { return }
    let before = time.now().advanced(by: .zero - retention)
    let limit = settings.roomsPerCleaning
    do throws(StoreError) {
      let page = try await store.rooms(after: state.withLock { $0.lastCleaned }, limit: limit)
      state.withLock { $0.lastCleaned = page.count < limit ? nil : page.last?.room }
      var ended: [RoomSummary] = []
      for summary in page where summary.updatedAt < before && ownership.epoch(of: summary.slot) != nil {
        if try await hasEnded(summary.room, before: before) { ended.append(summary) }
      }
      // All at once, so that they share the wait for the disk.
      await withTaskGroup { group in
        for summary in ended { group.addTask { await self.delete(summary) } }
      }
    } catch {
      logger.warning("ended rooms not looked for", metadata: ["reason": "\(error.message)"])
    }
  }

  private func hasEnded(_ id: RoomID, before time: Timestamp) async throws(StoreError) -> Bool {
    let reason: String
    do throws(StoreError) {
      guard let stored = try await store.load(id) else { return false }
      do throws(RoomFault) {
        let machine = try RoomMachine<Logic>(room: id, stored: stored, windowCapacity: settings.dedupCapacity)
        // The store does not know the time of a snapshot that was imported without its journal; the machine does.
        return Logic.hasEnded(machine.state) && machine.clock < time
      } catch {
        reason = error.message
      }
    } catch {
      guard error.concernsContent else { throw error }
      reason = error.message
    }
    // What is damaged is left as it is, and keeps nobody from looking further.
    logger.warning("ended room cannot be read", metadata: ["room": "\(id)", "reason": "\(reason)"])
    return false
  }

  private func delete(_ summary: RoomSummary) async {
    guard let epoch = ownership.epoch(of: summary.slot) else { return }
    await deleteWhileCold(summary.room) { [self] in
      do throws(StoreError) {
        guard
          try await store.deleteRoom(summary.room, endingAt: summary.head, slot: summary.slot, epoch: epoch)
        else { return }
        metrics.deletions.increment()
      } catch {
        logger.warning("ended room not deleted", metadata: ["room": "\(summary.room)", "reason": "\(error.message)"])
      }
    }
  }
}
