public import RoomCore

/// Where rooms live when no process does: their journal, their snapshots, their timers, and who owns which slot.
///
/// One contract suite holds every engine to what is said here. All calls return without blocking the caller's thread;
/// the engines do their blocking work on threads of their own.
///
/// Fencing: each write names a slot and the epoch at which its decision was made, and the store checks both in the
/// transaction that writes. A write under an epoch that is not the slot's present one changes nothing.
///
/// A write other than `commit` that throws `.unavailable` may have been done: whoever needs to know reads. Cancelling
/// the calling task has no effect on a call.
public protocol RoomStore: Sendable {
  /// What the deployment says about itself, made with the store.
  var identity: StoreIdentity { get }

  /// What the store has done since it was opened.
  var statistics: StoreStatistics { get }

  // MARK: Ownership

  /// Claims slots for a node: for each, the epoch is raised by one and the owner set, if the slot still stands at the
  /// epoch that the claim expects.
  ///
  /// - Returns: the slots that were claimed, at their new epochs. The others had moved on.
  func claim(_ claims: [SlotClaim], for node: NodeID) async throws(StoreError) -> [Slot: Epoch]

  /// Gives slots up: the owner becomes nobody, if the slot still stands at the epoch given. The epoch stays.
  func release(_ slots: [Slot: Epoch]) async throws(StoreError)

  /// All slots, in order.
  func slots() async throws(StoreError) -> [SlotRecord]

  // MARK: Nodes

  /// Says that a node lives: writes its row, or refreshes it, at the present time of the store's own clock.
  ///
  /// Rows that were not refreshed for seven days are deleted on the way.
  ///
  /// - Parameters:
  ///   - address: where the node's peers reach it.
  ///   - pid: its process on its machine.
  func beat(_ node: NodeID, address: String, pid: Int32) async throws(StoreError)

  /// All nodes that have a row, in the order of their names, whether they still live or not: that is for the reader to
  /// judge by the age of their last heartbeat.
  func nodes() async throws(StoreError) -> [NodeRecord]

  /// Deletes a node's row, if it has one.
  func forget(_ node: NodeID) async throws(StoreError)

  // MARK: Rooms

  /// Adds one commit to the journal, in one transaction with whatever other commits wait at that time.
  ///
  /// The outcome is delivered through the commit's lane. The calls of one room must not overlap: the next is made when
  /// the outcome of the last is known. The same commit sent again, identical in all it writes, is `.committed` if the
  /// journal has it already.
  func commit(_ commit: RoomCommit, completion: @escaping @Sendable (CommitOutcome) -> Void)

  /// The newest snapshot of a room and all that its journal has beyond it; nil if the room was never written. Whatever
  /// was committed before the call is in it.
  ///
  /// - Throws: `.corrupt` if the journal does not continue the snapshot without a gap.
  func load(_ room: RoomID) async throws(StoreError) -> StoredRoom?

  /// What the journal has of a room above `after`, up to and including `through`, in order. The first row may begin
  /// at or below `after`, as rows are those of the commits.
  ///
  /// - Returns: nil if the journal no longer reaches back to `after`; nothing if the room ends there, or is not.
  func journal(
    of room: RoomID, after: SequenceNumber, through: SequenceNumber
  ) async throws(StoreError) -> [JournalRow]?

  /// Saves a snapshot, unless a newer one is there.
  ///
  /// - Returns: false if the epoch is not the slot's present one.
  /// - Throws: `.refused` if the room is not there, is in another slot, or ends before the snapshot.
  func saveSnapshot(_ snapshot: RoomSnapshot, slot: Slot, epoch: Epoch) async throws(StoreError) -> Bool

  /// Deletes rows of the journal that the room's snapshot covers and that were written before `time`, at most `limit`
  /// rows, in slots that are still at the epochs given. A room's journal loses its oldest rows first, and never gets a
  /// hole.
  ///
  /// - Returns: how many rows were deleted.
  func trimJournal(
    before time: Timestamp, in slots: [Slot: Epoch], limit: Int
  ) async throws(StoreError) -> Int

  /// Deletes a room with all that the store has of it. Afterwards it is as if it had never been written: its name may be
  /// used for another room, which begins at the first position again.
  ///
  /// - Parameter head: where the room was when it was found to be of no more use.
  /// - Returns: false if the epoch is not the slot's present one.
  /// - Throws: `.refused` if the room is not there, is in another slot, or does not end at `head`.
  func deleteRoom(
    _ room: RoomID, endingAt head: SequenceNumber, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool

  // MARK: Timers

  /// Timers that are due at `now`, in slots that are at the epochs given, the longest due first. Those of one time come
  /// in an order that stays.
  ///
  /// - Parameter after: one that an earlier call gave: those up to it are passed over, whatever became of it.
  func dueTimers(
    at now: Timestamp, in slots: [Slot: Epoch], after: DueTimer?, limit: Int
  ) async throws(StoreError) -> [DueTimer]

  /// Sets or clears a room's timer without an event.
  ///
  /// - Returns: false if the epoch is not the slot's present one.
  /// - Throws: `.refused` if the room is not there, or is in another slot.
  func setTimer(
    _ due: Timestamp?, of room: RoomID, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool

  // MARK: Looking in

  /// Rooms in the order of their names, beginning after `after`.
  func rooms(after: RoomID?, limit: Int) async throws(StoreError) -> [RoomSummary]

  /// Writes a room that is not there yet, as one journal or one snapshot with a journal beyond it. `timer` counts, not
  /// the content's own. Rows under epochs beyond the present one of the room's slot are written under that one.
  ///
  /// - Throws: `.refused` if the room exists, or its content has a gap.
  func importRoom(_ room: RoomID, _ content: StoredRoom, timer: Timestamp?) async throws(StoreError)

  /// Whether the store takes writes right now; for the readiness probe.
  func checkHealth() async throws(StoreError)

  /// Finishes what was submitted and closes. Further calls fail with `.closed`.
  func close() async
}

/// What tells one deployment's store from another's.
public struct StoreIdentity: Sendable, Equatable {
  public let cluster: String
  /// Changes whenever the store's past does: a new store, or one restored from a backup. A client's `since` is good
  /// only within one history.
  public let history: String

  public init(cluster: String, history: String) {
    self.cluster = cluster
    self.history = history
  }
}

/// What a node last said of itself.
public struct NodeRecord: Sendable, Equatable {
  public let node: NodeID
  public let address: String
  public let pid: Int32
  /// Since its last heartbeat, measured by the store's clock alone. Never negative.
  public let age: Duration

  public init(node: NodeID, address: String, pid: Int32, age: Duration) {
    self.node = node
    self.address = address
    self.pid = pid
    self.age = age
  }
}

/// The events that one room adds at once.
public struct RoomCommit: Sendable {
  public let room: RoomID
  public let slot: Slot
  public let epoch: Epoch
  /// The position of the first event; the journal must end right before it.
  public let first: SequenceNumber
  public let count: Int
  /// JSON text; the store does not look inside.
  public let text: [UInt8]
  public let at: Timestamp
  public let timer: TimerChange
  /// Written with the events, for whoever deals with them: see `RecordTransaction.reports`.
  public let reports: [RoomReport]
  public let lane: any CompletionLane

  public init(
    room: RoomID, slot: Slot, epoch: Epoch, first: SequenceNumber, count: Int, text: [UInt8], at: Timestamp,
    timer: TimerChange, reports: [RoomReport] = [], lane: any CompletionLane
  ) {
    precondition(count > 0, "a commit of room \(room) has no events")
    self.room = room
    self.slot = slot
    self.epoch = epoch
    self.first = first
    self.count = count
    self.text = text
    self.at = at
    self.timer = timer
    self.reports = reports
    self.lane = lane
  }

  public var last: SequenceNumber { first.advanced(by: count - 1) }

  /// Of all that it writes.
  var textBytes: Int { reports.reduce(text.count) { $0 + $1.text.count } }
}

public enum TimerChange: Sendable, Equatable {
  case keep
  case set(Timestamp)
  case clear
}

/// A room's timer, when it is due.
public struct DueTimer: Sendable, Equatable {
  public let room: RoomID
  public let due: Timestamp

  public init(room: RoomID, due: Timestamp) {
    self.room = room
    self.due = due
  }
}

/// Where the outcomes of commits are delivered: an event loop, or any other serial executor.
///
/// The store posts the outcomes of one transaction with a single call for each lane.
public protocol CompletionLane: AnyObject, Sendable {
  func post(_ work: @escaping @Sendable () -> Void)
}

public enum CommitOutcome: Sendable, Equatable {
  /// On disk.
  case committed
  /// The epoch is not the slot's present one: nothing was written.
  case stale
  /// The journal does not end right before `first`, or has something else there, or the room is in another slot:
  /// somebody else wrote, or this process is not what it thinks. Nothing was written; the room must be loaded anew.
  case conflict
  /// Nothing was written. The same commit may be sent again, unless the error concerns its content.
  case failed(StoreError)
  /// Whether it was written cannot be told; the room must be loaded anew before it answers anything.
  case unknown(StoreError)
}

public struct JournalRow: Sendable, Equatable {
  public let first: SequenceNumber
  public let count: Int
  public let epoch: Epoch
  public let at: Timestamp
  public let text: [UInt8]

  public init(first: SequenceNumber, count: Int, epoch: Epoch, at: Timestamp, text: [UInt8]) {
    self.first = first
    self.count = count
    self.epoch = epoch
    self.at = at
    self.text = text
  }

  public var last: SequenceNumber { first.advanced(by: count).advanced(by: -1) }
}

public struct RoomSnapshot: Sendable, Equatable {
  public let room: RoomID
  /// The position of the last event that the snapshot contains.
  public let sequence: SequenceNumber
  public let text: [UInt8]

  public init(room: RoomID, sequence: SequenceNumber, text: [UInt8]) {
    self.room = room
    self.sequence = sequence
    self.text = text
  }
}

public struct StoredRoom: Sendable, Equatable {
  public let snapshot: RoomSnapshot?
  /// In order; the first row may begin at or below the snapshot's position.
  public let journal: [JournalRow]
  public let timer: Timestamp?

  public init(snapshot: RoomSnapshot?, journal: [JournalRow], timer: Timestamp?) {
    self.snapshot = snapshot
    self.journal = journal
    self.timer = timer
  }
}

public struct RoomSummary: Sendable, Equatable {
  public let room: RoomID
  public let slot: Slot
  public let head: SequenceNumber
  public let snapshot: SequenceNumber?
  public let updatedAt: Timestamp

  public init(
    room: RoomID, slot: Slot, head: SequenceNumber, snapshot: SequenceNumber?, updatedAt: Timestamp
  ) {
    self.room = room
    self.slot = slot
    self.head = head
    self.snapshot = snapshot
    self.updatedAt = updatedAt
  }
}

/// Why a store did not do what it was asked.
public enum StoreError: Error, Sendable, Equatable {
  /// The engine cannot work now: disk full, file read-only, locked, connection refused. A later try may succeed.
  case unavailable(String)
  /// What the store holds is damaged.
  case corrupt(String)
  /// The store is not the one that was expected, or is in use by somebody else; the message says what to do.
  case refused(String)
  case closed

  public var message: String {
    switch self {
    case .unavailable(let reason): "the store is unavailable: \(reason)"
    case .corrupt(let reason): "the store is damaged: \(reason)"
    case .refused(let reason): reason
    case .closed: "the store is closed"
    }
  }

  /// Whether it is about what was to be stored, and not about the store's condition.
  public var concernsContent: Bool {
    switch self {
    case .refused, .corrupt: true
    case .unavailable, .closed: false
    }
  }
}
