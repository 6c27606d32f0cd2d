import Gateway
import Load
import NIOCore
import TestSupport
import Testing

/// A slow consumer's outbox is bounded.
@Suite("A client that does not keep up", .serialized, .timeLimit(.minutes(3)))
struct SlowConsumerTests {
  private static let path = RoomClient.path + "room"

  /// Makes an order whose state is large, so that each change fills the sockets a good deal.
  private static func order(_ port: Int, tls: ClientTLS? = nil) async throws -> FrameClient {
    let fast = try await FrameClient.open(port, path + "?v=2", tls: tls)
    fast.send("join", as: "fast", data: #"{"circleId":"test","tenantId":"test","phone":"1234567890"}"#, opId: "join")
    _ = try await fast.next("ack")
    let note = String(repeating: "🍲", count: 500)
    for number in 0..<20 {
      fast.send(
        "add_item", as: "fast",
        data:
          #"{"id":"\#(number)","dishName":"Dal","dishType":"veg","quantity":99,"price":1,"customization":"\#(note)"}"#,
        opId: "add-\(number)")
    }
    for _ in 0..<20 { _ = try await fast.next("ack") }
    return fast
  }

  /// Changes the order until the slow client has been found to be too slow.
  private static func overflow(_ fast: FrameClient) async throws {
    let lags = TestServer.metric("stonepot_outbox_overflows_total")
    var number = 0
    while TestServer.metric("stonepot_outbox_overflows_total") == lags {
      try #require(number < 2000, "the sockets take everything")
      for _ in 0..<10 {
        number += 1
        let quantity = number % 98 + 1
        fast.send("update_quantity", as: "fast", data: #"{"itemId":"0","quantity":\#(quantity)}"#, opId: "op-\(number)")
      }
      for _ in 0..<10 { _ = try await fast.next("ack") }
    }
  }

  @Test("it gets one state when it reads again, with a piece of the sequence before it and the sequence behind it")
  func catchUp() async throws {
    try await withServer {
      $0.gateway.messagesPerSecond = 0
    } _: { server async throws in
      try await catchUp(server.port)
    }
  }

  @Test("so it does over TLS")
  func catchUpOverTLS() async throws {
    try await withTLSServer {
      $0.gateway.messagesPerSecond = 0
    } _: { server, certificate, _ async throws in
      try await catchUp(server.port, tls: ClientTLS(trusted: certificate.certificate))
    }
  }

  private func catchUp(_ port: Int, tls: ClientTLS? = nil) async throws {
    let fast = try await Self.order(port, tls: tls)
    let slow = try await FrameClient.open(port, Self.path, receiveBuffer: 4096, tls: tls)
    var last = try #require(try await slow.nextMessage()?["seq"].int)
    try await slow.connection.setReading(false)
    try await Self.overflow(fast)
    fast.send("add_item", as: "fast", data: RoomClient.dish("Naan"), opId: "naan")
    let head = try #require(try await fast.next("ack")["seq"].int)

    try await slow.connection.setReading(true)
    while let message = try await slow.nextMessage() {
      guard message["type"] == "sync" else {
        #expect(message["seq"].int == last + 1)
        last += 1
        continue
      }
      #expect(last < head, "it had kept up, and was told the state all the same")
      #expect(message["seq"].int == head)
      #expect(message["data"]["items"].elements.count == 21)
      #expect(message["data"]["items"][20]["dishName"] == "Naan")
      break
    }
    for number in 1...5 {
      fast.send("add_item", as: "fast", data: RoomClient.dish("Roti"), opId: "roti-\(number)")
      let message = try #require(try await slow.nextMessage())
      #expect(message["type"] == "item_added")
      #expect(message["seq"].int == head + number)
    }
  }

  @Test("it is cut with 1013 if it does not read again")
  func cut() async throws {
    try await withServer {
      $0.gateway.messagesPerSecond = 0
      $0.gateway.lagLimit = .milliseconds(1)
      $0.gateway.closeWithin = patience
    } _: { server async throws in
      let fast = try await Self.order(server.port)
      let slow = try await FrameClient.open(server.port, Self.path, receiveBuffer: 4096)
      var last = try #require(try await slow.nextMessage()?["seq"].int)
      try await slow.connection.setReading(false)
      let cuts = TestServer.metric("stonepot_slow_consumers_closed_total")
      try await Self.overflow(fast)
      try await eventually("the cut") { TestServer.metric("stonepot_slow_consumers_closed_total") > cuts }
      try await slow.connection.setReading(true)
      while true {
        let event = try await slow.next()
        if case .close(let code, _)? = event {
          #expect(code == 1013)
          break
        }
        guard case .text(let text)? = event else {
          Issue.record("it was cut without a word: \(String(describing: event))")
          break
        }
        let message = try JSON(parsing: String(buffer: text))
        #expect(message["seq"].int == last + 1)
        last += 1
      }
      // Nobody else noticed.
      fast.send("add_item", as: "fast", data: RoomClient.dish("Naan"), opId: "naan")
      while try await fast.next("ack")["opId"] != "naan" {}
    }
  }
}
