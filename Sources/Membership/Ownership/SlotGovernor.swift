public import RoomCore

/// Which slots this node claims, keeps, hands off and gives up.
///
/// Safety is not made here: it is the store's compare-and-set on the epoch. These rules see to it that each slot has an
/// owner soon, that it is the one whom placement wants, and that nodes which disagree do not fight.
///
/// - *Claim* a slot that placement gives to this node and whose owner is nobody, an earlier life of this node, dead by
///   gossip, or without a heartbeat for long.
/// - *Hand off* a slot that placement gives to another live node, a few at a time.
/// - *Step down* from everything when this node reaches no majority of the nodes that write heartbeats. Then, and
///   before that as long as it reaches none, it claims nothing. The others may claim from it once it is dead by gossip,
///   however fresh its heartbeat. So of two sides of a partition only one claims.
/// - A slot that was lost soon after it was won, or whose claim was refused, is left alone for a while that doubles.
///
/// The shell feeds it: each reading of the store (`take`, after `Swim.mergeStore`), the ends of claims and hand-offs,
/// and calls `decide` after each of these, after changes of the view or the table, and every 100 ms or so.
public struct SlotGovernor: Sendable {
  struct Holding: Sendable {
    let epoch: Epoch
    let since: MonotonicTime
  }

  /// How much nodes have fought over a slot lately.
  struct Contention: Sendable {
    var fights: Int
    var lastAt: MonotonicTime
    var notBefore: MonotonicTime
  }

  struct HandOff: Sendable {
    let epoch: Epoch
    /// The slot is nobody's since then, and its rooms stand still until the next owner has claimed it.
    var releasedAt: MonotonicTime?
  }

  struct Reservation: Sendable {
    let node: NodeID
    let until: MonotonicTime
  }

  public let me: NodeID
  let name: String
  public let deadlines: Deadlines
  var generator: SeededGenerator

  var held: [Holding?] = Array(repeating: nil, count: Slot.count)
  var contention: [Contention?] = Array(repeating: nil, count: Slot.count)
  var claiming: [SlotClaim] = []
  var handingOff: [Slot: HandOff] = [:]
  /// Hand-offs take turns: the next one may begin then.
  var handOffNotBefore = MonotonicTime.zero
  /// How many rooms a drain moves in a second.
  var roomsDrainedPerSecond = 0.0
  /// Slots on their way to a node that an operator has chosen.
  var reservations: [Slot: Reservation] = [:]
  /// Slots that an operator has chosen this node for. Forgotten when other nodes than before can own slots.
  var pins: Set<Slot> = []

  var reading: StoreReading?
  /// Since when readings have come without a gap, with fresh heartbeats of this node in them: only then is an old one
  /// another node's fault and not the store's.
  var storeIsWellSince: MonotonicTime?
  var minoritySince: MonotonicTime?
  /// When this node reached a majority again after it had stepped down.
  var returnedAt: MonotonicTime?
  /// Where the slots ought to be, as of the last `decide`.
  public internal(set) var placement = Placement(over: [])
  public internal(set) var hasSteppedDown = false
  public internal(set) var isDraining = false
  var hasSaidDrained = false
  var isSuperseded = false
  /// How many slots were named in claims so far.
  public internal(set) var claimsMade = 0

  /// - Parameter seed: of all chance in this value.
  public init(me: NodeID, name: String, deadlines: Deadlines = Deadlines(), seed: UInt64) {
    self.me = me
    self.name = name
    self.deadlines = deadlines
    generator = SeededGenerator(seed: seed)
  }

  // MARK: What is known

  /// What this node holds, in order of slots.
  public var heldSlots: [SlotRecord] {
    held.indices.compactMap { number in
      held[number].map { SlotRecord(slot: Slot(number), epoch: $0.epoch, owner: me) }
    }
  }

  /// The epoch at which this node holds a slot.
  public func epoch(of slot: Slot) -> Epoch? { held[slot.number]?.epoch }

  /// Whether this node may serve reads: it has read the store lately enough to know what it has lost, and has not
  /// stepped down.
  ///
  /// - Parameter now: of a clock that also runs while the process is stopped; taken when the read is served.
  public func isFresh(now: MonotonicTime) -> Bool {
    !hasSteppedDown && isFreshReading(now: now)
  }

  /// When the last reading of the store began; nil before the first one.
  public var lastReadingAt: MonotonicTime? { reading?.startedAt }

  /// How old a node's last heartbeat in the store is; nil if the store has none, or was not read yet.
  public func heartbeatAge(of node: NodeID, now: MonotonicTime) -> Duration? {
    reading.flatMap { reading in reading[node].map { age(of: $0, reading: reading, now: now) } }
  }

  /// Whether an operator has chosen this node for the slot, against placement.
  public func isPinned(_ slot: Slot) -> Bool { pins.contains(slot) }

  /// Whether this node may serve a read of a room in a slot.
  public func mayServe(_ slot: Slot, now: MonotonicTime) -> Bool {
    held[slot.number] != nil && isFresh(now: now)
  }

  // MARK: Events

  /// The store was read. What it says about slots must be in the table that `decide` is given.
  public mutating func take(_ reading: StoreReading) {
    guard reading.startedAt >= self.reading?.startedAt ?? reading.startedAt else { return }
    let longestGap = deadlines.freshness + deadlines.readingInterval
    let isRegular = self.reading.map { reading.startedAt - $0.startedAt <= longestGap } ?? false
    let isWritable = reading[me].map { $0.age <= deadlines.heartbeatFresh } ?? false
    if !isRegular || !isWritable { storeIsWellSince = nil }
    if isWritable { storeIsWellSince = storeIsWellSince ?? reading.startedAt }
    self.reading = reading
  }

  /// A claim has ended: what it won, at the new epochs; nothing, if it failed or its outcome is unknown.
  ///
  /// - Returns: a release, if nothing may be held any more.
  public mutating func claimEnded(won: [Slot: Epoch], now: MonotonicTime) -> [SlotDirective] {
    let claimed = claiming
    claiming = []
    let mayHold = !hasSteppedDown && !isSuperseded && !isDraining
    var unwanted: [SlotRecord] = []
    for intent in claimed {
      guard let epoch = won[intent.slot] else {
        contend(intent.slot, now: now)
        continue
      }
      if mayHold {
        held[intent.slot.number] = Holding(epoch: epoch, since: now)
      } else {
        unwanted.append(SlotRecord(slot: intent.slot, epoch: epoch, owner: me))
      }
    }
    return unwanted.isEmpty ? [] : [.release(unwanted)]
  }

  /// A hand-off has ended. If the slot was not released, it is still held, and is tried again later.
  ///
  /// - Parameters:
  ///   - epoch: at which it was handed off. The slot may have been given up and claimed anew meanwhile.
  ///   - rooms: how many of its rooms were in memory; others have to load as many.
  public mutating func handOffEnded(
    _ slot: Slot, at epoch: Epoch, rooms: Int, released: Bool, now: MonotonicTime
  ) {
    let isPresent = handingOff[slot]?.epoch == epoch
    if released {
      if held[slot.number]?.epoch == epoch { held[slot.number] = nil }
      if isPresent { handingOff[slot]?.releasedAt = now }
      handOffNotBefore = handOffNotBefore + max(.zero, timeToMove(rooms) - pauseBetweenHandOffs)
    } else if isPresent {
      handingOff[slot] = nil
      contend(slot, now: now)
    }
  }

  /// From now on nothing is claimed and everything is handed off. Let others know with `Swim.setWeight`.
  ///
  /// - Parameter rooms: how many there are in memory. Of many, more are moved in a second.
  public mutating func drain(rooms: Int) {
    isDraining = true
    roomsDrainedPerSecond = max(
      deadlines.roomsHandedOffPerSecond, Double(rooms) / (deadlines.drainTarget / .seconds(1)))
    handOffNotBefore = .zero
    forgetMoves()
  }

  /// Takes part again after a drain.
  public mutating func endDrain() {
    isDraining = false
    hasSaidDrained = false
  }

  /// An operator has chosen a node for a slot, wherever placement puts it. To be told to all nodes: the slot's owner hands
  /// it off, and the others leave it alone until the chosen one has claimed it, or `Deadlines.moveWithin` is over.
  ///
  /// The chosen node keeps the slot until other nodes than now can own slots; from then on placement counts again.
  public mutating func move(_ slot: Slot, to node: NodeID, now: MonotonicTime) {
    if node == me && isDraining { return }
    reservations[slot] = Reservation(node: node, until: now + deadlines.moveWithin)
    if node == me { pins.insert(slot) } else { pins.remove(slot) }
  }

  /// A later life of this node runs: `Swim` says so.
  public mutating func supersede() -> [SlotDirective] {
    isSuperseded = true
    hasSteppedDown = true
    return [.stepDown(.superseded, giveUpAll())]
  }

  // MARK: Decision

  /// What is to be done now.
  public mutating func decide(view: ClusterView, ownership: OwnershipTable, now: MonotonicTime) -> [SlotDirective] {
    guard !isSuperseded, let reading else { return [] }
    var directives = losses(ownership, reading: reading, now: now)
    if isFreshReading(now: now) {
      directives += judgeMajority(view, reading: reading, now: now)
      computePlacement(view, reading: reading, now: now)
      if !reservations.isEmpty { reservations = reservations.filter { now < $0.value.until } }
      if !hasSteppedDown {
        directives += handOffs(view, ownership, reading: reading, now: now)
        directives += strays(ownership, now: now)
        if minoritySince == nil && !isDraining {
          directives += claims(view, ownership, reading: reading, now: now)
        }
      }
    }
    if isDraining && !hasSaidDrained && claiming.isEmpty && held.allSatisfy({ $0 == nil }) {
      hasSaidDrained = true
      directives.append(.drained)
    }
    return directives
  }

  func isFreshReading(now: MonotonicTime) -> Bool {
    guard let reading else { return false }
    return now - reading.startedAt <= deadlines.freshness
  }

  mutating func giveUpAll() -> [SlotRecord] {
    let all = heldSlots
    held = Array(repeating: nil, count: Slot.count)
    handingOff = [:]
    return all
  }
}
