import ArgumentParser
import Directory
import Foundation
import Gateway
import Link
import Logging
import Membership
import Metrics
import NIOCore
import NIOPosix
import Ordering
import RoomCore
import Rooms
import Service
import ServiceLifecycle
import Store
import UnixSignals
import Wire

/// One process that owns rooms, or serves clients, or both.
struct Node {
  let settings: ServeSettings
  let logger = Logger(label: "stonepot")

  init(options: ServeOptions, takesClients: Bool = true) async throws {
    let settings = try await ServeSettings(options: options, takesClients: takesClients)
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = settings.logLevel
      return handler
    }
    self.settings = settings
  }

  func run() async throws {
    let beginning = try await begin()
    warnOfSharing()
    let histories = StoreHistories()
    let store = try await openStore(telling: histories)
    do {
      try await serve(from: store, histories, beginning)
    } catch {
      await store.close()
      guard let error = error as? StoreError else { throw error }
      throw StartFailure(message: "the store \(settings.store) cannot be used: \(error.message)")
    }
    logger.notice("stopped")
  }

  /// What every process begins with.
  private struct Beginning {
    let metrics: PrometheusRegistry
    let gateway: GatewaySettings
    let peers: PeerCredentials
    /// SIGHUP, which would end the process, if there are files to look at. Trapped before anybody can know that
    /// the process is there.
    let hangups: UnixSignalsSequence?
  }

  private func begin() async throws -> Beginning {
    let metrics = PrometheusRegistry()
    MetricsSystem.bootstrap(metrics)
    logSettings()
    for limit in settings.limits { Meter(label: "stonepot_limit", dimensions: [("name", limit.name)]).set(limit.value) }
    var gatewaySettings = settings.gateway
    gatewaySettings.certificate = try loadCertificate()
    let hasFiles =
      gatewaySettings.certificate != nil || gatewaySettings.tokens?.hasFile == true
      || settings.peers?.secretFile != nil || settings.peers?.tls != nil
    return Beginning(
      metrics: metrics, gateway: gatewaySettings, peers: try loadPeerCredentials(),
      hangups: hasFiles ? await UnixSignalsSequence(trapping: .sighup) : nil)
  }

  private func makeLoops() -> MultiThreadedEventLoopGroup {
    MultiThreadedEventLoopGroup(numberOfThreads: settings.loops ?? max(1, System.coreCount / 2))
  }

  private func serve(from store: any RoomStore & RecordStore, _ histories: StoreHistories, _ beginning: Beginning)
    async throws
  {
    let group = makeLoops()
    let lanes = group.makeIterator().map { EventLoopLane($0) }
    let time = WallClock()
    let records = try await NodeRecords(in: store, settings, time: time, logger: logger)
    let numbers = SessionNumbers()
    let ownership = SlotOwnership()
    let witness: any OwnershipWitness =
      settings.peers == nil ? SoleOwner() : StoreWitness(store: store, clock: { SteadyClock.now })
    let registry = RoomRegistry(
      store: store, voice: OrderVoice(history: store.identity.history), settings: settings.rooms, time: time,
      lanes: lanes, ownership: ownership, witness: witness, logger: logger,
      reported: { records.projector.reported($0) }, contexts: records.book.contexts)
    var member: ClusterMember?
    if let peers = settings.peers {
      member = ClusterMember(
        peers, cluster: settings.cluster, rooms: (registry, store, numbers, witness as? StoreWitness),
        history: store.identity.history, credentials: beginning.peers, lane: lanes[0], group: group,
        logger: logger)
    } else {
      ownership.gain(try await claimAllSlots(in: store))
    }
    histories.listen { [member, logger] history in
      logger.critical(
        """
        the store has lost commits that clients were told of, and has a new history: all rooms are loaded anew, and \
        their clients come back for what is left
        """, metadata: ["history": "\(history)"])
      // In this order: whoever hears of the new history finds no room of the old one.
      registry.beginAnew(with: OrderVoice(history: history))
      if let member { member.historyChanged(to: history) } else { Task { await claimAnew(registry, store) } }
    }
    let readiness = Readiness(of: store, logger: logger)
    let sender = try WebhookService(records.webhooks, settings.webhooks, time: time, group: group, logger: logger)
    let link: any RoomLink<OrderCommand> = member?.agent.link ?? OrderLink(rooms: LocalLink(to: registry))
    let gateway = try await Gateway(
      settings: beginning.gateway, link: link, group: group, numbers: numbers, operationPrefix: randomName(),
      time: time, metrics: beginning.metrics, logger: logger,
      isReady: { await readiness.isReady() }, cluster: member,
      records: try records.desk(link: link))
    let rooms = RoomsService(
      registry: registry, gateway: gateway, agent: member?.agent, deadlines: Deadlines(), logger: logger)
    let cluster: [any Service] = member.map { [ClusterService(member: $0)] } ?? []
    let own: [any Service] = [rooms, StatisticsService(store: store), RecordsService(records: records, link: link)]
    try await run(gateway, member, [sender] + cluster + own, beginning.hangups)
    // Outcomes are posted to the loops until the store is closed.
    await store.close()
    try await group.shutdownGracefully()
  }

  /// Serves clients alone, with rooms that live in other processes.
  func runGateway() async throws {
    guard let peers = settings.peers else { throw StartFailure(message: "a gateway needs --peer-listen and --join") }
    let beginning = try await begin()
    let group = makeLoops()
    let lane = EventLoopLane(group.next())
    let member = ClusterMember(
      peers, cluster: settings.cluster, rooms: nil, history: nil, credentials: beginning.peers, lane: lane,
      group: group, logger: logger)
    try await member.listen()
    let taking = Task { await member.agent.run(on: member.network) }
    logger.notice("looking for a node")
    await member.agent.meetNode()
    let time = WallClock()
    // Records are read and written here; rooms are asked where they live.
    let store = settings.isStoreGiven ? try await openStore(telling: StoreHistories()) : nil
    var records: NodeRecords?
    if let store { records = try await NodeRecords(in: store, settings, time: time, logger: logger) }
    let gateway = try await Gateway(
      settings: beginning.gateway, link: member.agent.link, group: group, operationPrefix: randomName(),
      time: time, metrics: beginning.metrics, logger: logger, isReady: { member.agent.knowsOwners },
      cluster: member, records: try records?.desk(link: member.agent.link))
    try await run(gateway, member, [DrainService(gateway: gateway, limit: Deadlines().goodbyeLimit)], beginning.hangups)
    await store?.close()
    await member.agent.leave()
    taking.cancel()
    await member.network.close(reason: "the gateway stops")
    try await group.shutdownGracefully()
    logger.notice("stopped")
  }

  private func run(
    _ gateway: Gateway, _ member: ClusterMember?, _ own: [any Service], _ hangups: UnixSignalsSequence?
  ) async throws {
    // Shut down from the last to the first: the rooms finish and the clients hear why before the sockets go.
    var running: [any Service] = [GatewayService(gateway: gateway, logger: logger, settings: settings)]
    running += own
    if let hangups {
      running.append(CredentialsService(gateway: gateway, network: member?.network, hangups: hangups))
    }
    var services = running.map { ServiceGroupConfiguration.ServiceConfiguration(service: $0) }
    if let member {
      services.append(
        .init(service: SuccessionService(member: member), failureTerminationBehavior: .gracefullyShutdownGroup))
    }
    var configuration = ServiceGroupConfiguration(
      services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    // A client that does not take its answer must not keep the node from stopping.
    configuration.maximumGracefulShutdownDuration = Deadlines().endLimit
    do {
      try await ServiceGroup(configuration: configuration).run()
    } catch let error as Superseded {
      logger.critical("\(error)")
      throw ExitCode(Superseded.exitCode)
    }
  }

  private func logSettings() {
    let text = settings.summary.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
    logger.info("settings: \(text)")
    if settings.isOpen {
      logger.warning(
        """
        authentication is OPEN: everybody is who they say they are. This is for development; \
        use --auth token for anything else
        """)
    }
  }

  /// A process that has a file to itself writes by one connection only.
  private func warnOfSharing() {
    guard settings.peers != nil, SQLiteStore.mayDamageSharedFiles, case .sqlite(let path) = settings.store else {
      return
    }
    logger.warning(
      """
      SQLite \(SQLiteStore.libraryVersion) may damage a file that several processes share: upgrade the library to \
      3.51.3 or newer, or use PostgreSQL, for anything but trying out. See https://www.sqlite.org/wal.html#walresetbug
      """, metadata: ["file": "\(path)"])
  }

  private func loadCertificate() throws -> ServerCertificate? {
    guard let tls = settings.tls else { return nil }
    do throws(UnusableFiles) {
      return try ServerCertificate(certificatePath: tls.certificate, keyPath: tls.key)
    } catch {
      throw StartFailure(message: error.description)
    }
  }

  private func loadPeerCredentials() throws -> PeerCredentials {
    guard let peers = settings.peers else { return PeerCredentials() }
    do throws(UnusableFiles) {
      var certificate: PeerCertificate?
      if let tls = peers.tls {
        certificate = try PeerCertificate(
          certificatePath: tls.certificate, keyPath: tls.key, authorityPath: tls.authority)
      }
      var file: PeerSecrets?
      if let path = peers.secretFile { file = try PeerSecrets(path: path) }
      return PeerCredentials(
        secrets: peers.secret.map { [Array($0.utf8)] } ?? [], secretFile: file, certificate: certificate)
    } catch {
      throw StartFailure(message: error.description)
    }
  }

  private func openStore(telling histories: StoreHistories) async throws -> any RoomStore & RecordStore {
    do {
      return try await settings.store.open(cluster: settings.cluster, isShared: settings.peers != nil) {
        histories.tell($0.history)
      }
    } catch let error as StoreError {
      throw StartFailure(message: "the store \(settings.store) cannot be opened: \(error.message)")
    }
  }

  /// Every slot is ours to claim. That nobody else is there, a file's lock says; a database does not say it, and a second
  /// server on it would depose this one.
  private func claimAllSlots(in store: any RoomStore) async throws(StoreError) -> [Slot: Epoch] {
    let claims = try await store.slots().map { SlotClaim(slot: $0.slot, expected: $0.epoch) }
    return try await store.claim(claims, for: NodeID(randomName()))
  }
}

extension Node {
  /// What the store has lost may be the claims of this process, which is alone with it.
  private func claimAnew(_ registry: RoomRegistry<OrderVoice>, _ store: any RoomStore) async {
    while true {
      do throws(StoreError) {
        return registry.gain(try await claimAllSlots(in: store))
      } catch {
        logger.warning("the slots cannot be claimed anew", metadata: ["reason": "\(error.message)"])
        if error == .closed { return }
      }
      // Never cancelled: it ends with the store.
      try? await Task.sleep(for: .seconds(1))
    }
  }
}

/// Why the program could not do what it was started for.
struct StartFailure: Error, CustomStringConvertible {
  let message: String
  var description: String { message }
}

private struct GatewayService: Service {
  let gateway: Gateway
  let logger: Logger
  let settings: ServeSettings

  func run() async throws {
    try await gateway.run { port in
      let host = settings.gateway.host.contains(":") ? "[\(settings.gateway.host)]" : settings.gateway.host
      if settings.gateway.takesClients {
        let scheme = settings.tls == nil ? "ws" : "wss"
        logger.notice("listening: \(scheme)://\(host):\(port)/parties/collaborative_order/{room}")
      } else {
        let scheme = settings.tls == nil ? "http" : "https"
        logger.notice("listening, but not for clients: \(scheme)://\(host):\(port)/v1/cluster")
      }
    }
  }
}

private struct RoomsService: Service {
  let registry: RoomRegistry<OrderVoice>
  let gateway: Gateway
  let agent: ClusterAgent<OrderVoice>?
  let deadlines: Deadlines
  let logger: Logger

  func run() async throws {
    await cancelWhenGracefulShutdown { await registry.keepHouse(clock: ContinuousClock()) }
    gateway.beginDraining()
    guard let agent else {
      // Rooms that finish would send all their clients away at once.
      await gateway.closeSessions(within: deadlines.goodbyeLimit)
      return await finishRooms()
    }
    // The others take over what they can before the rest is finished here.
    await agent.drain(within: deadlines.drainLimit)
    await finishRooms()
    // A store that does not answer must not take the clients' time.
    async let leaving: Void = agent.leave()
    await gateway.closeSessions(within: deadlines.goodbyeLimit)
    await leaving
  }

  /// A disk that hangs keeps its rooms from finishing; the clients of all are told to come back all the same.
  private func finishRooms() async {
    let registry = registry
    let (outcomes, outcome) = AsyncStream<Bool>.makeStream()
    Task {
      await registry.stop()
      outcome.yield(true)
    }
    let patience = Task {
      try await Task.sleep(for: deadlines.finishLimit)
      outcome.yield(false)
    }
    for await hasFinished in outcomes {
      if !hasFinished {
        logger.warning("the rooms have not finished within \(deadlines.finishLimit): the store does not answer")
      }
      break
    }
    patience.cancel()
  }
}
