/// The load of a drill: rooms in which everybody changes an item of their own, at a steady rate whatever the cluster
/// does.
package struct DrillScenario: Codable, Sendable, Equatable {
  package var rooms = 200
  package var participantsPerRoom = 5
  /// Rooms beside these, with one participant each who changes nothing once the load has begun.
  package var quietRooms = 0
  package var operationsPerSecond = 2000.0
  /// Names the rooms of this run: `{roomPrefix}-{number}`.
  package var roomPrefix: String
  /// How long connecting and filling the rooms may take in all.
  package var setupTimeoutSeconds = 120.0
  /// After how many events a room's journal is read on. A room replays a thousand at once.
  package var journalPiece = 300
  /// How long, after the load has ended, answers may be missing before they are taken for lost.
  package var patienceSeconds = 60.0

  package init(roomPrefix: String) {
    self.roomPrefix = roomPrefix
  }

  var clients: Int { rooms * participantsPerRoom + quietRooms }

  /// What is wrong with it; nil if nothing is.
  package var complaint: String? {
    if !(1...100_000).contains(rooms) { return "rooms must be 1 to 100000" }
    if !(0...100_000).contains(quietRooms) { return "quiet rooms must be 0 to 100000" }
    if !(1...200).contains(participantsPerRoom) { return "participants must be 1 to 200" }
    if !(1...100_000).contains(operationsPerSecond) { return "rate must be 1 to 100000" }
    let name = #/[A-Za-z0-9_.~:-]{1,100}/#
    if roomPrefix.wholeMatch(of: name) == nil { return "the prefix may have 1 to 100 of A–Z a–z 0–9 _ - . : ~" }
    return nil
  }
}
