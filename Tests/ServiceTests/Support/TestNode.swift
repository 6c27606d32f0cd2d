import Directory
import Foundation
import Link
import Logging
import Ordering
import RoomCore
import Rooms
import Service
import Store
import StoreTesting
import Synchronization
import Wire

/// A process with rooms and records; others may come after it on the same data.
final class TestNode: Sendable {
  let store: any RoomStore & RecordStore
  let directory: Directory
  let registry: RoomRegistry<OrderVoice>
  let projector: Projector
  let book: TenantBook
  let orders: CollaborativeOrders
  /// Gone with the last of its handles.
  private let place: RecordPlace
  private let work: Task<Void, Never>

  /// - Parameters:
  ///   - projects: whether reports are dealt with as they come.
  init(_ place: RecordPlace, tenant: TenantContext = TenantContext(), projects: Bool = true) async throws {
    self.place = place
    store = try await place.open()
    let time = ServiceTime()
    directory = Directory(store: store, now: { time.now() }, makeID: { UUID().uuidString })
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let projector = Projector(directory: directory, logger: logger)
    let book = TenantBook(directory: directory, base: tenant, logger: logger)
    let claims = try await store.slots().map { SlotClaim(slot: $0.slot, expected: $0.epoch) }
    let ownership = SlotOwnership(try await store.claim(claims, for: NodeID(UUID().uuidString)))
    registry = RoomRegistry(
      store: store, voice: OrderVoice(history: "history"), settings: RoomSettings(), time: time,
      lanes: [TestRoomLane()],
      ownership: ownership, logger: logger, reported: { if projects { projector.reported($0) } },
      contexts: book.contexts)
    orders = CollaborativeOrders(
      directory: directory, link: LocalLink(to: registry), projector: projector, makeName: { UUID().uuidString })
    self.projector = projector
    self.book = book
    work = Task {
      guard projects else { return }
      await projector.run(clock: ContinuousClock())
    }
  }

  func stop() async {
    work.cancel()
    await work.value
    await registry.stop()
    await store.close()
  }
}

/// The time of day.
private struct ServiceTime: TimeSource {
  func now() -> Timestamp { Timestamp(millis: Int64(Date().timeIntervalSince1970 * 1000)) }
}

private final class TestRoomLane: RoomLane {
  private let queue = DispatchQueue(label: "rooms")

  func post(_ work: @escaping @Sendable () -> Void) { queue.async(execute: work) }
}
