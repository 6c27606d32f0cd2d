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
  private let assistantSecret: String
  let projector: Projector
  let book: TenantBook
  let logger: Logger
  private let tenant: TenantContext
  private let time: any TimeSource

  init(in store: any RecordStore, _ settings: ServeSettings, time: any TimeSource, logger: Logger) async throws {
    directory = Directory(store: store, now: { time.now() }, makeID: randomName)
    projector = Projector(directory: directory, logger: logger)
    book = TenantBook(directory: directory, base: settings.tenant, logger: logger)
    webhooks = Webhooks(
      store: store, allowsPrivateAddresses: settings.webhooks.allowsPrivateAddresses, now: { time.now() },
      makeID: randomName, makeSecret: randomSecret)
    // Any process may be asked for what another has summed up.
    assistantSecret = try await directory.secret("assistant", otherwise: randomName() + randomName())
    self.logger = logger
    tenant = settings.tenant
    self.time = time
  }

  func orders(link: any RoomLink<OrderCommand>) -> CollaborativeOrders {
    CollaborativeOrders(directory: directory, link: link, projector: projector, makeName: randomName)
  }

  func desk(link: any RoomLink<OrderCommand>) throws -> RecordDesk {
    let orders = orders(link: link)
    // Where rooms are depends on who asks.
    let assistant = try Assistant(
      directory: directory, desk: CircleOrderDesk(orders) { $0.order.room.name }, context: tenant,
      secret: assistantSecret, now: { time.now() }, makeID: randomName, logger: logger)
    return RecordDesk(
      directory: directory, orders: orders, webhooks: webhooks, assistant: assistant, tenant: tenant,
      makeName: randomName)
  }

  /// What nobody asks for, until the task is cancelled.
  func work(link: any RoomLink<OrderCommand>) async {
    let clock = ContinuousClock()
    await withTaskGroup { group in
      group.addTask { await projector.run(clock: clock) }
      group.addTask { await book.run(clock: clock) }
      group.addTask { await forgetConversations(clock: clock) }
      group.addTask { await orders(link: link).openLeftBehind(clock: clock, now: { time.now() }, logger: logger) }
    }
  }
}

extension NodeRecords {
  /// Deletes those that nobody has gone on with for a month.
  private func forgetConversations(clock: some Clock<Duration>) async {
    while !Task.isCancelled {
      do {
        while try await directory.deleteSessions() > 0 {}
      } catch {
        logger.warning("old conversations stay", metadata: ["reason": "\(error)"])
      }
      do { try await clock.sleep(for: .seconds(3600)) } catch { return }
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
