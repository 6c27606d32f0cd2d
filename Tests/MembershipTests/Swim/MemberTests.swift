import Membership
import RoomCore
import TestSupport
import Testing

/// SWIM §4.2: which statement about a member counts.
@Suite("Statements about members")
struct MemberTests {
  @Test(
    "the higher incarnation counts, then the worse status",
    arguments: [
      (MemberStatus.alive, 2, MemberStatus.alive, 1, true), (.alive, 1, .alive, 1, false),
      (.alive, 1, .suspect, 1, false), (.alive, 2, .suspect, 1, true), (.suspect, 1, .alive, 1, true),
      (.suspect, 1, .alive, 2, false), (.dead, 1, .suspect, 1, true), (.dead, 1, .alive, 1, true),
      (.alive, 2, .dead, 1, true), (.left, 1, .dead, 1, true), (.dead, 1, .left, 1, false),
    ] as [(MemberStatus, UInt64, MemberStatus, UInt64, Bool)])
  func overrides(
    status: MemberStatus, incarnation: UInt64, other: MemberStatus, otherIncarnation: UInt64, does: Bool
  ) {
    let left = Scene.record("b", status, incarnation: incarnation)
    let right = Scene.record("b", other, incarnation: otherIncarnation)
    #expect(left.overrides(right) == does)
    #expect(left.merged(with: right) == (does ? left : right))
  }

  @Test("accusers of one suspicion add up, in order, and are bounded")
  func accusers() {
    let left = Scene.record("b", .suspect, accusers: ["d", "a"])
    let both = left.merged(with: Scene.record("b", .suspect, accusers: ["c", "a"]))
    #expect(both.accusers.map(\.name) == ["a/1", "c/1", "d/1"])
    let many = Scene.record("b", .suspect, accusers: (0..<20).map { "n\($0)" })
    #expect(many.accusers.count == MemberRecord.maxAccusers)
    #expect(Scene.record("b", .dead, accusers: ["a"]).accusers.isEmpty)
  }

  @Test("whatever the order in which statements are heard, the same is known", arguments: [1, 2, 3] as [UInt64])
  func semilattice(seed: UInt64) {
    var generator = SplitMix64(seed: seed)
    for _ in 0..<2000 {
      let about = Scene.randomRecord(&generator)
      func another() -> MemberRecord {
        let other = Scene.randomRecord(&generator)
        return MemberRecord(
          member: about.member, status: other.status, incarnation: other.incarnation, accusers: other.accusers)
      }
      let (first, second) = (another(), another())
      #expect(about.merged(with: about) == about)
      #expect(about.merged(with: first) == first.merged(with: about))
      #expect(
        about.merged(with: first).merged(with: second) == about.merged(with: first.merged(with: second)),
        "seed \(seed)")
    }
  }

  @Test("of two lives of one name the one with the lower incarnation is older")
  func lives() {
    let old = Scene.record("b", life: "2", incarnation: 5)
    let new = Scene.record("b", life: "1", incarnation: 6)
    #expect(old.isOlderLife(than: new))
    #expect(!new.isOlderLife(than: old))
    #expect(!old.isOlderLife(than: Scene.record("c", incarnation: 9)))
    #expect(!old.isOlderLife(than: Scene.record("b", life: "2", incarnation: 9)))
  }
}
