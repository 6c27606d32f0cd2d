/// All deadlines of membership and ownership, and what they promise together.
///
/// The promises, each checked as an inequality over these fields in `DeadlinesTests`:
///
/// - a killed process is found dead within 200 ms: its sockets close at once, the peer connects again at once and is
///   refused (`reconnectBound`), and `refusalGrace` later it is dead;
/// - a stopped process (it accepts connections and answers nothing) is found dead within 3 s in a small cluster, so
///   that its slots are served elsewhere within 4 s;
/// - a node that is cut off steps down, and the rest serves its slots, within 5 s;
/// - a stopped owner serves no read that is older than `freshness`, and nobody else serves the slot before that is over.
public struct Deadlines: Sendable, Equatable {
  // MARK: Probing

  /// How often a node probes the next member of its round (SWIM §3.1, T'). Default 200 ms; times `1 + localHealth`.
  ///
  /// Less: a failure is found sooner; more messages, and a slow peer is suspected sooner. More: the reverse. Each
  /// member is probed once in an interval on average, whatever the cluster's size.
  public var probeInterval: Duration = .milliseconds(200)

  /// How long a direct ping may take before others are asked to ping too. Default 80 ms; times `1 + localHealth`.
  ///
  /// At least the 99th percentile of a round trip between peers, a busy machine's scheduling included. Less: needless
  /// ping requests. More: less time for the indirect way, as both must fit into `probeInterval`.
  public var pingTimeout: Duration = .milliseconds(80)

  /// How many members are asked to ping in one's stead (SWIM §3.1, k). Default 3.
  ///
  /// Fewer: a broken path between two nodes is more often taken for a dead node. More: more messages at each failure.
  public var indirectPings = 3

  /// The highest score of local health (Lifeguard §4.1, S). Default 4: everything takes up to five times as long.
  ///
  /// Higher: a slow node accuses less, but is slower to find real failures once it is well again.
  public var maxLocalHealth = 4

  /// A gap between two events of a node beyond which it takes itself for stopped or starved. Default 600 ms.
  ///
  /// It is woken at least each `probeInterval`. Less: a busy machine is too careful. More: a node that was stopped for a
  /// moment acts on suspicions whose refutations it has not read yet.
  public var pauseThreshold: Duration = .milliseconds(600)

  // MARK: Suspicion

  /// The suspicion timeout once enough members have confirmed it (Lifeguard §4.2, Min). Default 1 s; times
  /// max(1, log₁₀ n) and `1 + localHealth`.
  ///
  /// At least `freshness`: whoever claims the slots of a stopped node must not do so while it may still serve reads.
  /// Less: more false deaths. More: a longer stall when a machine freezes or is cut off.
  public var suspicionMin: Duration = .seconds(1)

  /// The suspicion timeout of a single accuser (Lifeguard §4.2, Max). Default 2 s; scaled like `suspicionMin`.
  ///
  /// In a cluster of two this is what counts, as nobody can confirm.
  public var suspicionMax: Duration = .seconds(2)

  /// How many confirmations bring the timeout down to `suspicionMin` (Lifeguard §4.2, K). Default 2; fewer in a
  /// cluster that has fewer other members.
  public var confirmations = 2

  /// How long after a refused connection a member is dead, unless somebody hears from it. Default 100 ms; never scaled:
  /// it is the peer's kernel that refuses, so the peer is not merely slow.
  ///
  /// Less: no time for an indirect ping to show that only this node is refused. More: every kill stalls for longer.
  public var refusalGrace: Duration = .milliseconds(100)

  /// For how long refusals by a member are no evidence after one was refuted. Default 5 s.
  ///
  /// Keeps a firewall that refuses one node's connections from killing a live member over and over.
  public var refusalDistrust: Duration = .seconds(5)

  /// What a link takes to notice a closed connection, to connect again at once, and to be refused. Default 50 ms; a
  /// bound that is measured, not a timer.
  public var reconnectBound: Duration = .milliseconds(50)

  // MARK: Gossip

  /// The shortest time between two rounds of gossip while there is news. Default 50 ms. The first news goes at once.
  ///
  /// Less: news spreads faster, in more messages. More: the reverse; everything else also carries news along.
  public var gossipInterval: Duration = .milliseconds(50)

  /// To how many members a round of gossip goes. Default 3.
  public var gossipFanout = 3

  /// To how many members a process tells at once what it has claimed or given up, beside gossip. Default 16.
  ///
  /// Fewer: in a large cluster more gateways wait for a round of gossip while a room moves. More: more messages at each
  /// claim, of which most say what gossip would have.
  public var toldAtOnce = 16

  /// Each news is sent this many times ⌈log₂(n + 1)⌉ times (SWIM §4.1, λ). Default 3.
  ///
  /// Fewer: some members learn it from a full exchange only. More: the same news again and again.
  public var retransmitFactor = 3

  /// How often full state is exchanged with a random member. Default 10 s; `reconnectInterval` while the owner of a slot is
  /// not known: so it is for whoever comes while the others claim.
  ///
  /// Repairs what gossip missed. Less: tens of kilobytes more often. More: a missed news is missed for longer.
  public var pushPullInterval: Duration = .seconds(10)

  /// How often a seed that is not a member yet, or a dead member, is tried again. Default 1 s.
  ///
  /// Bounds how long a healed partition goes unnoticed. One message each time.
  public var reconnectInterval: Duration = .seconds(1)

  /// For how long the dead are remembered. Default 1 h.
  ///
  /// Less: an old rumour may bring back who is forgotten, until it is suspected anew. More: memory, and longer exchanges.
  public var tombstoneRetention: Duration = .seconds(3600)

  // MARK: The store's evidence

  /// How often a node reads all slots and heartbeats from the store. Default 400 ms.
  ///
  /// With `readingBound` at most `freshness`. Less: more load on the store. More: reads fail when one reading is slow.
  public var readingInterval: Duration = .milliseconds(400)

  /// How long a reading takes where all is well. Default 500 ms; a bound that is hoped for, not a timer: while readings
  /// take longer, a node serves no reads, and what was written this long after a node died was not written by it.
  public var readingBound: Duration = .milliseconds(500)

  /// How long after the start of its last successful reading of the store a node may serve reads. Default 1 s.
  ///
  /// Less: reads fail whenever the store is slow. More: a deposed owner serves old state for longer.
  public var freshness: Duration = .seconds(1)

  /// How often a node writes its heartbeat. Default 750 ms.
  ///
  /// Less: more writes. More: fewer of them may fail before a node is forgotten.
  public var heartbeatInterval: Duration = .milliseconds(750)

  /// Up to this age a heartbeat makes its node count for the majority. Default 2.5 s: two writes may fail.
  ///
  /// Less: a slow store makes nodes forget one another, and a small side may think that it is the whole. More: after
  /// half of the nodes froze, the rest claims nothing for longer.
  public var heartbeatFresh: Duration = .milliseconds(2500)

  /// From this age on a node's slots may be claimed even if gossip says that it lives: it cannot write. Default 4 s, five
  /// writes.
  ///
  /// Less: a node whose writes fail for a moment loses its slots. More: the rooms of a node that is cut off from the store
  /// alone stand still for longer.
  public var heartbeatDead: Duration = .seconds(4)

  // MARK: Ownership

  /// For how long a node goes without reaching a majority before it steps down. Default 2.5 s.
  ///
  /// At least `heartbeatFresh`: then a node whose peers have died or frozen keeps its slots, as by that time their
  /// heartbeats are old. Only one whose peers write on, out of its reach, steps down. More: a side that is cut off takes
  /// writes that will be refused for longer.
  public var stepDownGrace: Duration = .milliseconds(2500)

  /// For how long a node that had stepped down, and reaches a majority again, takes nothing from members that it takes for
  /// dead. Default 2 s.
  ///
  /// At least `reconnectInterval` and some rounds of gossip: so long others may take to be heard of again. Less: who comes
  /// back takes slots from the living. More: when a node dies in that time, its slots wait.
  public var returnGrace: Duration = .seconds(2)

  /// For how long a member is alive before slots are handed to it. Default 2 s.
  ///
  /// Less: a member that comes and goes takes slots along. More: a new node idles for longer.
  public var rebalanceDelay: Duration = .seconds(2)

  /// How many slots are on their way to their next owners at once, from one node that drains, or from all together to one
  /// that comes. Default 8.
  ///
  /// Fewer: rebalancing takes longer. More: more rooms stand still at the same time.
  public var handOffsAtOnce = 8

  /// How long after one hand-off the next begins, unless some were missed, from one node that drains, or from all together
  /// to one that comes. Default 5 ms.
  ///
  /// Less: more rooms stand still at the same time. More: rebalancing takes longer.
  public var handOffInterval: Duration = .milliseconds(5)

  /// How many rooms are handed off in a second, from one node that drains, or from all together to one that comes. Default
  /// 300; more in a drain of so many that they would take longer than `drainTarget`.
  ///
  /// Less: rebalancing takes longer. More than others can load while they serve: rooms stand still while they wait for
  /// their turn.
  public var roomsHandedOffPerSecond = 300.0

  /// How long a drain takes at most, if others take what they are given. Default 30 s.
  ///
  /// Less: the rooms of a node with many stand still for longer. More: restarts take longer; whoever stops processes must
  /// have that patience.
  public var drainTarget: Duration = .seconds(30)

  /// After which a drain at the end of a process ends, whatever is left. Default 35 s.
  ///
  /// More than `drainTarget`. Less: what others are slow to take is finished here, and stands still until they claim it.
  /// More: the process ends later.
  public var drainLimit: Duration = .seconds(35)

  /// How long rooms that are left at the end of a process may take to finish. Default 10 s.
  ///
  /// Less: a slow store loses more snapshots, and others replay more. More: a disk that hangs holds up the end for longer.
  public var finishLimit: Duration = .seconds(10)

  /// Over how much time a process that ends spreads the goodbyes to its clients at most. Default 5 s.
  ///
  /// Less: more of them come back at once elsewhere. More: the process ends later.
  public var goodbyeLimit: Duration = .seconds(5)

  /// When a process that is told to end does so at the latest. Default 55 s.
  ///
  /// More than `drainLimit`, `finishLimit` and `goodbyeLimit` together. Whoever stops processes must have more patience.
  public var endLimit: Duration = .seconds(55)

  /// For how long a slot that was released counts as being on its way. Default 1 s.
  ///
  /// Less: others are given more than they take. More: one that is not claimed holds up the rest.
  public var claimWithin: Duration = .seconds(1)

  /// For how long a slot is left to the node that an operator moves it to. Default 5 s.
  ///
  /// Less: a slot whose rooms take long to finish goes back to where placement wants it. More: a slot whose move failed
  /// stays unserved for longer.
  public var moveWithin: Duration = .seconds(5)

  /// How many slots one claim names. Default 512.
  ///
  /// Fewer: a failover takes more transactions. More: one transaction holds more rows.
  public var claimsAtOnce = 512

  /// How long a slot is left alone after a claim of it was refused or what it won was lost again. Default 250 ms,
  /// doubled each time up to `claimBackoffMax`, and a random half of it on top.
  ///
  /// Less: nodes that disagree take a slot from one another more often. More: a slot stays unserved for longer.
  public var claimBackoff: Duration = .milliseconds(250)
  public var claimBackoffMax: Duration = .seconds(10)

  /// A slot that is lost sooner than this after it was won is contended. Default 10 s; after twice that in peace
  /// its backoff begins anew.
  public var contentionWindow: Duration = .seconds(10)

  public init() {}

  /// The longest way from a member's silence to its death as seen by one node that is well, in a cluster of `members`:
  /// it is the last of a round, misses one probe, and nobody confirms.
  public func detectionBound(members: Int) -> Duration {
    probeInterval * (2 * max(1, members - 1) - 1) + probeInterval + suspicionMax * Self.sizeFactor(members: members)
  }

  /// max(1, log₁₀ n).
  static func sizeFactor(members: Int) -> Double {
    max(1, FixedPoint.log2(of: members) / 3.321928094887362)
  }
}
