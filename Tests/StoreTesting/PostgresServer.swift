internal import CPostgres
internal import Foundation
internal import Synchronization
internal import TestSupport

/// A PostgreSQL server of a test's own, from the system's packages, in a directory of its own; it listens on a socket
/// there and nowhere else. Durable as in production.
///
/// A shell minds the server. It waits for the end of a stream that this process alone can write to; so when this process
/// ends, however it ends, the shell stops the server and deletes the directory.
package final class PostgresServer: Sendable {
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  /// The one that most tests of a process share.
  package static func shared() async throws -> PostgresServer { try await sharedStart.value }

  private static let sharedStart = Task { try await PostgresServer() }

  /// Holds the socket, and the data in a folder of its own.
  package let directory: String
  private let commands: Int32
  private let databases = Atomic<Int>(0)

  /// Makes and starts a server.
  ///
  /// - Parameter primary: whose hot standby it is to be; nobody's by default.
  package convenience init(standbyOf primary: PostgresServer? = nil) async throws {
    let programs = try Self.programs()
    let directory = FileManager.default.temporaryDirectory.path + "/stonepot-pg-\(UUID().uuidString)"
    let result: Result<Int32, any Error> = await withUnsafeContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(
          returning: Result {
            try Self.start(in: directory, programs: programs, standbyOf: primary?.directory)
          })
      }
    }
    self.init(directory: directory, commands: try result.get())
    try await waitUntilItAnswers()
  }

  private init(directory: String, commands: Int32) {
    self.directory = directory
    self.commands = commands
  }

  deinit { close(commands) }

  /// The folder of the newest server that is installed.
  private static func programs() throws -> String {
    let root = "/usr/lib/postgresql"
    let versions =
      FileManager.default.fileExists(atPath: root) ? try FileManager.default.contentsOfDirectory(atPath: root) : []
    let found = versions.compactMap { Int($0) }.sorted().last { version in
      FileManager.default.isExecutableFile(atPath: "\(root)/\(version)/bin/postgres")
    }
    guard let found else {
      throw Failure(description: "there is no PostgreSQL server under \(root); install the package postgresql")
    }
    return "\(root)/\(found)/bin"
  }

  /// `$1` is the directory, `$2` the programs' folder, `$3` the primary's directory if there is one.
  private static let minder = """
    umask 077
    as=
    mkdir "$1" || exit 1
    if [ "$(id -u)" = 0 ]; then
      chown nobody "$1"
      as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
    fi
    cd "$1" || exit 1
    if [ -n "$3" ]; then
      $as "$2/pg_basebackup" -D data -h "$3" -U stonepot -R -X stream --checkpoint=fast > log 2>&1 < /dev/null
    else
      $as "$2/initdb" -D data -U stonepot -A trust -E UTF8 --locale=C --no-sync --no-instructions > log 2>&1 < /dev/null
    fi
    start() {
      $as "$2/postgres" -D data -k "$1" -c listen_addresses= -c max_connections=300 -c shared_buffers=32MB \\
        -c log_min_messages=error -c track_activity_query_size=16384 >> log 2>&1 < /dev/null &
      server=$!
    }
    start "$1" "$2"
    while read -r command; do
      case $command in
      stop) kill -QUIT $server; wait $server ;;
      start) start "$1" "$2" ;;
      esac
    done
    kill -CONT $server; kill -QUIT $server; wait $server
    cd / && rm -rf "$1"
    """

  private static func start(in directory: String, programs: String, standbyOf primary: String?) throws -> Int32 {
    var ends: [Int32] = [0, 0]
    // Nobody else may inherit the end that is written to, or the shell would not notice that this process is gone.
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw POSIXError(.EMFILE) }
    defer { close(ends[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
    // Other tests have thousands of sockets open, which would leave the server none.
    addClosing(&actions, 3)
    // A session of its own: keys that stop the tests are for the tests, not for the shell.
    let words = ["setsid", "/bin/sh", "-c", minder, "postgres-minder", directory, programs, primary ?? ""]
    let arguments = words.map { word in strdup(word) }
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    let code = posix_spawnp(&pid, "setsid", &actions, nil, arguments + [nil], environ)
    guard code == 0 else {
      close(ends[1])
      throw POSIXError(POSIXErrorCode(rawValue: code) ?? .ENOENT)
    }
    return ends[1]
  }

  // MARK: Using it

  package func url(of database: String) -> String { "postgres:///\(database)?host=\(directory)&user=stonepot" }

  /// The address of a new, empty database.
  package func makeDatabase() throws -> String {
    let name = "test_\(databases.add(1, ordering: .relaxed).newValue)"
    try RawPostgres(url(of: "postgres")).query("CREATE DATABASE \(name) TEMPLATE template0")
    return url(of: name)
  }

  /// Stops it as a machine would that loses its power, and waits until nobody can connect.
  package func stop() async {
    say("stop")
    while isAnswering, !Task.isCancelled { await Task.yield() }
  }

  package func start() async throws {
    say("start")
    try await waitUntilItAnswers()
  }

  private func say(_ command: String) {
    let bytes = Array((command + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(commands, $0.baseAddress, $0.count) }
  }

  private var isAnswering: Bool { PQping(url(of: "postgres")) == PQPING_OK }

  private func waitUntilItAnswers() async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(180)
    while !isAnswering {
      guard clock.now < deadline else {
        let log = FileManager.default.contents(atPath: directory + "/log").map { String(decoding: $0, as: UTF8.self) }
        throw Failure(description: "PostgreSQL does not answer: \(log ?? "it wrote no log")")
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }
}

/// A connection as psql would have it.
package final class RawPostgres {
  private let connection: OpaquePointer

  package init(_ url: String) throws {
    guard let connection = PQconnectdb(url), PQstatus(connection) == CONNECTION_OK else {
      throw RawError(message: "connect \(url)")
    }
    self.connection = connection
    PQsetNoticeProcessor(connection, { _, _ in }, nil)
    try query("SET search_path = stonepot, public")
  }

  deinit { PQfinish(connection) }

  /// The first column of each row, as text.
  @discardableResult
  package func query(_ sql: String) throws -> [String] {
    let result = PQexec(connection, sql)
    defer { PQclear(result) }
    guard [PGRES_COMMAND_OK, PGRES_TUPLES_OK].contains(PQresultStatus(result)) else {
      throw RawError(message: String(cString: PQerrorMessage(connection)))
    }
    return (0..<PQntuples(result)).map { row in
      PQgetisnull(result, row, 0) == 1 ? "NULL" : String(cString: PQgetvalue(result, row, 0))
    }
  }
}
