import NIOCore

/// A connection into a room of a load, whether it joined or only listens.
protocol LoadClient: DialedClient {
  /// The room that the connection is for. It may outlive its run by a moment, and what it brings in it must find all
  /// this alive. The worker takes the circle apart when all connections are closed.
  var room: LoadRoom { get }
  var worker: LoadWorker { get }
  var broadcasts: BroadcastCount { get set }

  /// Whoever met an error takes no further part: what follows could not be told from it.
  func fail(_ text: @autoclosure () -> String)
}

/// The broadcasts that came over one connection.
struct BroadcastCount {
  /// By the participant of the room who caused them.
  private var seen: [Int]
  private(set) var total = 0

  init(participants: Int) { seen = Array(repeating: 0, count: participants) }

  func of(_ sender: Int) -> Int { seen[sender] }

  func knows(_ sender: Int) -> Bool { seen.indices.contains(sender) }

  /// - Returns: the number of the operation that it belongs to, from 0.
  mutating func add(from sender: Int) -> Int {
    defer {
      seen[sender] += 1
      total += 1
    }
    return seen[sender]
  }
}

extension LoadClient {
  /// - Parameter own: the participant whose connection it is, if anybody's.
  /// - Returns: when it came; nil if it cannot be told what it belongs to.
  func broadcastCame(from sender: Int?, own: Int?, size: Int) -> UInt64? {
    guard let sender, broadcasts.knows(sender) else {
      fail("a broadcast names a participant who is not in the room")
      return nil
    }
    let now = NIODeadline.now().uptimeNanoseconds
    guard let began = room.participants[sender].times.beginning(of: broadcasts.add(from: sender)) else {
      fail("a broadcast belongs to no operation, or came far too late")
      return nil
    }
    worker.delivered(size: size, isOwn: sender == own, began: began, now: now)
    return now
  }

  func webSocketFailed(_ error: any Error) {
    handler = nil
    fail("\(error)")
  }

  func webSocketClosed(_ closure: WebSocketClosure) {
    handler = nil
    if !worker.isClosing { fail("the server closed a connection: \(closure)") }
  }
}
