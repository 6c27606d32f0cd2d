import Directory
import Gateway
import Link
import Logging
import Ordering
import RoomCore
import Rooms
import Service
import ServiceLifecycle
import Store

/// What a process does with records.
struct NodeRecords: Sendable {
  let directory: Directory
  let webhooks: Webhooks
  let projector: Projector
  let book: TenantBook
  let logger: Logger
  private let tenant: TenantContext
  private let time: any TimeSource

  init(in store: any RecordStore, _ settings: ServeSettings, time: any TimeSource, logger: Logger) {
    directory = Directory(store: store, now: { time.now() }, makeID: randomName)
    projector = Projector(directory: directory, logger: logger)
    book = TenantBook(directory: directory, base: settings.tenant, logger: logger)
    webhooks = Webhooks(
      store: store, allowsPrivateAddresses: settings.webhooks.allowsPrivateAddresses, now: { time.now() },
      makeID: randomName, makeSecret: randomSecret)
    self.logger = logger
    tenant = settings.tenant
    self.time = time
  }

  func orders(link: any RoomLink<OrderCommand>) -> CollaborativeOrders {
    CollaborativeOrders(directory: directory, link: link, projector: projector, makeName: randomName)
  }

  func desk(link: any RoomLink<OrderCommand>) -> RecordDesk {
    RecordDesk(
      directory: directory, orders: orders(link: link), webhooks: webhooks, tenant: tenant, makeName: randomName)
  }

  /// What nobody asks for, until the task is cancelled.
  func work(link: any RoomLink<OrderCommand>) async {
    let clock = ContinuousClock()
    await withTaskGroup { group in
      group.addTask { await projector.run(clock: clock) }
      group.addTask { await book.run(clock: clock) }
      group.addTask { await orders(link: link).openLeftBehind(clock: clock, now: { time.now() }, logger: logger) }
    }
  }
}

struct RecordsService: Service {
  let records: NodeRecords
  let link: any RoomLink<OrderCommand>

  func run() async throws {
    await cancelWhenGracefulShutdown { await records.work(link: link) }
  }
}
