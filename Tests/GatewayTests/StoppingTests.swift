import Gateway
import Load
import Rooms
import Testing

@Suite("Stopping, and what is counted", .timeLimit(.minutes(3)))
struct StoppingTests {
  @Test("every WebSocket is told 1012 when the server stops, so that its client comes back")
  func goodbye() async throws {
    try await withServer {
      $0.gateway.servesEcho = true
    } _: { server async throws in
      let clients = [
        try await RoomClient.joined(server.port, as: "asha"),
        try await RoomClient.joined(server.port, RoomClient.path + "room?v=2", as: "ravi"),
        try await RoomClient.open(server.port, RoomClient.path + "elsewhere"),
        try await RoomClient.open(server.port, "/parties/echo/room"),
      ]
      server.gateway.beginDraining()
      await server.registry.stop()
      await server.gateway.closeSessions(within: .seconds(1))
      for client in clients {
        let closure = try await client.closure()
        #expect(closure?.code == 1012)
        #expect(closure?.wasClean == true)
      }
    }
  }

  @Test("a room that stops under its clients tells them 1012 at their next word")
  func orphans() async throws {
    try await withServer { server async throws in
      let client = try await RoomClient.joined(server.port, as: "asha")
      await server.registry.stop()
      client.add("Dal", as: "asha")
      #expect(try await client.closure()?.code == 1012)
    }
  }

  @Test("counters move with what they count")
  func counters() async throws {
    try await withServer {
      $0.gateway.messagesPerSecond = 1
      $0.gateway.messageBurst = 3
    } _: { server async throws in
      let names = [
        "stonepot_messages_received_total", "stonepot_frames_sent_total", "stonepot_messages_rate_limited_total",
        "stonepot_room_events_total", "stonepot_operations_refused_total", "stonepot_room_loads_total",
      ]
      let before = names.map { TestServer.metric($0) }
      let client = try await RoomClient.joined(server.port, as: "asha")
      _ = try await client.soFar(as: "asha")
      repeat { client.add("Dal", as: "asha") } while try await client.next()["data"]["code"] != "rate_limited"
      for (name, before) in zip(names, before) { #expect(TestServer.metric(name) > before, "\(name)") }
    }
  }
}
