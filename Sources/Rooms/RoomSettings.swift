import RoomCore

/// How rooms are run. Every value has a bound for a reason; each comment says what moving it costs.
public struct RoomSettings: Sendable {
  /// Operations and relayed messages that may wait in a room's mailbox; one more is refused as `overloaded`. More
  /// absorbs longer stalls of the disk, at about 300 bytes each; fewer tells clients sooner.
  public var mailboxCapacity = 1024
  /// Bytes that these may take together, by their commands' own estimate. An ordinary one takes about 300; a text
  /// is checked only in its turn, so that until then it counts at its full length.
  public var mailboxBytes = 1 << 20
  /// Requests that one turn takes from the mailbox and commits together. More amortizes the commit; fewer lets the
  /// first of them out sooner.
  public var turnLimit = 128
  /// Bytes that a turn says to everybody, or as states, after which it takes no further request. Many small changes of
  /// a large order would else be gigabytes at once, as each is told with the whole order. More amortizes the commit of
  /// such an order; as much as a socket may have waiting would make every client lag.
  public var turnBytes = 128 << 10
  /// Events of one operation that the full dialect is told one by one, each with the whole order; of more, it is told
  /// what has become of them all.
  public var announcedSingly = 8
  /// Operations that a room remembers for its retries.
  public var dedupCapacity = DedupWindow.defaultCapacity
  /// Events after which a room saves a snapshot. More costs time when the room is loaded; fewer costs writes.
  public var snapshotInterval = 1024
  /// Events behind its snapshot that a room may leave to be replayed when it is handed off, while clients wait. More makes
  /// hand-offs cheaper, and the next load longer by about 2 microseconds each.
  public var replayedAfterMove = 128
  /// Events that a client may be behind and still get one by one; beyond, it gets the state.
  public var replayLimit = 1000
  /// How long a room without sessions stays in memory. Longer spares loads, shorter spares memory.
  public var idleBeforePassivation: Duration = .seconds(60)
  /// Bytes that the rooms in memory may take, by their own estimate; nil: any number. A room of five takes about 10 KiB,
  /// and its clients' connections 6 KiB each beside that. More keeps rooms without clients for longer; less lets them
  /// leave early, and turns new rooms away when those with clients fill it.
  public var memoryBytes: Int? = 1 << 30
  /// Rooms that clients of one address may begin in an hour, if no token vouches for them; nil: any number. A restaurant
  /// whose guests share an address needs as many as it has tables; each room is kept for `endedRetention`.
  public var addressRoomsPerHour: Int? = 200
  /// Rooms that may begin in an hour for one tenant; nil: any number.
  public var tenantRoomsPerHour: Int?
  /// How long sessions may take to come from a room's last owner before all are told who is there. Longer shows nobody
  /// as gone whose gateway is slow to notice; shorter shows sooner who is.
  public var presenceAfterMove: Duration = .seconds(2)
  /// How often due timers and idle rooms are looked for: the precision of deadlines.
  public var housekeepingInterval: Duration = .seconds(1)
  /// Rooms that one look for due timers wakes. More catches up sooner after a long stop; fewer loads rooms more evenly.
  public var timersPerLook = 256
  /// How long the journal is kept behind its snapshot, for clients that resume. At least 24 h are promised.
  public var journalRetention: Duration = .seconds(24 * 3600)
  /// How long a room is kept after its last event, if that has ended it; nil: for ever. Longer lets people look at old
  /// orders, and answers their retries; shorter keeps the file small.
  public var endedRetention: Duration? = .seconds(30 * 24 * 3600)
  /// How often old rows of the journal and ended rooms are looked for. More often spreads the work; less often spares
  /// reads.
  public var cleaningInterval: Duration = .seconds(60)
  /// Rooms that one look for ended ones reads; the next look goes on behind them. More finds each sooner, at
  /// about 10 microseconds of a reader each.
  public var roomsPerCleaning = 1000

  public init() {}
}
