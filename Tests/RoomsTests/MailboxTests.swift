import RoomCore
import Synchronization
import Testing
import Wire

@testable import Rooms

@Suite("A room's mailbox", .guarded)
struct MailboxTests {
  private typealias Mail = Mailbox<Counter.Command>.Mail

  private let listener = Listener(bell: Bell())
  private let now = Timestamp(millis: 1000)

  private func operation(_ number: UInt64) -> Mail {
    let id = OperationID(participant: ParticipantID("ann"), value: "\(number)")
    return .request(
      .operation(
        Operation(id: id, after: .zero, command: .look), session: SessionNumber(number), opId: id.value),
      from: listener)
  }

  private func close(_ number: UInt64) -> Mail { .request(.close(SessionNumber(number)), from: listener) }

  private func relay(_ number: UInt64) -> Mail {
    .request(.relay([], by: ParticipantID("ann"), session: SessionNumber(number)), from: listener)
  }

  private func names(_ mails: [Mail]) -> [String] {
    mails.map { mail in
      switch mail {
      case .request(.operation(let operation, _, _), _): "operation \(operation.id.value)"
      case .request(.close(let session), _): "close \(session.number)"
      case .request(.relay(_, _, let session), _): "relay \(session.number)"
      case .request: "request"
      case .ask: "ask"
      case .read: "read"
      case .timer: "timer"
      case .passivate: "passivate"
      case .presence: "presence"
      case .stop: "stop"
      case .depose: "depose"
      }
    }
  }

  @Test("It is bounded in bytes, too: what is taken out, or put back, is counted")
  func boundInBytes() {
    // A counter's operation takes 100.
    let mailbox = Mailbox<Counter.Command>(capacity: 100, capacityBytes: 150, now: now)
    #expect(mailbox.offer(operation(1), now: now) == .taken)
    #expect(mailbox.offer(operation(2), now: now) == .taken)
    #expect(mailbox.offer(operation(3), now: now) == .full)
    #expect(mailbox.offer(relay(3), now: now) == .full)
    #expect(mailbox.offer(close(3), now: now) == .taken)
    let taken = mailbox.take(limit: 2)
    #expect(mailbox.offer(operation(4), now: now) == .taken)
    mailbox.putBack(taken)
    #expect(mailbox.offer(operation(5), now: now) == .full)
    #expect(names(mailbox.take(limit: 100)) == ["operation 1", "operation 2", "close 3", "operation 4"])
    #expect(mailbox.offer(operation(6), now: now) == .taken)
  }

  @Test("It is bounded: one more operation or relay than it holds is refused, control is always taken, order is kept")
  func bound() async {
    let mailbox = Mailbox<Counter.Command>(capacity: 2, capacityBytes: 1 << 20, now: now)
    #expect(mailbox.offer(operation(1), now: now) == .taken)
    #expect(mailbox.offer(close(2), now: now) == .taken)
    #expect(mailbox.offer(relay(3), now: now) == .taken)
    #expect(mailbox.offer(operation(4), now: now) == .full)
    #expect(mailbox.offer(relay(4), now: now) == .full)
    for mail: Mail in [close(5), .timer, .passivate, .stop(isMove: false), .read { _ in }] {
      #expect(mailbox.offer(mail, now: now) == .taken)
    }
    #expect(names(mailbox.take(limit: 2)) == ["operation 1", "close 2"])
    #expect(mailbox.offer(operation(6), now: now) == .taken)
    #expect(mailbox.offer(operation(7), now: now) == .full)
    let rest = ["relay 3", "close 5", "timer", "passivate", "stop", "read", "operation 6"]
    #expect(names(mailbox.take(limit: 100)) == rest)
  }

  @Test("What is put back comes first, in its order, and counts")
  func putBack() async {
    let mailbox = Mailbox<Counter.Command>(capacity: 3, capacityBytes: 1 << 20, now: now)
    for number in 1...3 { #expect(mailbox.offer(operation(UInt64(number)), now: now) == .taken) }
    let taken = mailbox.take(limit: 2)
    #expect(mailbox.offer(close(4), now: now) == .taken)
    mailbox.putBack(taken)
    #expect(mailbox.offer(operation(5), now: now) == .full)
    #expect(names(mailbox.take(limit: 9)) == ["operation 1", "operation 2", "operation 3", "close 4"])
    #expect(mailbox.offer(operation(6), now: now) == .taken)
  }

  @Test("Who has lost the slot hears of it before anything else")
  func depose() async {
    let mailbox = Mailbox<Counter.Command>(capacity: 3, capacityBytes: 1 << 20, now: now)
    #expect(mailbox.offer(operation(1), now: now) == .taken)
    #expect(mailbox.offer(.depose, now: now) == .taken)
    #expect(names(mailbox.take(limit: 9)) == ["depose", "operation 1"])
  }

  @Test("A closed mailbox takes nothing, and hands over what waited")
  func closing() async {
    let mailbox = Mailbox<Counter.Command>(capacity: 3, capacityBytes: 1 << 20, now: now)
    #expect(mailbox.offer(operation(1), now: now) == .taken)
    #expect(!mailbox.closeIfEmpty())
    #expect(mailbox.offer(.timer, now: now) == .taken)
    #expect(names(mailbox.close()) == ["operation 1", "timer"])
    #expect(mailbox.offer(operation(2), now: now) == .closed)
    #expect(mailbox.offer(.stop(isMove: false), now: now) == .closed)

    let empty = Mailbox<Counter.Command>(capacity: 3, capacityBytes: 1 << 20, now: now)
    #expect(empty.closeIfEmpty())
    #expect(empty.offer(.timer, now: now) == .closed)
  }

  @Test("Only use keeps a room in memory, not its own timer")
  func lastUsed() {
    let mailbox = Mailbox<Counter.Command>(capacity: 3, capacityBytes: 1 << 20, now: now)
    let later = Timestamp(millis: 2000)
    #expect(mailbox.offer(.timer, now: later) == .taken)
    #expect(mailbox.lastUsed == now)
    #expect(mailbox.offer(close(1), now: later) == .taken)
    #expect(mailbox.lastUsed == later)
  }

  @Test("A reader that waits is woken by every kind of mail, and none is lost between many writers")
  func wakes() async {
    let mailbox = Mailbox<Counter.Command>(capacity: 10_000, capacityBytes: 1 << 20, now: now)
    let writers = 4
    let each = 500
    await withTaskGroup(of: Void.self) { group in
      for writer in 0..<writers {
        group.addTask {
          for number in 0..<each {
            #expect(mailbox.offer(operation(UInt64(writer * each + number)), now: now) == .taken)
          }
        }
      }
      group.addTask {
        var seen: [String] = []
        while seen.count < writers * each {
          await mailbox.wait()
          seen += names(mailbox.take(limit: 7))
        }
        #expect(Set(seen).count == writers * each)
        for writer in 0..<writers {
          let own = seen.compactMap { Int($0.dropFirst("operation ".count)) }.filter { $0 / each == writer }
          #expect(own == own.sorted())
        }
      }
    }
  }
}

@Suite("Who is connected")
struct SessionTableTests {
  private let listener = Listener(bell: Bell())
  private let ann = ParticipantID("ann")

  private func opening(_ number: UInt64, as participant: ParticipantID? = nil, _ dialect: Dialect = .delta)
    -> SessionOpening
  {
    SessionOpening(session: SessionNumber(number), participant: participant, dialect: dialect, since: nil)
  }

  @Test("A participant is online from the first of its sessions to the last")
  func severalSessions() {
    var table = SessionTable()
    let online = PresenceChange(participant: ann, isOnline: true)
    #expect(table.open(opening(1, as: ann), for: listener) == online)
    #expect(table.open(opening(2), for: listener) == nil)
    #expect(table.bind(SessionNumber(2), to: ann) == nil)
    #expect(table.bind(SessionNumber(2), to: ParticipantID("ben")) == nil)
    #expect(table.close(SessionNumber(1)) == nil)
    #expect(table.close(SessionNumber(1)) == nil)
    #expect(table.online == [ann])
    #expect(table.close(SessionNumber(2)) == PresenceChange(participant: ann, isOnline: false))
    #expect(table.isEmpty && table.online.isEmpty && table.subscribers.allSatisfy { _ in false })
    #expect(table.bind(SessionNumber(2), to: ann) == nil)
  }

  @Test("A number that is opened again stands for its newest connection")
  func reopened() {
    var table = SessionTable()
    let other = Listener(bell: Bell())
    _ = table.open(opening(1, as: ann, .full), for: listener)
    #expect(table.open(opening(1, as: ann), for: other) == PresenceChange(participant: ann, isOnline: true))
    #expect(table.online == [ann])
    #expect(!table.hasSessions(in: .full) && table.hasSessions(in: .delta))
    #expect(table.subscribers.count { _ in true } == 1 && table.subscribers.allSatisfy { $0 === other })
    #expect(table.open(opening(1), for: other) == PresenceChange(participant: ann, isOnline: false))
    #expect(table.close(SessionNumber(1)) == nil)
    #expect(table.isEmpty && !table.hasSessions(in: .delta))
  }

  @Test("A subscriber is told as long as it has a session")
  func subscribers() {
    var table = SessionTable()
    let other = Listener(bell: Bell())
    _ = table.open(opening(1), for: listener)
    _ = table.open(opening(2), for: listener)
    _ = table.open(opening(3), for: other)
    _ = table.close(SessionNumber(1))
    #expect(table.subscribers.count { _ in true } == 2)
    _ = table.close(SessionNumber(2))
    #expect(table.subscribers.allSatisfy { $0 === other })
  }
}
