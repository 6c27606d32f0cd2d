internal import RoomCore
internal import Synchronization

/// Whether the store still is the one that was told of.
///
/// A standby that is promoted, or a backup that is restored, begins a new timeline, and may lack what the old server had
/// committed and told. So whoever finds a new timeline asks for a witness: the last commit that this process was told
/// is on disk, or a heartbeat of its own from a time when it had been told of all of them. The log that standbys follow is
/// one sequence, so if the witness is there, all that this process was told before is there too. If it is not, or if there
/// is no witness, as in a process that has just started, the store gets a new history: clients then ask for all anew,
/// which is always right.
///
/// What other processes were told is for them to look after; whoever is the first to miss something makes the new
/// history, and the others find it when they connect anew, or with their next heartbeat.
final class PostgresHistory: Sendable {
  private struct State {
    var identity: StoreIdentity
    var timeline: Int64
    var lastCommit: RoomCommit?
    /// How many commits this process was told of.
    var commits = 0
    /// The last heartbeat that was written after all of these.
    var lastBeat: Beat?
    /// All histories that this process has known. A new one is none of them.
    var known: Set<String>

    init(_ identity: StoreIdentity, timeline: Int64) {
      self.identity = identity
      self.timeline = timeline
      known = [identity.history]
    }
  }

  /// A heartbeat as the store has it.
  struct Beat: Sendable {
    let node: NodeID
    /// In microseconds since 1970, by the server's clock.
    let writtenAt: Int64
  }

  private let settings: PostgresConfiguration
  private let state: Mutex<State>

  /// Looks at the database for the first time in this process.
  init(
    _ settings: PostgresConfiguration, _ greeting: PostgresDatabase.Greeting, on connection: PostgresConnection
  ) throws(StoreError) {
    self.settings = settings
    var identity = greeting.identity
    if settings.migrates, greeting.notedTimeline != greeting.timeline {
      do {
        identity = try PostgresDatabase.note(
          greeting, rewoundTo: Self.newHistory(settings, besides: [identity.history]), on: connection)
      } catch {
        throw StoreError(postgres: error)
      }
    }
    state = Mutex(State(identity, timeline: greeting.timeline))
  }

  /// The one that the settings have, or if that was used, as by the process that made the store, one after it.
  private static func newHistory(_ settings: PostgresConfiguration, besides known: Set<String>) -> String {
    var history = settings.history
    var number = 0
    while known.contains(history) {
      number += 1
      history = "\(settings.history).\(number)"
    }
    return history
  }

  var identity: StoreIdentity { state.withLock { $0.identity } }

  /// The process was told of commits, of which this is the last.
  func told(_ commit: RoomCommit) {
    state.withLock { state in
      state.lastCommit = commit
      state.commits += 1
      state.lastBeat = nil
    }
  }

  /// Writes a heartbeat, and remembers it if it is as good a witness as the last commit.
  func note(_ write: () throws -> Beat) throws {
    let commits = state.withLock { $0.commits }
    let beat = try write()
    state.withLock { state in
      if state.commits == commits { state.lastBeat = beat }
    }
  }

  /// To be called with every new connection.
  func look(at greeting: PostgresDatabase.Greeting, on connection: PostgresConnection) throws(StoreError) {
    let known = state.withLock { $0 }
    guard greeting.identity.cluster == known.identity.cluster else {
      throw .unavailable("the database is not the one that was opened")
    }
    var identity = greeting.identity
    // One that this process has left behind: the store was rewound beyond the next one's beginning, or another connection
    // has noted that while the greeting was being read.
    let isPast =
      greeting.identity.history != known.identity.history && known.known.contains(greeting.identity.history)
    let isNew = greeting.timeline != known.timeline || greeting.timeline != greeting.notedTimeline || isPast
    if settings.migrates, isNew {
      do {
        let isOthers = !known.known.contains(greeting.identity.history)
        let isKnown = try isOthers || (!isPast && hasWitness(known, connection))
        identity = try PostgresDatabase.note(
          greeting, rewoundTo: isKnown ? nil : Self.newHistory(settings, besides: known.known), on: connection)
      } catch {
        throw StoreError(postgres: error)
      }
    }
    adopt(identity, timeline: greeting.timeline)
  }

  /// The commit may have been trimmed, or deleted with its room.
  private func hasWitness(_ known: State, _ connection: PostgresConnection) throws -> Bool {
    if let commit = known.lastCommit, try PostgresCommits.has(commit, on: connection) { return true }
    guard let beat = known.lastBeat else { return false }
    return try PostgresReads.has(beat, on: connection)
  }

  /// To be called now and then with the history that the database has.
  func look(at history: String) {
    let known = state.withLock { $0 }
    // The present one, or one that another connection has left behind since it was read.
    if known.known.contains(history) { return }
    adopt(StoreIdentity(cluster: known.identity.cluster, history: history), timeline: known.timeline)
  }

  private func adopt(_ identity: StoreIdentity, timeline: Int64) {
    let isNew = state.withLock { state in
      defer {
        state.identity = identity
        state.timeline = timeline
        state.known.insert(identity.history)
      }
      guard state.identity != identity else { return false }
      state.lastCommit = nil
      state.lastBeat = nil
      return true
    }
    if isNew { settings.historyChanged?(identity) }
  }
}
