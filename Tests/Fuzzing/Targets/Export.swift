import JSONText
import Ordering
import RoomCore
import Store

/// Any exported room is read or refused. What was read is written and read as the same, can be checked, and replays or
/// is refused.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard let (room, stored) = try? RoomExport.read(bytes(start, count)) else { return 0 }
  let written = RoomExport.text(of: room, stored)
  let (_, again) = must("reading what was written") { try RoomExport.read(written) }
  promise(again == stored, "a room that was written is read as another")
  for row in stored.journal { _ = try? RoomExport.lines(of: row) }
  guard stored.problem == nil else { return 0 }
  promise(stored.head >= stored.snapshot?.sequence ?? .zero, "a room ends before its snapshot")
  return 0
}
