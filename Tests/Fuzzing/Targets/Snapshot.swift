import Ordering
import RoomCore

/// Any snapshot is read or refused. What was read is written and read as the same, and can be used.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard let machine = try? RoomMachine<OrderLogic>(room: room, snapshot: bytes(start, count)) else { return 0 }
  checkSnapshot(of: machine)
  use(machine)
  return 0
}
