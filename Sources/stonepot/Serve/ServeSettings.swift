import ArgumentParser
import Configuration
import Gateway
import Link
import Logging
import Membership
import Ordering
import RoomCore
import Rooms
import Service
import SystemPackage

/// What `serve`, `node` and `gateway` run with: options, then environment, then file, then defaults; checked.
struct ServeSettings {
  var gateway = GatewaySettings()
  var rooms = RoomSettings()
  var tenant = TenantContext()
  var webhooks = WebhookSettings()
  var tls: TLSPaths?
  var store: StoreAddress
  /// Whether it was said where the store is: a gateway serves records only then.
  var isStoreGiven: Bool
  var cluster: String
  /// Nil: this process is alone.
  var peers: Peers?
  var loops: Int?
  var logLevel: Logger.Level
  var isOpen: Bool

  /// Where the certificate is that clients see, and its key.
  struct TLSPaths {
    let certificate: String
    let key: String
  }

  /// How this process meets the others of its cluster.
  struct Peers {
    let listen: PeerAddress
    let address: PeerAddress
    let seeds: [PeerAddress]
    let name: String
    let secret: String?
    let secretFile: String?
    let tls: PeerTLSPaths?
    let weight: Int
  }

  /// Where the certificate is that peers see, its key, and the authority that has signed theirs.
  struct PeerTLSPaths {
    let certificate: String
    let key: String
    let authority: String
  }

  /// What strangers are held to, for the metrics; what is off is not among them.
  var limits: [(name: String, value: Int)] {
    let limits: [(String, Int?)] = [
      ("connections", gateway.maxConnections), ("address_connections", gateway.connectionsPerAddress),
      ("address_rooms_per_hour", rooms.addressRoomsPerHour), ("tenant_connections", gateway.connectionsPerTenant),
      ("tenant_messages_per_second", gateway.messagesPerTenant), ("tenant_rooms_per_hour", rooms.tenantRoomsPerHour),
      ("connection_messages_per_second", gateway.messagesPerSecond > 0 ? gateway.messagesPerSecond : nil),
      ("key_requests_per_second", gateway.requestsPerSecond), ("message_bytes", gateway.maxMessageBytes),
      ("room_memory_bytes", rooms.memoryBytes),
    ]
    return limits.compactMap { name, value in value.map { (name, $0) } }
  }

  /// Each setting as it stands, for the log; secrets masked.
  private(set) var summary: [(name: String, value: String)] = []

  /// - Parameter takesClients: false for a node that serves its cluster alone.
  init(options: ServeOptions, takesClients: Bool) async throws {
    var sources = try await Sources(file: options.config)
    (gateway.host, gateway.port) = try Self.address(
      sources.string("listen", options.listen, default: "127.0.0.1:1999"))
    store = try StoreAddress(
      sources.string(
        "store", options.store, default: "sqlite:data/stonepot.sqlite", shownAs: StoreAddress.masking))
    isStoreGiven = sources.isGiven("store", options.store)
    cluster = sources.string("cluster", options.cluster, default: "stonepot")

    peers = try Self.peers(&sources, options)
    gateway.takesClients = takesClients
    if !takesClients, peers == nil { throw ValidationError("a node needs --peer-listen: it serves its cluster alone") }

    let auth = sources.string("auth", options.auth, default: "open")
    guard ["open", "token"].contains(auth) else { throw ValidationError("--auth must be open or token") }
    isOpen = auth == "open" && takesClients
    let secret = sources.secret("token.secret", options.tokenSecret)
    let keys = sources.path("token.keys", options.tokenKeys)
    if !isOpen, takesClients {
      guard secret != nil || keys != nil else {
        throw ValidationError("--auth token needs a secret or keys: set STONEPOT_TOKEN_SECRET, or --token-keys")
      }
      gateway.tokens = try await RoomTokens(secret: secret, keys: try keys.map { try TokenKeyFile(keySet: $0) })
    }
    gateway.publicURL = try sources.path("public.url", options.publicURL).map(Self.publicURL)
    gateway.adminToken = try Self.adminToken(&sources, options)
    let insists = try sources.flag("open.beyond.loopback", options.openBeyondLoopback)
    if isOpen, !Self.isLoopback(gateway.host), !insists {
      throw ValidationError(
        "refusing to listen on \(gateway.host) with --auth open: anybody could act for anybody. "
          + "Use --auth token, or --open-beyond-loopback if you insist")
    }

    switch (sources.path("tls.certificate", options.tlsCertificate), sources.path("tls.key", options.tlsKey)) {
    case (nil, nil): tls = nil
    case (let certificate?, let key?): tls = TLSPaths(certificate: certificate, key: key)
    default: throw ValidationError("--tls-certificate and --tls-key need one another")
    }

    gateway.servesEcho = try sources.flag("dev.rooms", options.devRooms)
    gateway.maxConnections = try sources.int(
      "max.connections", options.maxConnections, default: 50_000, in: 1...1_000_000)
    gateway.connectionsPerAddress = try Self.limit(
      sources.string("address.limits", options.addressLimits, default: "256"), "--address-limits")
    gateway.messagesPerSecond =
      try Self.limit(sources.string("message.rate", options.messageRate, default: "100"), "--message-rate") ?? 0
    gateway.connectionsPerTenant = try Self.limit(
      sources.string("tenant.connections", options.tenantConnections, default: "off"), "--tenant-connections")
    gateway.requestsPerSecond = try Self.limit(
      sources.string("key.rate", options.keyRate, default: "100"), "--key-rate", atMost: 1_000_000)
    gateway.messagesPerTenant = try Self.limit(
      sources.string("tenant.messages", options.tenantMessages, default: "off"), "--tenant-messages")
    rooms.tenantRoomsPerHour = try Self.limit(
      sources.string("tenant.rooms", options.tenantRooms, default: "off"), "--tenant-rooms")
    rooms.addressRoomsPerHour = try Self.limit(
      sources.string("address.rooms", options.addressRooms, default: "200"), "--address-rooms")
    rooms.memoryBytes = try Self.limit(
      sources.string("room.memory", options.roomMemory, default: "1024"), "--room-memory", atMost: 1 << 24
    ).map { $0 << 20 }
    gateway.maxMessageBytes = try sources.int(
      "max.message.bytes", options.maxMessageBytes, default: 65536, in: 1024...16_777_216)
    gateway.allowedOrigins = Set(sources.list("origins", options.origins))
    loops = try sources.optionalInt("loops", options.loops, in: 1...256)

    tenant.currency = try Self.currency(sources.string("currency", options.currency, default: "INR/2"))
    tenant.idleLimit = .seconds(try sources.int("idle.limit", options.idleLimit, default: 86400, in: 1...31_536_000))
    let deadline = try Self.limit(
      sources.string("order.deadline", options.orderDeadline, default: "off"), "--order-deadline")
    tenant.deadlineAfterStart = deadline.map { .seconds($0) }
    switch sources.string("phone", options.phone, default: "ten-digits") {
    case "ten-digits": tenant.phoneRule = .tenDigits
    case "e164": tenant.phoneRule = .e164
    default: throw ValidationError("--phone must be ten-digits or e164")
    }
    webhooks.allowsPrivateAddresses = try sources.flag("webhook.private.addresses", options.webhookPrivateAddresses)
    rooms.idleBeforePassivation = .seconds(try sources.int("room.idle", options.roomIdle, default: 60, in: 1...86400))
    let journal = try sources.int("journal.retention", options.journalRetention, default: 86400, in: 60...31_536_000)
    rooms.journalRetention = .seconds(journal)
    let retention = try Self.limit(
      sources.string("room.retention", options.roomRetention, default: "2592000"), "--room-retention")
    if let retention, retention < journal {
      throw ValidationError("--room-retention must be at least --journal-retention, \(journal)")
    }
    rooms.endedRetention = retention.map { .seconds($0) }

    let level = sources.string("log.level", options.logLevel, default: "info")
    guard let level = Logger.Level(rawValue: level) else { throw ValidationError("--log-level has no level \(level)") }
    logLevel = level
    try sources.checkNames()
    summary = sources.summary
  }

  // MARK: - Reading values

  /// Looks settings up, and notes what was found. A value that is there and cannot be used is an error, never a default.
  private struct Sources {
    private let reader: ConfigReader
    private var known: Set<String> = ["config"]
    private let inFile: Set<String>
    private(set) var summary: [(name: String, value: String)] = []

    init(file: String?) async throws {
      var providers: [any ConfigProvider] = [EnvironmentVariablesProvider().prefixKeys(with: "stonepot")]
      var names: Set<String> = []
      if let file {
        do {
          providers.append(try await FileProvider<JSONSnapshot>(filePath: FilePath(file)))
          names = try SettingsFile.names(in: file)
        } catch {
          throw ValidationError("the settings file \(file) cannot be read: \(error)")
        }
      }
      inFile = names
      reader = ConfigReader(providers: providers)
    }

    /// - Throws: if the file has settings that nobody has asked for.
    func checkNames() throws {
      let unknown = inFile.subtracting(known).sorted()
      guard unknown.isEmpty else {
        throw ValidationError("the settings file has unknown settings: \(unknown.joined(separator: ", "))")
      }
    }

    mutating func string(
      _ key: ConfigKey, _ option: String?, default fallback: String, shownAs shown: (String) -> String = { $0 }
    ) -> String {
      let value = option ?? text(key) ?? fallback
      note(key, shown(value))
      return value
    }

    func isGiven(_ key: ConfigKey, _ option: String?) -> Bool { option != nil || text(key) != nil }

    /// - Returns: nil if nothing is said.
    mutating func path(_ key: ConfigKey, _ option: String?) -> String? {
      let value = option ?? text(key)
      note(key, value ?? "unset")
      return value
    }

    mutating func list(_ key: ConfigKey, _ option: String?) -> [String] {
      let value = option ?? reader.stringArray(forKey: key)?.joined(separator: ",") ?? text(key) ?? ""
      note(key, value)
      return value.split(separator: ",").map(String.init)
    }

    mutating func secret(_ key: ConfigKey, _ option: String?) -> String? {
      let value = option ?? reader.string(forKey: key, isSecret: true)
      note(key, value == nil ? "unset" : "********")
      return value
    }

    mutating func flag(_ key: ConfigKey, _ option: Bool) throws -> Bool {
      var value = option
      if !option, let found = reader.bool(forKey: key) {
        value = found
      } else if !option, text(key) != nil {
        throw ValidationError("\(Self.name(of: key)) must be true or false")
      }
      note(key, "\(value)")
      return value
    }

    mutating func int(_ key: ConfigKey, _ option: Int?, default fallback: Int, in range: ClosedRange<Int>) throws -> Int
    {
      let value = try number(key, option, in: range) ?? fallback
      note(key, "\(value)")
      return value
    }

    mutating func optionalInt(_ key: ConfigKey, _ option: Int?, in range: ClosedRange<Int>) throws -> Int? {
      let value = try number(key, option, in: range)
      note(key, value.map { "\($0)" } ?? "automatic")
      return value
    }

    private func number(_ key: ConfigKey, _ option: Int?, in range: ClosedRange<Int>) throws -> Int? {
      guard let value = option ?? reader.int(forKey: key) else {
        guard text(key) == nil else { throw ValidationError("\(Self.name(of: key)) must be a whole number") }
        return nil
      }
      guard range.contains(value) else {
        throw ValidationError("\(Self.name(of: key)) must be from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }

    /// Whatever stands there, as text: files may have numbers where a word is possible, too.
    private func text(_ key: ConfigKey) -> String? {
      reader.string(forKey: key) ?? reader.int(forKey: key).map { "\($0)" } ?? reader.double(forKey: key).map {
        "\($0)"
      }
        ?? reader.bool(forKey: key).map { "\($0)" }
    }

    private mutating func note(_ key: ConfigKey, _ value: String) {
      known.insert(key.components.joined(separator: "."))
      summary.append((Self.name(of: key), value))
    }

    private static func name(of key: ConfigKey) -> String { key.components.joined(separator: "-") }
  }

  private static func adminToken(_ sources: inout Sources, _ options: ServeOptions) throws -> AdminToken? {
    let token = sources.secret("admin.token", options.adminToken)
    let file = sources.path("admin.token.file", options.adminTokenFile)
    guard token == nil || file == nil else {
      throw ValidationError("--admin-token and --admin-token-file are two ways to say the same: give one")
    }
    guard let text = try token ?? file.map(AdminTokenFile.read) else { return nil }
    do {
      return try AdminToken(text)
    } catch {
      throw ValidationError("\(error)")
    }
  }

  private static func peers(_ sources: inout Sources, _ options: ServeOptions) throws -> Peers? {
    let listen = sources.path("peer.listen", options.peerListen)
    let address = sources.path("peer.address", options.peerAddress)
    let seeds = sources.list("join", options.join)
    let name = sources.path("name", options.name)
    let secret = sources.secret("peer.secret", options.peerSecret)
    let secretFile = sources.path("peer.secret.file", options.peerSecretFile)
    let tls = try Self.peerTLS(&sources, options)
    let weight = try sources.int("weight", options.weight, default: 100, in: 1...65_535)
    guard let listen else {
      guard seeds.isEmpty else { throw ValidationError("--join needs --peer-listen: the others must reach this one") }
      return nil
    }
    func peer(_ text: String, _ option: String) throws -> PeerAddress {
      guard let address = PeerAddress(text) else {
        throw ValidationError("\(option) must be host:port, as 127.0.0.1:2999; \(text) is not")
      }
      return address
    }
    guard secret == nil || secretFile == nil else {
      throw ValidationError("--peer-secret and --peer-secret-file are two ways to say the same: give one")
    }
    if let secret, secret.utf8.count < PeerSecrets.minBytes {
      throw ValidationError("--peer-secret must have at least \(PeerSecrets.minBytes) bytes")
    }
    let listening = try peer(listen, "--peer-listen")
    guard secret != nil || secretFile != nil || tls != nil || listening.isLoopback else {
      throw ValidationError(
        "refusing to listen for peers on \(listen) without a secret or certificates: anybody could join. "
          + "Set STONEPOT_PEER_SECRET, or --peer-certificate, --peer-key and --peer-authority")
    }
    let reached = try address.map { try peer($0, "--peer-address") } ?? listening
    let ownName = name ?? reached.description
    guard ownName.isName(maxBytes: 64), !ownName.contains("~") else {
      throw ValidationError("--name must have 1 to 64 bytes, without control characters and ~")
    }
    return Peers(
      listen: listening, address: reached, seeds: try seeds.map { try peer($0, "--join") }, name: ownName,
      secret: secret, secretFile: secretFile, tls: tls, weight: weight)
  }

  private static func peerTLS(_ sources: inout Sources, _ options: ServeOptions) throws -> PeerTLSPaths? {
    let certificate = sources.path("peer.certificate", options.peerCertificate)
    let key = sources.path("peer.key", options.peerKey)
    let authority = sources.path("peer.authority", options.peerAuthority)
    switch (certificate, key, authority) {
    case (nil, nil, nil): return nil
    case (let certificate?, let key?, let authority?):
      return PeerTLSPaths(certificate: certificate, key: key, authority: authority)
    default: throw ValidationError("--peer-certificate, --peer-key and --peer-authority need one another")
    }
  }

  private static func address(_ text: String) throws -> (String, Int) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (0...65535).contains(port), colon > text.startIndex
    else { throw ValidationError("--listen must be host:port, as 127.0.0.1:1999") }
    let host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { return (String(host.dropFirst().dropLast()), port) }
    return (String(host), port)
  }

  private static func publicURL(_ text: String) throws -> String {
    guard text.wholeMatch(of: /wss?:\/\/[A-Za-z0-9.:\[\]_-]+/) != nil else {
      throw ValidationError("--public-url must be as wss://orders.example.com, without a path")
    }
    return text
  }

  private static func isLoopback(_ host: String) -> Bool {
    host == "localhost" || host == "::1" || host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." }
  }

  private static func limit(_ text: String, _ option: String, atMost most: Int = 1 << 30) throws -> Int? {
    if text == "off" { return nil }
    guard let value = Int(text), (1...most).contains(value) else {
      throw ValidationError("\(option) must be a number from 1 to \(most), or off")
    }
    return value
  }

  private static func currency(_ text: String) throws -> Currency {
    let parts = text.split(separator: "/")
    guard parts.count == 2, parts[0].count == 3, parts[0].allSatisfy({ $0.isASCII && $0.isUppercase }),
      let digits = Int(parts[1]), (0...4).contains(digits)
    else { throw ValidationError("--currency must be a code and its minor digits, as INR/2") }
    return Currency(code: String(parts[0]), minorDigits: digits)
  }
}
