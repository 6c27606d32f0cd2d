import CoreMetrics
import Foundation
import Hummingbird
package import Link
package import Logging
package import NIOCore
import NIOPosix
package import Ordering
package import Rooms
import ServiceLifecycle

/// The client face of a node: HTTP and WebSocket on one port.
///
/// Knows rooms only through its link. Runs until the task is cancelled or the service group shuts down gracefully; then
/// call `beginDraining` and `closeSessions` before, so that the clients hear why.
package struct Gateway: Sendable {
  private let hub: SessionHub
  private let settings: GatewaySettings
  private let logger: Logger
  private let group: any EventLoopGroup
  private let connections: Connections
  let routes: Routes

  /// - Parameters:
  ///   - group: the loops that the connections run on.
  ///   - numbers: of the process's sessions.
  ///   - operationPrefix: tells the operations that this gateway names from those of every other gateway and every
  ///     other life of this one.
  ///   - isReady: whether the store takes writes.
  ///   - cluster: what this process knows of its cluster, and has done in it; nil: it is alone.
  ///   - records: nil: they are elsewhere.
  package init(
    settings: GatewaySettings, link: any RoomLink<OrderCommand>, group: any EventLoopGroup,
    numbers: SessionNumbers = SessionNumbers(), operationPrefix: String, time: any TimeSource,
    metrics: PrometheusRegistry, logger: Logger,
    isReady: @escaping @Sendable () async -> Bool, cluster: (any ClusterDesk)? = nil,
    records: RecordDesk? = nil
  ) async throws {
    var loops: [LoopHandle] = []
    for loop in group.makeIterator() {
      loops.append(try await loop.submit { LoopHandle(onLoop: loop, settings: settings) }.get())
    }
    let counters = GatewayMetrics()
    hub = SessionHub(
      loops: loops, link: link, settings: settings, time: time, numbers: numbers,
      operationPrefix: operationPrefix, metrics: counters)
    connections = Connections(settings: settings, metrics: counters)
    routes = Routes(
      hub: hub, metrics: metrics, isReady: isReady, cluster: cluster,
      records: records.map { records in
        RecordFace(
          desk: records, settings: settings,
          authority: Authority(directory: records.directory, settings: settings, time: time, metrics: counters),
          time: time)
      })
    self.settings = settings
    self.logger = logger
    self.group = group
    if let certificate = settings.certificate { noteExpiry(of: certificate) }
  }

  /// Serves until the service group shuts down and all connections have closed, or until the task is cancelled.
  ///
  /// - Parameter onListening: called with the port once connections are taken.
  package func run(onListening: @escaping @Sendable (Int) async -> Void) async throws {
    let connections = connections
    let channel = GatewayChannel(
      http: HTTPService(routes.responder(), time: hub.time, logger: logger), hub: hub, connections: connections,
      logger: logger)
    let listener = try await ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 4096)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { channel.setup($0) }
      .bind(host: settings.host, port: settings.port).get()
    let sweeps = scheduleSweeps()
    defer { for sweep in sweeps { sweep.cancel() } }
    await onListening(listener.localAddress?.port ?? 0)
    try await withTaskCancellationOrGracefulShutdownHandler {
      try await listener.closeFuture.get()
      await connections.allClosed()
    } onCancelOrGracefulShutdown: {
      listener.close(promise: nil)
      connections.quiesce()
    }
  }

  /// Refuses new sessions and reports not to be ready.
  package func beginDraining() { hub.beginStopping() }

  /// Closes every WebSocket with 1012, so that its client comes back; not all at once, but within `limit`.
  package func closeSessions(within limit: Duration) async { await hub.closeAll(within: limit) }

  /// Serves new connections with what is in the certificate's files, if that is new and can be used. Blocks.
  package func reloadCertificate() {
    guard let certificate = settings.certificate else { return }
    switch certificate.reload() {
    case .unchanged: break
    case .replaced:
      hub.metrics.reloads.increment()
      noteExpiry(of: certificate)
    case .refused(let reason):
      hub.metrics.failedReloads.increment()
      logger.warning("the TLS certificate stays as it is: \(reason)")
    }
  }

  /// Checks tokens with what is in the file of keys, if that is new and can be used. Blocks.
  package func reloadTokenKeys() {
    guard let keys = settings.tokens?.keyFile else { return }
    switch keys.reload() {
    case .unchanged: break
    case .replaced:
      hub.metrics.tokenKeyReloads.increment()
      logger.notice("token keys in use: \(keys.value.names.joined(separator: ", "))")
    case .refused(let reason):
      hub.metrics.failedTokenKeyReloads.increment()
      logger.warning("the token keys stay as they are: \(reason)")
    }
  }

  private func noteExpiry(of certificate: ServerCertificate) {
    let expiry = certificate.value.expirySeconds
    hub.metrics.certificateExpires(at: expiry)
    logger.notice("TLS certificate in use until \(Date(timeIntervalSince1970: expiry).formatted(.iso8601))")
  }

  private func scheduleSweeps() -> [RepeatedTask] {
    hub.loops.map { handle in
      handle.loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
        handle.run { context in context.sweep(now: .now()) }
      }
    }
  }
}
