internal import CPostgres
internal import Foundation

/// One connection, used by one thread at a time, which it blocks, but never for longer than a statement's time.
///
/// libpq's own blocking calls would wait for ever for a server that stands still while its kernel answers. So the
/// statements are sent and their answers awaited by polling the socket.
final class PostgresConnection {
  private let pointer: OpaquePointer
  private var prepared: Set<String> = []
  /// Those of records, by their text.
  private var recordStatements: [String: PostgresStatement] = [:]
  private let clock = ContinuousClock()
  /// How long a statement may take.
  var answerTimeout: Duration
  /// Of the server's write-ahead log, when the connection was made.
  var timeline: Int64 = 0

  /// Connects.
  ///
  /// What the URL says wins over these defaults: a server that is gone is found within seconds, not hours.
  init(_ settings: PostgresConfiguration) throws(PostgresFailure) {
    answerTimeout = settings.answerTimeout
    let seconds = max(2, settings.connectTimeout.components.seconds)
    let options: [(String, String)] = [
      ("connect_timeout", "\(seconds)"), ("keepalives_idle", "5"), ("keepalives_interval", "2"),
      ("keepalives_count", "3"), ("tcp_user_timeout", "\(settings.answerTimeout.components.seconds * 1000)"),
      ("fallback_application_name", "stonepot"), ("dbname", settings.url), ("client_encoding", "UTF8"),
    ]
    let names = options.map { strdup($0.0) }
    let values = options.map { strdup($0.1) }
    defer { for text in names + values { free(text) } }
    let pointer = (names.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { names in
      (values.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { values in
        PQconnectdbParams(names.baseAddress, values.baseAddress, 1)
      }
    }
    guard let pointer else { throw .lost("out of memory") }
    guard PQstatus(pointer) == CONNECTION_OK else {
      defer { PQfinish(pointer) }
      throw .lost(Self.message(of: pointer))
    }
    self.pointer = pointer
    PQsetnonblocking(pointer, 1)
    PQsetNoticeProcessor(pointer, { _, _ in }, nil)
  }

  deinit { PQfinish(pointer) }

  /// From 0 to below 1, another one for each connection of a server: by the number of its process.
  var share: Double { Double(PQbackendPID(pointer) % 16) / 16 }

  /// Whether the server has not ended the connection meanwhile, as far as its kernel has told ours.
  var isSound: Bool {
    guard PQstatus(pointer) == CONNECTION_OK else { return false }
    var poller = pollfd(fd: PQsocket(pointer), events: Int16(POLLIN), revents: 0)
    while poll(&poller, 1, 0) > 0 {
      // Something came unasked: a notice, or the reason of the end and then the end.
      guard PQconsumeInput(pointer) == 1, PQstatus(pointer) == CONNECTION_OK else { return false }
    }
    return true
  }

  // MARK: Statements

  /// Runs any number of statements without parameters, for set-up and for the borders of transactions.
  ///
  /// - Returns: the rows of the last one, in text format.
  @discardableResult
  func run(_ sql: String) throws(PostgresFailure) -> PostgresResult {
    try send { PQsendQuery(pointer, sql) }
  }

  /// Runs a prepared statement.
  func run(
    _ statement: PostgresStatement, _ parameters: PostgresParameters = PostgresParameters()
  ) throws(PostgresFailure) -> PostgresResult {
    if !prepared.contains(statement.name) {
      _ = try send { PQsendPrepare(pointer, statement.name, statement.sql, 0, nil) }
      prepared.insert(statement.name)
    }
    let count = parameters.places.count
    let lengths = parameters.places.map { Int32($0?.count ?? 0) }
    let formats = [Int32](repeating: 1, count: count)
    let result = parameters.bytes.withUnsafeBytes { bytes in
      // An empty buffer may have no address, which libpq would take for NULL.
      let empty: StaticString = ""
      let start = bytes.baseAddress ?? UnsafeRawPointer(empty.utf8Start)
      let values = parameters.places.map { place in
        place.map { (start + $0.lowerBound).assumingMemoryBound(to: CChar.self) }
      }
      return Result { () throws(PostgresFailure) in
        try send { PQsendQueryPrepared(pointer, statement.name, Int32(count), values, lengths, formats, 1) }
      }
    }
    return try result.get()
  }

  /// Runs `body` in a transaction, which is rolled back if it throws.
  func transaction<Value>(_ begin: String = "BEGIN", _ body: () throws -> Value) throws -> Value {
    try run(begin)
    let value: Value
    do {
      value = try body()
    } catch {
      if let failure = error as? PostgresFailure, failure.isConnectionLost { throw failure }
      try run("ROLLBACK")
      throw error
    }
    try run("COMMIT")
    return value
  }

  /// A statement that has no name of its own.
  func statement(for sql: String) -> PostgresStatement {
    if let known = recordStatements[sql] { return known }
    let statement = PostgresStatement("record_\(recordStatements.count)", sql)
    recordStatements[sql] = statement
    return statement
  }

  // MARK: Waiting

  private func send(_ statement: () -> Int32) throws(PostgresFailure) -> PostgresResult {
    let deadline = clock.now + answerTimeout
    guard statement() == 1 else { throw .lost(Self.message(of: pointer)) }
    // While the server's buffer is full, what it says must be read, or both wait for each other.
    while true {
      let rest = PQflush(pointer)
      guard rest >= 0 else { throw .lost(Self.message(of: pointer)) }
      if rest == 0 { break }
      if try wait(for: Int16(POLLIN | POLLOUT), until: deadline) & Int16(POLLIN) != 0 { try consume() }
    }
    var last: PostgresResult?
    var failure: PostgresFailure?
    while true {
      while PQisBusy(pointer) == 1 {
        _ = try wait(for: Int16(POLLIN), until: deadline)
        try consume()
      }
      guard let result = PQgetResult(pointer) else { break }
      switch PQresultStatus(result) {
      case PGRES_COMMAND_OK, PGRES_TUPLES_OK:
        last = PostgresResult(result)
      default:
        failure = failure ?? self.failure(result)
        PQclear(result)
      }
    }
    if PQstatus(pointer) != CONNECTION_OK { throw .lost(failure?.message ?? Self.message(of: pointer)) }
    if let failure { throw failure }
    guard let last else { throw .lost("the server gave no answer") }
    return last
  }

  private func consume() throws(PostgresFailure) {
    guard PQconsumeInput(pointer) == 1 else { throw .lost(Self.message(of: pointer)) }
  }

  private func wait(
    for events: Int16, until deadline: ContinuousClock.Instant
  ) throws(PostgresFailure) -> Int16 {
    while true {
      let left = deadline - clock.now
      guard left > .zero else { throw .lost("the server has not answered within \(answerTimeout)") }
      let (seconds, attoseconds) = left.components
      var poller = pollfd(fd: PQsocket(pointer), events: events, revents: 0)
      // Rounded up, so that the last round does not spin.
      let count = poll(&poller, 1, Int32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1))
      if count > 0 { return poller.revents }
      guard count == 0 || errno == EINTR else { throw .lost(String(cString: strerror(errno))) }
    }
  }

  private func failure(_ result: OpaquePointer) -> PostgresFailure {
    func field(_ name: Character) -> String? {
      PQresultErrorField(result, Int32(name.asciiValue ?? 0)).map { String(cString: $0) }
    }
    let message = field("M") ?? Self.message(of: pointer)
    return PostgresFailure(
      state: field("C") ?? "", message: message, isConnectionLost: PQstatus(pointer) != CONNECTION_OK)
  }

  private static func message(of pointer: OpaquePointer) -> String {
    let text = String(cString: PQerrorMessage(pointer))
    return text.split(separator: "\n").map { $0.drop { $0 == " " || $0 == "\t" } }.joined(separator: "; ")
  }
}
