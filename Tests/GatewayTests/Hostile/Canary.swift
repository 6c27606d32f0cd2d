import Load
import NIOCore
import Synchronization
import Testing

/// A participant in a room of its own, who works all along while others do their worst: every operation is answered,
/// once, in order, and nobody else's doings are seen.
final class Canary: Sendable {
  /// What became of the canary's operations.
  struct Song: CustomStringConvertible, Sendable {
    var waits: [Duration] = []

    private func percentile(_ rank: Int) -> Duration {
      waits.isEmpty ? .zero : waits.sorted()[(waits.count - 1) * rank / 100]
    }

    var description: String { "\(waits.count) operations, p50 \(percentile(50)), p99 \(percentile(99))" }
  }

  static let room = "canary"

  private let port: Int
  private let client: FrameClient
  private let isStopped = Atomic<Bool>(false)

  init(port: Int) async throws {
    self.port = port
    client = try await FrameClient.open(port, RoomClient.path + Self.room + "?v=2")
    client.send("join", as: "canary", data: #"{"circleId":"test","tenantId":"test"}"#, opId: "join")
    client.send("add_item", as: "canary", data: RoomClient.dish("Dal", id: "dal"), opId: "add")
    while try await client.next("ack")["opId"] != "add" {}
  }

  func stop() { isStopped.store(true, ordering: .relaxed) }

  /// One change of quantity after the other, about as fast as a person taps.
  func sing() async throws -> Song {
    var song = Song()
    while !isStopped.load(ordering: .relaxed) {
      let number = song.waits.count
      let start = ContinuousClock.now
      let (opId, quantity) = ("op-\(number)", number % 98 + 2)
      client.send("update_quantity", as: "canary", data: #"{"itemId":"dal","quantity":\#(quantity)}"#, opId: opId)
      let change = try await nextMessage()
      #expect(change["type"] == "quantity_updated", "\(change)")
      #expect(change["seq"] == JSON(integerLiteral: 4 + number), "\(change)")
      #expect(change["data"]["quantity"] == JSON(integerLiteral: quantity), "\(change)")
      let answer = try await nextMessage()
      #expect(answer["type"] == "ack" && answer["opId"] == .string(opId), "\(answer)")
      song.waits.append(ContinuousClock.now - start)
      try await Task.sleep(for: .milliseconds(20))
    }
    return song
  }

  private func nextMessage() async throws -> JSON {
    while let event = try await client.nextAnsweringPings() {
      if case .text(let text) = event { return try JSON(parsing: String(buffer: text)) }
    }
    throw RawConnection.Ended(what: "the canary's message")
  }

  /// The order is what the canary made of it.
  func expectUnharmed(by song: Song) async throws {
    #expect(!song.waits.isEmpty)
    let response = try await RawConnection.open(port).get(RoomClient.path + Self.room)
    let state = try JSON(parsing: response.body)
    #expect(state["seq"] == JSON(integerLiteral: 3 + song.waits.count))
    #expect(state["data"]["participants"].elements.count == 1)
    #expect(state["data"]["items"].elements.count == 1)
    let last = (song.waits.count - 1) % 98 + 2
    #expect(state["data"]["items"][0]["quantity"] == JSON(integerLiteral: last))
  }
}
