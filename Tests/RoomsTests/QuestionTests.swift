import RoomCore
import Rooms
import Store
import StoreTesting
import Testing
import Wire

private let ward = room("ward")

@Suite("A room can be asked from outside of a session", .guarded)
struct QuestionTests {
  private func add(_ number: Int64, _ name: String) -> RoomQuestion<Counter.Command> {
    let id = OperationID(participant: ParticipantID("ann"), value: name)
    return RoomQuestion(Operation(id: id, after: SequenceNumber(.max), command: .add(number)))
  }

  private func position(_ reply: RoomReply) -> Int64? {
    if case .stands(let sequence, _) = reply { sequence.number } else { nil }
  }

  @Test("It does what is asked once, however often, and tells its clients; nobody seems to be there for it")
  func once() async throws {
    try await withHouse { house in
      let client = await house.connect(ward, as: "ben")
      #expect(await client.ask(.join, by: "ben", "join") == "ack join 1")
      for _ in 0..<3 { #expect(position(await house.registry.ask(add(7, "one"), of: ward)) == 2) }
      #expect(
        await house.registry.ask(add(8, "one"), of: ward)
          == .refused(
            RefusalNotice(
              code: "operation_conflict", message: "opId was used before for another operation")))
      guard case .refused(let notice) = await house.registry.ask(add(5000, "two"), of: ward) else {
        Issue.record("too much was added")
        return
      }
      #expect(notice.code == "tooMuch" && !notice.isRetryable)
      #expect(position(await house.registry.ask(RoomQuestion(), of: ward)) == 2)
      #expect(
        await house.registry.read(ward) == .state(Array("2 total=7 trace=7 members=ben online=ben".utf8)))
    }
  }

  @Test("Nothing is answered before it is saved, and what was not saved may be asked again")
  func saved() async throws {
    try await withHouse { house in
      house.store.plan(.answer(.failed(.unavailable("broken for the test"))))
      #expect(
        await house.registry.ask(add(1, "one"), of: ward)
          == .refused(RefusalNotice.storeUnavailable))
      house.store.plan(.answer(.unknown(.unavailable("broken for the test"))))
      #expect(await house.registry.ask(add(1, "one"), of: ward) == .refused(RefusalNotice.outcomeUnknown))
      #expect(position(await house.registry.ask(add(1, "one"), of: ward)) == 1)
      try await house.restart()
      #expect(position(await house.registry.ask(add(1, "one"), of: ward)) == 1)
    }
  }
}
