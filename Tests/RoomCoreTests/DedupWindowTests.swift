import JSONText
import TestSupport
import Testing

@testable import RoomCore

@Suite struct DedupWindowTests {
  private func cause(_ name: Int, by participant: String = "asha", fingerprint: UInt64 = 1) -> Cause {
    Cause(
      operation: OperationID(participant: ParticipantID(participant), value: "\(name)"), fingerprint: fingerprint)
  }

  /// "A retry of an accepted one gets the first answer again."
  @Test func aRetryIsAnsweredWithThePositionOfTheFirst() {
    var window = DedupWindow()
    #expect(window.check(cause(1), after: .zero) == .new)
    window.record(cause(1), at: SequenceNumber(1))
    #expect(window.check(cause(1), after: .zero) == .applied(at: SequenceNumber(1)))
    #expect(window.check(cause(1, by: "ravi"), after: .zero) == .new)
  }

  /// "Another payload under the same name is `operation_conflict`."
  @Test func anotherPayloadUnderTheSameNameIsAConflict() {
    var window = DedupWindow()
    window.record(cause(1), at: SequenceNumber(1))
    #expect(window.check(cause(1, fingerprint: 2), after: .zero) == .conflict)
  }

  @Test func severalEventsOfOneOperationCountAsItsLast() {
    var window = DedupWindow(capacity: 2)
    window.record(cause(1), at: SequenceNumber(1))
    window.record(cause(1), at: SequenceNumber(2))
    #expect(window.count == 1)
    #expect(window.check(cause(1), after: .zero) == .applied(at: SequenceNumber(2)))
  }

  /// "`after` below the floor gets `operation_expired` and is never applied."
  @Test func theFloorRisesToWhatWasForgotten() {
    var window = DedupWindow(capacity: 3)
    for index in 1...4 { window.record(cause(index), at: SequenceNumber(Int64(index * 10))) }
    #expect(window.floor == .zero)
    window.trim()
    #expect(window.floor == SequenceNumber(10))
    #expect(window.count == 3)
    #expect(window.check(cause(1), after: SequenceNumber(9)) == .expired)
    #expect(window.check(cause(5), after: SequenceNumber(9)) == .expired)
    #expect(window.check(cause(5), after: SequenceNumber(10)) == .new)
    #expect(window.check(cause(2), after: .zero) == .applied(at: SequenceNumber(20)))
  }

  /// Whatever was applied is answered, refused as too old, or was sent after something that it had not seen: never
  /// `.new` for an operation that was applied.
  @Test func neverTakesAnAppliedOperationForNew() {
    let seed: UInt64 = 11
    var generator = SplitMix64(seed: seed)
    for _ in 0..<200 {
      var window = DedupWindow(capacity: 1 + generator.below(8))
      var applied: [(Cause, after: SequenceNumber)] = []
      var head = SequenceNumber.zero
      for name in 0..<60 {
        let after = SequenceNumber(Int64(generator.below(Int(head.number) + 1)))
        let cause = self.cause(name)
        switch window.check(cause, after: after) {
        case .new:
          for _ in 0...generator.below(3) {
            head = head.next
            window.record(cause, at: head)
          }
          applied.append((cause, after))
          if generator.below(3) == 0 { window.trim() }
        case .expired: #expect(after < window.floor)
        case .applied, .conflict: Issue.record("seed \(seed): operation \(name) was never sent before")
        }
        for (cause, after) in applied {
          #expect(window.check(cause, after: after) != .new, "seed \(seed): \(cause.operation)")
        }
      }
    }
  }

  @Test func survivesASnapshot() throws {
    var window = DedupWindow(capacity: 5)
    for index in 1...23 {
      window.record(cause(index, by: "\"p\"é", fingerprint: .max - UInt64(index)), at: SequenceNumber(Int64(index)))
    }
    window.trim()
    let restored = try roundTrip(window, capacity: 5)
    #expect(restored.floor == window.floor)
    #expect(restored.count == 5)
    for index in 1...24 {
      let cause = cause(index, by: "\"p\"é", fingerprint: .max - UInt64(index))
      #expect(restored.check(cause, after: .zero) == window.check(cause, after: .zero))
      #expect(restored.check(cause, after: SequenceNumber(18)) == window.check(cause, after: SequenceNumber(18)))
    }
  }

  /// A smaller capacity must not forget what the snapshot promises to know.
  @Test func aSnapshotLargerThanTheCapacityIsKept() throws {
    var window = DedupWindow(capacity: 10)
    for index in 1...10 { window.record(cause(index), at: SequenceNumber(Int64(index))) }
    let restored = try roundTrip(window, capacity: 2)
    #expect(restored.count == 10)
    #expect(restored.floor == .zero)
  }

  @Test func refusesASnapshotWithoutAFingerprint() {
    let text = #"{"floor":0,"operations":[["asha","1","not hexadecimal",1]]}"#
    #expect(throws: JSONError.self) {
      try JSONReader.read(Array(text.utf8)) { reader throws(JSONError) in
        try DedupWindow.read(from: &reader, capacity: 2)
      }
    }
  }

  private func roundTrip(_ window: DedupWindow, capacity: Int) throws -> DedupWindow {
    var writer = JSONWriter()
    window.write(to: &writer)
    return try JSONReader.read(writer.bytes) { reader throws(JSONError) in
      try DedupWindow.read(from: &reader, capacity: capacity)
    }
  }
}
