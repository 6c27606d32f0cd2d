internal import RoomCore
internal import Synchronization

/// Whether the store still is the one that was told of.
///
/// A standby that is promoted, or a backup that is restored, begins a new timeline, and may lack what the old server had
/// committed and told. So whoever finds a new timeline asks for a witness: the last commit that this process was told
/// is on disk, or a heartbeat of its own, if either was sent after all else that the process had been told by then. The
/// log that standbys follow is one sequence, so if the witness is there, all that this process was told before is there
/// too. If it is not, or if there is no witness, as in a process that has just started or has just been given a slot, the
/// store gets a new history: clients then ask for all anew, which is always right.
///
/// An old primary that nobody fenced may go on answering on connections that were made before. What it says counts for
/// nothing once another connection has found the new timeline: it is as if the connection had been lost.
///
/// What other processes were told is for them to look after; whoever is the first to miss something makes the new
/// history, and the others find it when they connect anew, or with their next heartbeat.
final class PostgresHistory: Sendable {
  private struct State {
    var identity: StoreIdentity
    /// The latest that any connection has found.
    var timeline: Int64
    /// The latest that was looked at for what is missing.
    var verified: Int64
    /// The last commit that was told, unless a claim was told since it was sent.
    var lastCommit: RoomCommit?
    /// The last heartbeat, unless anything was told since it was sent.
    var lastBeat: Beat?
    /// How many commits and claims this process was told of.
    var told = 0
    /// How many of these were claims.
    var claims = 0
    /// All histories that this process has known. A new one is none of them.
    var known: Set<String>

    init(_ identity: StoreIdentity, timeline: Int64) {
      self.identity = identity
      self.timeline = timeline
      verified = timeline
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

  /// Of the server whose answers count.
  var timeline: Int64 { state.withLock { $0.timeline } }

  // MARK: What was told

  /// Takes what commits became, and remembers the last one as a witness.
  ///
  /// - Throws: if the server that answered was replaced meanwhile; nobody may be told then.
  func commit(
    _ commits: ArraySlice<RoomCommit>, on connection: PostgresConnection,
    _ write: () throws(PostgresFailure) -> [CommitOutcome]
  ) throws(PostgresFailure) -> [CommitOutcome] {
    let claims = state.withLock { $0.claims }
    let outcomes = try write()
    guard let last = outcomes.lastIndex(of: .committed) else { return outcomes }
    try told(on: connection) { state in
      state.told += 1
      state.lastBeat = nil
      state.lastCommit = state.claims == claims ? commits[commits.startIndex + last] : nil
    }
    return outcomes
  }

  /// Takes which slots a node was given.
  ///
  /// An epoch that was lost would be given again, so what was written before a claim is no witness any more.
  ///
  /// - Throws: as for commits.
  func claim(on connection: PostgresConnection, _ write: () throws -> [Slot: Epoch]) throws -> [Slot: Epoch] {
    let given = try write()
    guard !given.isEmpty else { return given }
    try told(on: connection) { state in
      state.told += 1
      state.claims += 1
      state.lastBeat = nil
      state.lastCommit = nil
    }
    return given
  }

  /// Writes a heartbeat, and remembers it if it is as good a witness as the last commit.
  ///
  /// - Throws: as for commits.
  func beat(on connection: PostgresConnection, _ write: () throws -> Beat) throws {
    let before = state.withLock { $0.told }
    let beat = try write()
    try told(on: connection) { state in
      if state.told == before { state.lastBeat = beat }
    }
  }

  /// Makes sure that what was written is not on a server that was replaced meanwhile.
  ///
  /// - Throws: as for commits.
  func written(on connection: PostgresConnection) throws(PostgresFailure) { try told(on: connection) { _ in } }

  private func told(on connection: PostgresConnection, _ note: (inout State) -> Void) throws(PostgresFailure) {
    let isPresent = state.withLock { state in
      guard connection.timeline == state.timeline else { return false }
      note(&state)
      return true
    }
    guard isPresent else { throw .lost("the server was replaced by another before its answer was taken") }
  }

  // MARK: Looking

  /// To be called with every new connection.
  ///
  /// - Throws: also if another connection has found a later timeline: the server is a primary that was replaced, and that
  ///   nobody fenced. After an older backup was put in its place, processes have to start anew.
  func look(at greeting: PostgresDatabase.Greeting, on connection: PostgresConnection) throws(StoreError) {
    let known = state.withLock { state in
      // From now on no older server's answer counts, so that nothing is told while its witness is looked for.
      state.timeline = max(state.timeline, greeting.timeline)
      return state
    }
    guard greeting.identity.cluster == known.identity.cluster else {
      throw .unavailable("the database is not the one that was opened")
    }
    guard greeting.timeline == known.timeline else {
      throw .unavailable(
        "the server was replaced: it is on timeline \(greeting.timeline), another on \(known.timeline)")
    }
    var identity = greeting.identity
    // One that this process has left behind: the store was rewound beyond the next one's beginning, or another connection
    // has noted that while the greeting was being read.
    let isPast =
      greeting.identity.history != known.identity.history && known.known.contains(greeting.identity.history)
    let isNew = greeting.timeline != known.verified || greeting.timeline != greeting.notedTimeline || isPast
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
    adopt(identity, verified: greeting.timeline)
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
    adopt(StoreIdentity(cluster: known.identity.cluster, history: history))
  }

  /// - Parameter verified: the timeline that has all that was told, or has a new history; nil if nobody has looked.
  private func adopt(_ identity: StoreIdentity, verified timeline: Int64? = nil) {
    let isNew = state.withLock { state in
      let isNew = state.identity != identity
      if isNew {
        state.lastCommit = nil
        state.lastBeat = nil
      }
      state.identity = identity
      state.verified = max(state.verified, timeline ?? 0)
      state.known.insert(identity.history)
      return isNew
    }
    if isNew { settings.historyChanged?(identity) }
  }
}
