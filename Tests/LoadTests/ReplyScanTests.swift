import Load
import Testing

@Suite("Scanning of replies")
struct ReplyScanTests {
  private func scan(_ text: String) -> (Reply.Kind, String)? {
    Array(text.utf8).withUnsafeBytes { bytes in
      Reply(scanning: bytes).map { ($0.kind, String(decoding: $0.participantID, as: UTF8.self)) }
    }
  }

  @Test(
    "type and participant are found wherever they stand, and nowhere else",
    arguments: [
      (#"{"type":"quantity_updated","participantId":"p1","data":{}}"#, .quantityUpdated, "p1"),
      (#"{"participantId":"p1","type":"item_added"}"#, .itemAdded, "p1"),
      (#" { "type" : "participant_joined" , "participantId" : "p1" } "#, .participantJoined, "p1"),
      (
        #"{"data":{"type":"sync","participantId":"no","items":[{"id":"}]"}]},"type":"item_added","participantId":"p2"}"#,
        .itemAdded, "p2"
      ),
      (
        #"{"participantName":"\"type\":\"sync\"","type":"quantity_updated","participantId":"p3"}"#, .quantityUpdated,
        "p3"
      ),
      (#"{"name":"ends in \\","type":"ack","opId":"1","seq":4}"#, .ack, ""),
      (#"{"seq":12,"live":true,"x":null,"type":"quantity_updated","participantId":"p"}"#, .quantityUpdated, "p"),
      (#"{"type":"error","error":"no","data":{"participantId":"p"}}"#, .error, ""),
      (#"{"type":"sync","data":{}}"#, .sync, ""),
      (#"{"type":"presence"}"#, .other, ""),
      (#"{"type":"quantity_updated","data":[[],{},"]"]}"#, .quantityUpdated, ""),
    ] as [(String, Reply.Kind, String)])
  func replies(text: String, kind: Reply.Kind, participant: String) throws {
    let (foundKind, foundParticipant) = try #require(scan(text))
    #expect(foundKind == kind)
    #expect(foundParticipant == participant)
  }

  @Test(
    "what is no message gives nothing",
    arguments: [
      "", " ", "{", "{}", "[]", "null", #"{"type""#, #"{"type":"#, #"{"data":{"type":"sync"}}"#, #"{"x":"\"#,
      #"{"x":{"y":1"#,
      #"{,"type":"sync"#, #"{"typ":"sync"}"#,
    ])
  func noReplies(text: String) {
    #expect(scan(text) == nil)
  }

  @Test("a message that is cut off anywhere does no harm")
  func cutOff() {
    let text = #"{"data":{"a":["\\\"",{"b":-1.5e3}]},"type":"quantity_updated","participantId":"p3"}"#
    for count in 0..<text.utf8.count { _ = scan(String(text.prefix(count))) }
    #expect(scan(text)?.0 == .quantityUpdated)
  }

  @Test(
    "a value at a path",
    arguments: [
      (#"{"data":{"item":{"id":"x7"}}}"#, "x7"),
      (#"{"id":"no","data":{"id":"no","item":{"name":"id","id":"x7"}}}"#, "x7"),
      (#"{"data":{"item":{"id":42}}}"#, "42"),
      (#"{"data":{"item":{}}}"#, nil),
      (#"{"data":{"item":"id"}}"#, nil),
      (#"{"data":[]}"#, nil),
    ] as [(String, String?)])
  func paths(text: String, value: String?) {
    let found = Array(text.utf8).withUnsafeBytes { bytes in
      JSONMembers.value(at: "data", "item", "id", in: bytes).map { String(decoding: $0, as: UTF8.self) }
    }
    #expect(found == value)
  }

  @Test(
    "the elements of an array",
    arguments: [
      ("[]", []), (" [ 1 , \"a]\" ,{\"b\":[2]}, [3,4]] ", ["1", "\"a]\"", "{\"b\":[2]}", "[3,4]"]), ("[1", nil),
      ("[{]", nil),
      ("{}", nil), ("", nil), ("[1,", nil),
    ] as [(String, [String]?)])
  func elements(text: String, elements: [String]?) {
    let found = Array(text.utf8).withUnsafeBytes { bytes in
      JSONMembers.elements(of: bytes)?.map { String(decoding: $0, as: UTF8.self) }
    }
    #expect(found == elements)
  }

  @Test(
    "a participant's index is read from its id",
    arguments: [
      ("r-7-000", 0), ("r-7-042", 42), ("r-7-999", 999), ("r-7-04", nil), ("r-7-0042", nil), ("r-8-042", nil),
      ("r-7-0x2", nil), ("", nil),
    ] as [(String, Int?)])
  func participants(id: String, index: Int?) {
    let names = ParticipantNames(prefix: "r-7-")
    #expect(Array(id.utf8).withUnsafeBytes { names.index(of: $0) } == index)
    if let index { #expect(names.id(index) == id) }
  }
}

@Suite("Arithmetic of the driver")
struct DriverArithmeticTests {
  @Test("the beginning of an operation is known while it is among the last", arguments: [1, 10])
  func operationTimes(inFlight: Int) {
    var times = OperationTimes(inFlight: inFlight)
    let kept = OperationTimes.maxLag + inFlight
    #expect(times.beginning(of: 0) == nil)
    for number in 0..<100 { times.began(at: UInt64(number) * 10) }
    #expect(times.count == 100)
    #expect(times.beginning(of: 99) == 990)
    #expect(times.beginning(of: 100 - kept) == UInt64(100 - kept) * 10)
    #expect(times.beginning(of: 99 - kept) == nil)
    #expect(times.beginning(of: 100) == nil)
    #expect(times.beginning(of: -1) == nil)
  }

  @Test("an open loop issues what is due, and no more")
  func schedule() {
    var schedule = OpenLoopSchedule(start: 1000, rate: 1_000_000)
    var issued: [UInt64] = []
    while let due = schedule.next(until: 4500) { issued.append(due.time) }
    #expect(issued == [1000, 2000, 3000, 4000])
    #expect(schedule.next(until: 5000)?.number == 4)
  }

  @Test(
    "processor time of a process, whatever its name",
    arguments: [
      ("4711 (node) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 11", 300),
      ("4711 (a (b) 9 9 c) R 1 2 3 4 5 6 7 8 9 10 7 3 0 0 20 0 11", 10),
      ("4711 (node) S 1 2", nil),
      ("", nil),
    ] as [(String, Int?)])
  func cpuTicks(stat: String, ticks: Int?) {
    #expect(ProcFile.cpuTicks(stat: stat) == ticks)
  }

  @Test("memory of a process")
  func kilobytes() {
    let status = "Name:\tnode\nVmPeak:\t  999 kB\nVmRSS:\t   1234 kB\nThreads:\t7\n"
    #expect(ProcFile.kilobytes("VmRSS", in: status) == 1234)
    #expect(ProcFile.kilobytes("VmSwap", in: status) == nil)
  }

  @Test(
    "where the server is",
    arguments: [
      ("ws://127.0.0.1:1999", "127.0.0.1", 1999, "/parties/collaborative_order/"),
      ("ws://127.0.0.1:1999/", "127.0.0.1", 1999, "/parties/collaborative_order/"),
      ("ws://localhost/party", "localhost", 80, "/party/"),
      ("ws://h:8080/a/b/", "h", 8080, "/a/b/"),
    ])
  func targets(url: String, host: String, port: Int, path: String) throws {
    let target = try #require(LoadTarget(url: url))
    #expect((target.host, target.port, target.path) == (host, port, path))
  }

  @Test(
    "what is no place", arguments: ["", "ws://", "ftp://h:1", "ws://h:0", "ws://h:70000", "ws://h:1:2", "ws://:1"])
  func noTargets(url: String) {
    #expect(LoadTarget(url: url) == nil)
  }
}
