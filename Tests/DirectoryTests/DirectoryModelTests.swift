import Directory
import Ordering
import RoomCore
import Store
import StoreTesting
import Synchronization
import TestSupport
import Testing

@Suite("Records under many hands", .timeLimit(.minutes(5)))
struct DirectoryModelTests {
  private static let clients = 16
  private static let operations = 625
  private static let people = 24

  /// What was acknowledged, by whomever.
  private final class Told: Sendable {
    private let state = Mutex(Acknowledged())
    func withLock<Value>(_ body: (inout Acknowledged) -> sending Value) -> sending Value {
      state.withLock { body(&$0) }
    }
  }

  private struct Acknowledged {
    /// Changes of each customer that said something new.
    var emails: [PhoneNumber: Set<String>] = [:]
    var orders: [String: [PlacedOrder.Status]] = [:]
    /// Circles, and who made each.
    var circles: [String: PhoneNumber] = [:]
    /// Orders that each circle was said to have running, and who was let in.
    var running: [String: Set<String>] = [:]
    var guests: [String: Set<PhoneNumber>] = [:]

    mutating func letIn(_ phone: PhoneNumber, _ order: SharedOrder) {
      running[order.circle, default: []].insert(order.id)
      guests[order.id, default: []].insert(phone)
    }
  }

  @Test("10 000 changes by 16 clients at once: none is lost, and nothing leads nowhere", arguments: Engine.allCases)
  func concurrent(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    let told = Told()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for client in 0..<Self.clients {
        group.addTask {
          var random = SplitMix64(seed: UInt64(client))
          for number in 0..<Self.operations {
            try await Self.act(directory, &random, "\(client)-\(number)", told)
          }
        }
      }
      try await group.waitForAll()
    }
    try await check(directory, told.withLock { $0 })
    await harness.store.close()
  }

  private static func act(
    _ directory: Directory, _ random: inout SplitMix64, _ name: String, _ told: Told
  ) async throws {
    let phone = DirectoryHarness.phone(Int.random(in: 0..<people, using: &random))
    let other = DirectoryHarness.phone(Int.random(in: 0..<people, using: &random))
    let (circle, order) = told.withLock {
      ($0.circles.randomElement(using: &random), $0.orders.keys.randomElement(using: &random))
    }
    do {
      switch Int.random(in: 0..<12, using: &random) {
      case 0..<3:
        let email = "\(name)@example.com"
        let result = try await directory.upsertCustomer("t", phone, CustomerChange(name: "N", email: email))
        #expect(result.customer.email == email)
        told.withLock { _ = $0.emails[phone, default: []].insert(email) }
      case 3:
        let circle = try await directory.createCircle("t", name: name, kind: .family, owner: phone)
        told.withLock { $0.circles[circle.id] = phone }
      case 4: if let circle { _ = try await directory.inviteToCircle("t", circle.key, other, name: nil, by: phone) }
      case 5: if let circle { _ = try await directory.removeFromCircle("t", circle.key, other, by: phone) }
      case 6: if let circle { _ = try await directory.transferCircle("t", circle.key, to: other, by: phone) }
      case 7:
        let item = PlacedOrder.Item(dishName: "Dal", quantity: 1, price: Money(minorUnits: 100))
        let order = try await directory.createOrder(
          "t", phone, OrderDraft(kind: .delivery, items: [item]), currency: .inr)
        told.withLock { $0.orders[order.id] = [] }
      case 8:
        guard let circle else { return }
        let admission = try await directory.startOrder("t", circle: circle.key, by: circle.value, kind: .delivery)
        told.withLock { $0.letIn(circle.value, admission.order) }
      case 9:
        guard let running = told.withLock({ $0.running.values.randomElement(using: &random)?.first }) else { return }
        let admission = try await directory.joinOrder("t", running, other)
        told.withLock { $0.letIn(other, admission.order) }
      default:
        guard let order, let status = PlacedOrder.Status.allCases.randomElement(using: &random) else { return }
        let seen = try await directory.order("t", order)
        let changed = try await directory.updateOrderStatus("t", order, to: status, seen: seen.version)
        // Of two who have seen the same version only one changes it.
        if changed.version > seen.version { told.withLock { $0.orders[order]?.append(status) } }
      }
    } catch is RecordRejection {
      // Somebody else was quicker, or it is not allowed.
    }
  }

  private func check(_ directory: Directory, _ told: Acknowledged) async throws {
    #expect(
      told.emails.values.reduce(0) { $0 + $1.count } > 1000 && told.circles.count > 200 && told.orders.count > 200)
    for (phone, emails) in told.emails {
      let customer = try await directory.customer("t", phone)
      #expect(customer.email.map(emails.contains) == true)
      // Each of them was another than the one before, and who was invited first was verified with the first of them.
      #expect([Int64(emails.count), Int64(emails.count) + 1].contains(customer.version), "\(emails.count)")
    }
    for id in told.circles.keys {
      let circle = try await directory.circle("t", id)
      #expect(circle.members.count { $0.role == .owner } == 1)
      for member in circle.members { _ = try await directory.customer("t", member.phone) }
      // However many started it at once, it is one; and it is there.
      #expect(Set(circle.activeOrders) == told.running[id] ?? [] && circle.activeOrders.count <= 1)
      for order in circle.activeOrders { #expect(try await directory.sharedOrder("t", order).circle == id) }
    }
    #expect(told.running.count > 50)
    for (order, guests) in told.guests {
      for guest in guests {
        _ = try await directory.customer("t", guest)
        guard try await directory.circle("t", directory.sharedOrder("t", order).circle)[guest] != nil else { continue }
        #expect(try await directory.admission("t", order, guest).guest.phone == guest)
      }
    }
    for (id, statuses) in told.orders {
      let order = try await directory.order("t", id)
      #expect(Set(order.timeline.dropFirst().map(\.status)) == Set(statuses))
      #expect(order.timeline.count == statuses.count + 1 && order.version == Int64(statuses.count) + 1)
      for (before, after) in zip(order.timeline, order.timeline.dropFirst()) {
        #expect(before.status.next.contains(after.status))
      }
    }
  }
}
