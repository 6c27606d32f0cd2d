import Logging
import Metrics
package import RoomCore
package import Store

/// A serial executor that rooms are pinned to: in the product an event loop, in a simulation its scheduler.
package protocol RoomLane: SerialExecutor, CompletionLane {}

/// Where the time comes from.
package protocol TimeSource: Sendable {
  func now() -> Timestamp
}

/// What every room of a node shares.
struct RoomEnvironment<Voice: RoomVoice>: Sendable {
  let store: any RoomStore
  let voice: Voice
  let settings: RoomSettings
  let time: any TimeSource
  let context: @Sendable () -> Voice.Logic.Context
  let logger: Logger
  let metrics: RoomMetrics
  /// Told by a room that was refused as its slot's owner.
  let deposed: @Sendable (Slot, Epoch) -> Void
  /// Told by a room that leaves memory.
  let retired: @Sendable (Room<Voice>) -> Void
}

/// What rooms count.
package struct RoomMetrics: Sendable {
  let loads = Counter(label: "stonepot_room_loads_total")
  let events = Counter(label: "stonepot_room_events_total")
  let refusals = Counter(label: "stonepot_operations_refused_total")
  let overloads = Counter(label: "stonepot_operations_overloaded_total")
  let snapshots = Counter(label: "stonepot_snapshots_total")

  package init() {}
}
