import FoundationEssentials
import RoomCore
import Rooms

/// The time of day.
struct WallClock: TimeSource {
  func now() -> Timestamp { Timestamp(millis: Int64(Date().timeIntervalSince1970 * 1000)) }
}
