import ArgumentParser

struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve rooms and clients from this process.",
    discussion: """
      Every option may also be given in the environment (STONEPOT_LISTEN for --listen, STONEPOT_TOKEN_SECRET for \
      --token-secret) or in a JSON file ({"listen": "…", "token": {"secret": "…"}}). Options win over the environment, \
      the environment over the file.

      Example: stonepot serve --listen 127.0.0.1:1999 --store sqlite:data/stonepot.sqlite
      Example: STONEPOT_TOKEN_SECRET=… stonepot serve --auth token --listen 0.0.0.0:1999

      With --tls-certificate and --tls-key the port takes TLS only: WebSockets and HTTP/1.1, and HTTP/2. New files are \
      taken within 10 s, or at once on SIGHUP; the same goes for --peer-certificate and its companions, and --token-keys.

      Exit codes: 0 stopped by SIGTERM or SIGINT; 1 could not start or had to stop, the message says why; 3 a later \
      process runs under its name; 64 wrong usage.
      """)

  @OptionGroup var options: ServeOptions

  func run() async throws {
    try await Node(options: options).run()
  }
}

/// The options of `serve`. All are optional: what is not given here may stand in the environment or the file.
struct ServeOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Where to listen (default: 127.0.0.1:1999).", valueName: "host:port"))
  var listen: String?

  @Option(
    help: ArgumentHelp(
      "Where the rooms live: sqlite:path, or postgres://user@host/database as libpq takes it (default: "
        + "sqlite:data/stonepot.sqlite).", valueName: "address"))
  var store: String?

  @Option(
    help: ArgumentHelp(
      "Who may come: open, everybody; token, who has a room token (default: open).", valueName: "open|token"))
  var auth: String?

  @Option(
    help: ArgumentHelp(
      "What HS256 room tokens are signed with, at least 32 bytes. Better in the environment.", valueName: "secret"))
  var tokenSecret: String?

  @Option(
    help: ArgumentHelp(
      "A JSON Web Key Set with the keys of room tokens that name their key by kid; the first that can sign does. Read "
        + "anew when it changes.", valueName: "path"))
  var tokenKeys: String?

  @Option(
    help: ArgumentHelp(
      "Speak TLS with the certificate in this PEM file, followed by those that lead to a root (default: plain).",
      valueName: "path"))
  var tlsCertificate: String?

  @Option(help: ArgumentHelp("The PEM file with the certificate's key, not encrypted.", valueName: "path"))
  var tlsKey: String?

  @Option(
    help: ArgumentHelp(
      "The cluster's name, written into a new store and asked of an old one (default: stonepot).", valueName: "name"))
  var cluster: String?

  @Option(
    help: ArgumentHelp(
      "Take part in a cluster: where to listen for its other processes (default: no cluster).", valueName: "host:port"))
  var peerListen: String?

  @Option(
    help: ArgumentHelp(
      "Where the others reach this process, if not where it listens for them.", valueName: "host:port"))
  var peerAddress: String?

  @Option(
    help: ArgumentHelp(
      "Processes of the cluster to begin with, separated by commas; itself among them does no harm.",
      valueName: "host:port,…"))
  var join: String?

  @Option(
    help: ArgumentHelp(
      "The name that this process keeps when it starts again (default: its peer address).", valueName: "name"))
  var name: String?

  @Option(
    help: ArgumentHelp(
      "What the processes of the cluster prove to know, at least 16 bytes. Better in the environment.",
      valueName: "secret"))
  var peerSecret: String?

  @Option(
    help: ArgumentHelp(
      "A file with such secrets, one a line: the first is proved, any is taken; read anew when it changes.",
      valueName: "path"))
  var peerSecretFile: String?

  @Option(
    help: ArgumentHelp(
      "Speak TLS with the cluster's other processes: a PEM file with this process's certificate (default: plain).",
      valueName: "path"))
  var peerCertificate: String?

  @Option(help: ArgumentHelp("The PEM file with that certificate's key, not encrypted.", valueName: "path"))
  var peerKey: String?

  @Option(
    help: ArgumentHelp(
      "The PEM file with the authority that signs the certificates of all processes, and nothing else.",
      valueName: "path"))
  var peerAuthority: String?

  @Option(help: ArgumentHelp("This node's share of the rooms beside the others' (default: 100).", valueName: "n"))
  var weight: Int?

  @Option(
    help: ArgumentHelp(
      "What operators prove to know who drain this node or move slots, at least 16 bytes. Better in a file or the "
        + "environment (default: nobody may).", valueName: "token"))
  var adminToken: String?

  @Option(help: ArgumentHelp("A file with the admin token.", valueName: "path"))
  var adminTokenFile: String?

  @Flag(help: "Listen beyond loopback although everybody may come.")
  var openBeyondLoopback = false

  @Flag(help: "Add a plain WebSocket echo at /parties/echo/{room}, for conformance suites.")
  var devRooms = false

  @Option(
    help: ArgumentHelp(
      "How clients reach this server's WebSockets, in the room addresses that it gives out (default: as whoever asks).",
      valueName: "wss://host"))
  var publicURL: String?

  @Option(help: ArgumentHelp("Connections that the server holds at all (default: 50000).", valueName: "n"))
  var maxConnections: Int?

  @Option(help: ArgumentHelp("Connections that one address may hold (default: 256).", valueName: "n|off"))
  var addressLimits: String?

  @Option(
    help: ArgumentHelp(
      "Rooms that clients of one address may begin in an hour, if they have no token (default: 200).",
      valueName: "n|off"))
  var addressRooms: String?

  @Option(help: ArgumentHelp("Connections that the clients of one tenant may hold (default: off).", valueName: "n|off"))
  var tenantConnections: String?

  @Option(
    help: ArgumentHelp(
      "Messages per second of all clients of one tenant together (default: off).", valueName: "n|off"))
  var tenantMessages: String?

  @Option(
    help: ArgumentHelp(
      "Requests for records per second of one API key, or of one address without a key (default: 100).",
      valueName: "n|off"))
  var keyRate: String?

  @Option(help: ArgumentHelp("Rooms that may begin in an hour for one tenant (default: off).", valueName: "n|off"))
  var tenantRooms: String?

  @Option(
    help: ArgumentHelp(
      "Memory for rooms, by their own estimate; when it is full, rooms without clients leave and new ones are turned "
        + "away (default: 1024).", valueName: "MiB|off"))
  var roomMemory: String?

  @Option(
    help: ArgumentHelp(
      "Messages per second that a connection may send beyond its burst of 500 (default: 100).", valueName: "n|off"))
  var messageRate: String?

  @Option(help: ArgumentHelp("The largest message of a client, in bytes (default: 65536).", valueName: "bytes"))
  var maxMessageBytes: Int?

  @Option(
    help: ArgumentHelp("Origins that may open a WebSocket, separated by commas (default: any).", valueName: "origins"))
  var origins: String?

  @Option(help: ArgumentHelp("Event loops (default: half the processors, at least one).", valueName: "n"))
  var loops: Int?

  @Option(
    help: ArgumentHelp("The currency of new orders, with its minor digits (default: INR/2).", valueName: "code/digits"))
  var currency: String?

  @Option(
    help: ArgumentHelp("How long an order may lie untouched before it expires (default: 86400).", valueName: "seconds"))
  var idleLimit: Int?

  @Option(
    help: ArgumentHelp(
      "How long after its start an order expires whatever happens (default: never).", valueName: "seconds|off"))
  var orderDeadline: String?

  @Option(help: ArgumentHelp("How phone numbers look (default: ten-digits).", valueName: "ten-digits|e164"))
  var phone: String?

  @Flag(
    help: "Let tenants have webhooks sent to addresses of this machine and of private networks, and without TLS.")
  var webhookPrivateAddresses = false

  @Option(help: ArgumentHelp("How long a room without clients stays in memory (default: 60).", valueName: "seconds"))
  var roomIdle: Int?

  @Option(
    help: ArgumentHelp(
      "How long clients may be away and still get what they missed one by one (default: 86400).", valueName: "seconds"))
  var journalRetention: Int?

  @Option(
    help: ArgumentHelp(
      "How long a room is kept after its order has ended, at least as long as the journal; off: for ever (default: 2592000).",
      valueName: "seconds|off"))
  var roomRetention: String?

  @Option(
    help: ArgumentHelp("trace, debug, info, notice, warning, error or critical (default: info).", valueName: "level"))
  var logLevel: String?

  @Option(help: ArgumentHelp("A JSON file with settings.", valueName: "file"))
  var config: String?
}
