/// What a gateway bears from its clients. Every value is a bound; each comment says what moving it costs.
package struct GatewaySettings: Sendable {
  package var host = "127.0.0.1"
  package var port = 1999
  /// The largest message of a client, in bytes. A dish with its customization takes a few hundred.
  package var maxMessageBytes = 64 * 1024
  /// The largest message on the echo endpoint, in bytes.
  package var maxEchoBytes = 16 * 1024 * 1024
  /// Messages that a connection may send at once, and how many more each second. `messagesPerSecond` 0 takes the limit
  /// away. A burst of several hundred is what clients send that were offline for a while.
  package var messageBurst = 500
  package var messagesPerSecond = 100
  /// Messages over the limit after which a connection is closed instead of told.
  package var rateStrikes = 1000
  /// Control frames, and parts of messages, that a connection may send at once, and how many more each second. A browser
  /// sends one pong for each ping and never cuts a message; a message of the largest size in pieces of 4 KiB takes 16.
  /// `framesPerSecond` 0 takes the limit away.
  package var frameBurst = 500
  package var framesPerSecond = 100
  /// Connections that one address may hold; nil: any number. A household behind one address needs a few, a load
  /// balancer in front of the gateway all of them.
  package var connectionsPerAddress: Int? = 256
  /// Connections that the clients of one tenant may hold; nil: any number.
  package var connectionsPerTenant: Int?
  /// Messages a second of all clients of one tenant together, of which five seconds' worth may come at once; nil: any
  /// number. `messagesPerSecond` still holds each client, so that one cannot use up its tenant's share.
  package var messagesPerTenant: Int?
  /// Requests for records that one API key, or one address without a key, may make a second, of which two seconds' worth
  /// may come at once; nil: any number. A tenant's servers that ask for several customers at each call need some tens.
  package var requestsPerSecond: Int? = 100
  /// Connections that the gateway holds at all.
  package var maxConnections = 50_000
  /// Bytes that may wait for a client. Above, it gets no more changes but one fresh state when it has caught up.
  package var outboxBytes = 256 * 1024
  /// Changes that may wait for a resuming client until what it missed has been read; beyond, it gets the state instead.
  package var resumeBacklog = 1000
  /// Where rooms move, a client's credit: operations that may be on their way to its room, or wait for its next owner,
  /// without an answer; more are refused as `overloaded`. As many as a room's mailbox takes at once.
  package var unsettledOperations = 1024
  /// Bytes that these may take. An ordinary operation takes about 300; a burst of several hundred fits.
  package var unsettledBytes = 512 << 10
  /// How long a client may take to catch up before it is cut.
  package var lagLimit: Duration = .seconds(30)
  /// How long a connection may be silent before it is pinged.
  package var pingAfter: Duration = .seconds(20)
  /// How long it may then stay silent before it is cut.
  package var pongWithin: Duration = .seconds(20)
  /// How long the peer may take to answer a close.
  package var closeWithin: Duration = .seconds(5)
  /// How long a new connection may take to send its first request's head, the TLS handshake included.
  package var firstRequestWithin: Duration = .seconds(10)
  /// How long an HTTP connection may lie idle, how long a request may take from its head to its end, and how long a
  /// piece of an answer may wait for the client. Over HTTP/2 one request and its answer have this time together.
  package var idleHTTP: Duration = .seconds(50)
  /// Origins that may open a WebSocket; empty: any. Requests without an `Origin` do not come from a browser.
  package var allowedOrigins: Set<String> = []
  /// Whether clients may come to rooms here. If not, the port is for probes, metrics and operators alone.
  package var takesClients = true
  /// Serves a plain echo beside the rooms, for conformance suites.
  package var servesEcho = false
  /// What TLS is spoken with; nil: the port takes plain connections.
  package var certificate: ServerCertificate?
  /// How clients reach this server's WebSockets, as `wss://orders.example.com`; nil: as whoever asks has reached it.
  package var publicURL: String?
  /// Checks tokens; nil: everybody is who they say they are.
  package var tokens: RoomTokens?
  /// Lets its bearer change the cluster; nil: nobody may.
  package var adminToken: AdminToken?

  package init() {}
}
