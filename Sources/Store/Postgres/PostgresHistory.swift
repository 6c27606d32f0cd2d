internal import RoomCore
internal import Synchronization

/// Whether the store still is the one that was told of.
///
/// A standby that is promoted, or a backup that is restored, begins a new timeline, and may lack what the old server had
/// committed and told. So whoever finds a new timeline asks for a witness: the last commit that this process was told
/// is on disk. The log that standbys follow is one sequence, and the writer has one commit after another, so if the
/// witness is there, all that this process was told before is there too. If it is not, or if there is no witness, as in
/// a process that has just started, the store gets a new history: clients then ask for all anew, which is always right.
///
/// What other processes were told is for them to look after; whoever is the first to miss something makes the new
/// history, and the others find it when they connect anew, or with their next heartbeat.
final class PostgresHistory: Sendable {
  private struct State {
    var identity: StoreIdentity
    var timeline: Int64
    var lastCommit: RoomCommit?
    /// All histories that this process has known. A new one is none of them.
    var known: Set<String>

    init(_ identity: StoreIdentity, timeline: Int64) {
      self.identity = identity
      self.timeline = timeline
      known = [identity.history]
    }
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

  /// The witness.
  var lastCommit: RoomCommit? {
    get { state.withLock { $0.lastCommit } }
    set { state.withLock { $0.lastCommit = newValue } }
  }

  /// To be called with every new connection.
  func look(at greeting: PostgresDatabase.Greeting, on connection: PostgresConnection) throws(StoreError) {
    let known = state.withLock { $0 }
    guard greeting.identity.cluster == known.identity.cluster else {
      throw .unavailable("the database is not the one that was opened")
    }
    var identity = greeting.identity
    let isNew = greeting.timeline != known.timeline || greeting.timeline != greeting.notedTimeline
    if settings.migrates, isNew {
      do {
        var isRewound = greeting.identity.history == known.identity.history
        if isRewound, let witness = known.lastCommit { isRewound = try !PostgresCommits.has(witness, on: connection) }
        identity = try PostgresDatabase.note(
          greeting, rewoundTo: isRewound ? Self.newHistory(settings, besides: known.known) : nil, on: connection)
      } catch {
        throw StoreError(postgres: error)
      }
    }
    adopt(identity, timeline: greeting.timeline)
  }

  /// To be called now and then with the history that the database has.
  func look(at history: String) {
    let known = state.withLock { $0 }
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
      return true
    }
    if isNew { settings.historyChanged?(identity) }
  }
}
