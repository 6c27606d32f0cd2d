import Logging
import Metrics
public import RoomCore
public import Store

/// A serial executor that rooms are pinned to: in the product an event loop, in a simulation its scheduler.
///
/// It is the rooms' task executor as well. A continuation resumes its task wherever the task prefers to run and only then
/// goes to its actor; without a preference that is the common pool, and each turn would wake two threads more.
public protocol RoomLane: SerialExecutor, TaskExecutor, CompletionLane {}

extension RoomLane {
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    // One thread at a time runs what is posted, so that each job may say that it runs on the lane as an actor's executor.
    post {
      job.runSynchronously(isolatedTo: self.asUnownedSerialExecutor(), taskExecutor: self.asUnownedTaskExecutor())
    }
  }

  public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
  public func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }
}

/// Where the time comes from.
public protocol TimeSource: Sendable {
  func now() -> Timestamp
}

/// Knows whether the slots that this node owned are still its own.
public protocol OwnershipWitness: Sendable {
  /// Whether that was seen in the store not long ago.
  var isFresh: Bool { get }

  /// Looks into the store now.
  ///
  /// - Returns: whether the slot still is at the epoch; nil if the store does not say.
  func confirm(_ slot: Slot, at epoch: Epoch) async -> Bool?
}

/// For a node whose store is locked against all others.
public struct SoleOwner: OwnershipWitness {
  public init() {}

  public var isFresh: Bool { true }
  public func confirm(_ slot: Slot, at epoch: Epoch) async -> Bool? { true }
}

/// What every room of a node shares.
struct RoomEnvironment<Voice: RoomVoice>: Sendable {
  let store: any RoomStore
  let voice: Voice
  let settings: RoomSettings
  let time: any TimeSource
  let contexts: TenantContexts<Voice.Logic.Context>
  let logger: Logger
  let metrics: RoomMetrics
  let memory: MemoryBudget
  let creations: CreationLimits
  let witness: any OwnershipWitness
  /// Told by a room that has written a report.
  let reported: @Sendable (RoomID) -> Void
  /// Told by a room that was refused as its slot's owner.
  let deposed: @Sendable (Slot, Epoch) -> Void
  /// Told by a room that leaves memory.
  let retired: @Sendable (Room<Voice>) -> Void
}

/// What rooms count.
public struct RoomMetrics: Sendable {
  let loads = Counter(label: "stonepot_room_loads_total")
  let events = Counter(label: "stonepot_room_events_total")
  let refusals = Counter(label: "stonepot_operations_refused_total")
  let overloads = Counter(label: "stonepot_operations_overloaded_total")
  let snapshots = Counter(label: "stonepot_snapshots_total")
  let deletions = Counter(label: "stonepot_rooms_deleted_total")
  private let roomRefusals = Dictionary(
    uniqueKeysWithValues: RoomLimit.allCases.map { limit in
      (limit, Counter(label: "stonepot_rooms_refused_total", dimensions: [("because", limit.rawValue)]))
    })
  let memoryBytes = Meter(label: "stonepot_rooms_memory_bytes")

  public init() {}

  func refusedRoom(because limit: RoomLimit) { roomRefusals[limit]?.increment() }
}

/// Why a room is not loaded, or does not begin.
enum RoomLimit: String, CaseIterable {
  case memory
  /// Of the address that it would be begun from.
  case address
  case tenant
}
