import RoomCore
import Testing

@Suite struct IdentifierTests {
  @Test(
    "a room's name is 1 to 128 bytes of a URL path segment",
    arguments: [
      ("a", true), ("test_session", true), ("AZaz09_-.:~", true), (String(repeating: "x", count: 128), true),
      ("", false), (String(repeating: "x", count: 129), false), ("a b", false), ("a/b", false), ("é", false),
      ("a\u{0}", false), ("a%20", false), ("a?", false), ("a#", false), ("a+b", false),
    ])
  func roomNames(_ name: String, _ isAllowed: Bool) {
    #expect(RoomID(name)?.name == (isAllowed ? name : nil))
  }

  @Test(
    "a participant's id is 1 to 200 bytes without control characters",
    arguments: [
      ("a", true), (" ", true), ("नान", true), ("\u{A0}", true), (String(repeating: "é", count: 100), true),
      ("", false), (String(repeating: "é", count: 101), false), ("a\u{0}", false), ("a\nb", false),
      ("\u{7F}", false), ("\u{85}", false),
    ])
  func participantIDs(_ id: String, _ isWellFormed: Bool) {
    #expect(ParticipantID(id).isWellFormed == isWellFormed)
  }

  @Test func positionsEndWhereNumbersDo() {
    #expect(SequenceNumber(.max).next == SequenceNumber(.max))
    #expect(SequenceNumber(2).advanced(by: .max) == SequenceNumber(.max))
    #expect(SequenceNumber(-2).advanced(by: .min) == SequenceNumber(.min))
    #expect(SequenceNumber(2).advanced(by: 3) == SequenceNumber(5))
  }

  /// 187 and 156 are XXH64 of the name modulo 1024, by the reference implementation.
  @Test func slotsAreStable() throws {
    #expect(Slot(of: try #require(RoomID("order_1234"))) == Slot(187))
    #expect(Slot(of: try #require(RoomID("test_session"))) == Slot(156))
    #expect(Slot.all.count == 1024)
    #expect(Slot.all.map(\.number) == Array(0..<1024))
  }

  @Test func slotsAreEven() throws {
    var counts = [Int](repeating: 0, count: Slot.count)
    for index in 0..<102_400 { counts[Slot(of: try #require(RoomID("room-\(index)"))).number] += 1 }
    #expect(counts.allSatisfy { (50...160).contains($0) })
  }

  @Test func positionsAndMoments() {
    #expect(SequenceNumber.zero.next == SequenceNumber(1))
    #expect(SequenceNumber(4).advanced(by: 3) == SequenceNumber(7))
    #expect(SequenceNumber(2) < SequenceNumber(10))
    #expect(Epoch.zero.next.next == Epoch(2))
    #expect(Timestamp(millis: 1000).advanced(by: .seconds(2) + .milliseconds(345)) == Timestamp(millis: 3345))
    #expect(Timestamp(millis: 1000).advanced(by: .milliseconds(-1500)) == Timestamp(millis: -500))
    #expect(Timestamp(millis: .max - 1).advanced(by: .seconds(1)) == Timestamp(millis: .max))
    #expect(Timestamp(millis: .min + 1).advanced(by: .seconds(-1)) == Timestamp(millis: .min))
    #expect(Timestamp(millis: 0).advanced(by: .seconds(Int64.min)) == Timestamp(millis: .min))
    #expect("\(OperationID(participant: ParticipantID("asha"), value: "7"))" == "asha/7")
  }
}
