import Foundation
import Load
import TestSupport
import Testing

/// What a kitchen is sent follows from what a room has decided, whatever falls between the two.
@Suite("The program, killed while orders are finalized", .timeLimit(.minutes(5)))
struct FinalizeCrashTests {
  private static let orders = 12
  private static let people = (0..<orders).map { "98765432\($0 + 10)" }

  private struct Order: Sendable {
    let id: String
    let circle: String
    let owner: String
    /// Whether its owner was told that it is finalized.
    var isAnswered = false
  }

  @Test("killed again and again, what was finalized is placed, all of it, once; and nothing else is")
  func kills() async throws {
    let seed = Seed.next()
    var generator = SplitMix64(seed: seed)
    try await withPrograms { directory async throws in
      let file = directory.file("rooms.sqlite")
      for round in 0..<4 {
        let comment = "seed \(seed), round \(round)"
        let first = try await ServingProcess.start(file, ["--key-rate", "off"])
        var orders = try await Self.begin(first.port)
        let countdown = Countdown(1 + generator.below(4)) { first.child.kill(SIGKILL) }
        orders = try await Self.finalize(orders, first.port, told: countdown)
        #expect(await first.child.exit == .signal(SIGKILL), "\(comment)")

        let second = try await ServingProcess.start(file, ["--key-rate", "off"])
        _ = try await Self.check(orders, second.port, comment)
        // Who had no answer asks again.
        orders = try await Self.finalize(orders, second.port, told: Countdown(.max) {})
        #expect(orders.count(where: \.isAnswered) == Self.orders, "\(comment)")
        #expect(try await Self.check(orders, second.port, comment) == Self.orders)
        second.child.kill(SIGTERM)
        #expect(await second.child.exit == .code(0), "\(comment)")
      }
    }
  }

  /// Everybody has a circle, whose order has a dish of theirs and one of a guest.
  private static func begin(_ port: Int) async throws -> [Order] {
    let connection = try await RawConnection.open(port)
    func call(_ line: String, _ body: String) async throws -> JSON {
      let parts = line.split(separator: " ")
      let response = try await connection.call("\(parts[0]) /v1/tenants/t\(parts[1])", body)
      #expect((200...201).contains(response.status), "\(line): \(response.body)")
      return try JSON(parsing: response.body)
    }
    var orders: [Order] = []
    for (owner, guest) in zip(people, people.dropFirst() + people.prefix(1)) {
      _ = try await call("POST /customers", #"{"phone":"\#(owner)","name":"Asha"}"#)
      let circle = try await call("POST /circles", #"{"name":"Home","type":"family","owner":"\#(owner)"}"#)
      let circleID = try #require(circle["id"].string)
      _ = try await call("POST /circles/\(circleID)/members", #"{"phone":"\#(guest)","by":"\#(owner)","name":"Ravi"}"#)
      let started = try await call("POST /circles/\(circleID)/collaborative-orders", #"{"phone":"\#(owner)"}"#)
      let id = try #require(started["id"].string)
      _ = try await call("POST /collaborative-orders/\(id)/participants", #"{"phone":"\#(guest)"}"#)
      for phone in [owner, guest] {
        _ = try await call(
          "POST /collaborative-orders/\(id)/items",
          #"{"phone":"\#(phone)","dishName":"Dal","dishType":"veg","quantity":1,"price":120.5}"#)
      }
      orders.append(Order(id: id, circle: circleID, owner: owner))
    }
    return orders
  }

  /// Has all owners finalize at once, until the server is no more.
  private static func finalize(_ orders: [Order], _ port: Int, told: Countdown) async throws -> [Order] {
    try await withThrowingTaskGroup(of: (Int, Bool).self) { group in
      for (index, order) in orders.enumerated() where !order.isAnswered {
        group.addTask {
          do {
            let response = try await RawConnection.open(port).call(
              "POST /v1/tenants/t/collaborative-orders/\(order.id)/finalize",
              #"{"phone":"\#(order.owner)","orders":"individual"}"#, headers: ["Idempotency-Key: finalize"])
            told.count()
            let isRepeated = response.status == 409 && response.body.contains("order_finalized")
            #expect(response.status == 200 || isRepeated, "\(response.body)")
            return (index, true)
          } catch {
            // The server was killed: nobody knows.
            return (index, false)
          }
        }
      }
      var orders = orders
      for try await (index, isAnswered) in group where isAnswered { orders[index].isAnswered = true }
      return orders
    }
  }

  /// Complete, or not at all.
  ///
  /// - Returns: how many are finalized.
  private static func check(_ orders: [Order], _ port: Int, _ comment: String) async throws -> Int {
    let connection = try await RawConnection.open(port)
    func get(_ path: String) async throws -> JSON {
      try JSON(parsing: try await connection.call("GET /v1/tenants/t\(path)").body)
    }
    var finalized = 0
    for order in orders {
      // The room's own word; the records follow it within seconds.
      let isFinalized = try await get("/collaborative-orders/\(order.id)")["status"] == "finalized"
      if isFinalized { finalized += 1 } else { #expect(!order.isAnswered, "\(comment)") }
      var rows: [JSON] = []
      try await eventually("the records to follow") {
        rows = try await get("/collaborative-orders/\(order.id)/orders")["orders"].elements
        #expect([0, 2].contains(rows.count), "\(comment): \(rows)")
        return rows.isEmpty != isFinalized
      }
      let running: JSON = isFinalized ? [] : [.string(order.id)]
      #expect(try await get("/circles/\(order.circle)")["activeOrders"] == running, "\(comment)")
      for row in rows {
        #expect(row["total"] == 120.5 && row["collaborativeOrderId"] == .string(order.id), "\(comment)")
      }
      let people = Set(rows.map { $0["customerId"] })
      #expect(people.count == rows.count, "\(comment)")
    }
    return finalized
  }
}
