import Directory
import Foundation
import NIOCore
import Ordering
import RoomCore
import Service
import ServiceTesting
import Store
import StoreTesting
import Synchronization
import TestSupport
import Testing

@Suite("Webhooks on their way, in each store", .timeLimit(.minutes(2)))
struct WebhookWorkerTests {
  @Test(
    "an order's life is told to who wants it: signed, in one form, under one id everywhere", arguments: Engine.allCases)
  func told(engine: Engine) async throws {
    try await withScene(engine) { scene in
      let receiver = try await Receiver.start()
      let all = try await scene.endpoint(receiver.url("/all?x=1"))
      let some = try await scene.endpoint(receiver.url("/some"), [.orderStatusUpdated])
      let phone = try PhoneNumber("9876543210")
      _ = try await scene.directory.upsertCustomer("t", phone, CustomerChange(name: "Asha"))
      let item = PlacedOrder.Item(dishName: "दाल", quantity: 2, price: Money(minorUnits: 29950))
      let draft = OrderDraft(kind: .delivery, items: [item])
      for _ in 0..<2 {
        _ = try await scene.directory.createOrder("t", phone, draft, currency: .inr, id: "order")
        _ = try await scene.directory.createOrder("t", phone, draft, currency: .inr, id: "order")
      }
      scene.clock.advance(by: .milliseconds(500))
      for _ in 0..<2 { _ = try await scene.directory.updateOrderStatus("t", "order", to: .confirmed) }
      try await scene.withWorker {
        try await eventually("all") { receiver.requests.count == 3 }
        try await eventually("all to be written down") {
          let counts = try await (scene.count(.delivered, at: all), scene.count(.delivered, at: some))
          return counts == (2, 1)
        }
      }
      let told = receiver.requests(at: "/all?x=1")
      #expect(told.count == 2)
      let bodies = try told.map { try #require(JSONSerialization.jsonObject(with: Data($0.body)) as? [String: Any]) }
      #expect(Set(bodies.compactMap { $0["type"] as? String }) == ["order.created", "order.status_updated"])
      let created = try #require(bodies.first { $0["type"] as? String == "order.created" })
      #expect(created["timestamp"] as? String == "2023-11-14T22:13:20.123Z")
      let order = try #require(created["data"] as? [String: Any])
      #expect(order["id"] as? String == "order" && order["total"] as? Double == 599)
      #expect(Set(created.keys) == ["type", "timestamp", "data"])
      for request in receiver.requests {
        #expect(request.method == "POST" && request.headers["content-type"] == "application/json")
        #expect(request.headers["webhook-timestamp"] == "1700000000")
        #expect(request.headers["host"] == "127.0.0.1:\(receiver.port)")
        #expect(request.headers["content-length"] == "\(request.body.count)")
      }
      // One event has one id and the same bytes, whoever is told.
      let updated = try #require(told.first { String(decoding: $0.body, as: UTF8.self).contains("status_updated") })
      let other = try #require(receiver.requests(at: "/some").first)
      #expect(updated.headers["webhook-id"] == other.headers["webhook-id"] && updated.body == other.body)
      #expect(Set(receiver.requests.compactMap { $0.headers["webhook-id"] }).count == 2)
      #expect(try await SignatureCheck.allGood(told, [all.secret.text]))
      #expect(try await SignatureCheck.allGood([other], [some.secret.text]))
      #expect(try await !SignatureCheck.allGood(told, [some.secret.text]))
      try await receiver.stop()
    }
  }

  @Test(
    "a receiver that fails in every way gets the same event again, later each time, until it takes it",
    arguments: Engine.allCases)
  func failing(engine: Engine) async throws {
    try await withScene(engine) { scene in
      let receiver = try await Receiver.start()
      let endpoint = try await scene.endpoint(receiver.url("/hook"), [.collaborativeOrderFinalized])
      let event = try await scene.happen()[0]
      let other = try await Receiver.start()
      let witness = try await scene.endpoint(other.url("/witness"), [.orderCreated])
      let turns: [(Receiver.Behaviour, status: Int?, words: String?, wait: Duration)] = [
        (.answer(500, body: "oops \0 \u{1F35B}"), 500, "oops", .seconds(5)),
        (.reset, nil, "connection ended", .seconds(300)),
        (.answer(302, headers: [("Location", other.url("/elsewhere"))]), 302, nil, .seconds(1800)),
        (.answer(307, headers: [("Location", receiver.url("/elsewhere"))]), 307, nil, .seconds(7200)),
        (.answer(503, headers: [("Retry-After", "40000")], body: "later"), 503, "later", .seconds(40_000)),
        (.answer(404), 404, nil, .seconds(36_000)),
      ]
      try await scene.withWorker {
        for (number, turn) in turns.enumerated() {
          receiver.at("/hook", turn.0)
          scene.clock.advance(by: .milliseconds(1))
          let delivery = try await scene.attempts(number + 1, of: event, at: endpoint)
          let attempt = try #require(delivery.attempts.last)
          #expect(delivery.status == .waiting && delivery.attemptCount == number + 1)
          #expect(delivery.nextAttemptAt == scene.clock.now.advanced(by: turn.wait), "\(number)")
          #expect(attempt.status == turn.status && attempt.at == scene.clock.now)
          let words = attempt.error ?? attempt.response
          #expect(
            words.map { words in turn.words.map { words.contains($0) } ?? false } ?? (turn.words == nil), "\(attempt)")
          // Not a moment sooner: what is due by then is sent, and this is not.
          scene.clock.advance(by: turn.wait - .milliseconds(1))
          let seen = try await scene.happen(1, .orderCreated)[0]
          try await scene.attempts(1, of: seen, at: witness)
          #expect(receiver.requests.count == number + 1)
        }
        receiver.at("/hook", .answer(204))
        scene.clock.advance(by: .milliseconds(1))
        let delivery = try await scene.attempts(turns.count + 1, of: event, at: endpoint)
        #expect(delivery.status == .delivered && delivery.nextAttemptAt == nil)
      }
      let requests = receiver.requests
      #expect(requests.count == turns.count + 1 && requests.allSatisfy { $0.path == "/hook" })
      #expect(other.requests.allSatisfy { $0.path == "/witness" })
      #expect(requests.allSatisfy { $0.headers["webhook-id"] == event && $0.body == requests[0].body })
      #expect(Set(requests.compactMap { $0.headers["webhook-timestamp"] }).count == requests.count)
      #expect(try await SignatureCheck.allGood(requests, [endpoint.secret.text]))
      for receiver in [receiver, other] { try await receiver.stop() }
    }
  }

  @Test(
    "after the last attempt it has failed; who asks has it sent again under the same id", arguments: Engine.allCases)
  func exhausted(engine: Engine) async throws {
    try await withScene(engine) { scene in
      let receiver = try await Receiver.start()
      receiver.at("/hook", .answer(500))
      let endpoint = try await scene.endpoint(receiver.url("/hook"))
      let event = try await scene.happen()[0]
      try await scene.withWorker {
        for number in 1...10 {
          try await scene.attempts(number, of: event, at: endpoint)
          scene.clock.advance(by: .seconds(24 * 3600))
        }
        #expect(try await scene.delivery(endpoint, event).status == .failed)
        scene.clock.advance(by: .seconds(7 * 24 * 3600))
        receiver.at("/hook", .answer(200))
        let again = try await scene.webhooks.redeliver("t", endpoint.id, event)
        #expect(again.status == .waiting && again.attempts.count == 10)
        try await eventually("it to be delivered") { try await scene.delivery(endpoint, event).status == .delivered }
        let delivery = try await scene.delivery(endpoint, event)
        // The last ten are kept.
        #expect(delivery.attemptCount == 11 && delivery.attempts.count == 10)
        #expect(delivery.attempts.map(\.status) == Array(repeating: 500, count: 9) + [200])
      }
      #expect(receiver.requests.count == 11 && receiver.requests.allSatisfy { $0.headers["webhook-id"] == event })
      try await receiver.stop()
    }
  }

  @Test("a receiver that stalls has its share of the attempts, and holds up nobody else", arguments: Engine.allCases)
  func stalling(engine: Engine) async throws {
    try await withScene(engine) { scene in
      let receiver = try await Receiver.start()
      receiver.at("/stall", .stall)
      let stalling = try await scene.endpoint(receiver.url("/stall"))
      try await scene.happen(100)
      let well = try await scene.endpoint(receiver.url("/well"))
      try await scene.withWorker { settings in
        settings.attemptLimit = .seconds(50)
        settings.stopLimit = .zero
      } _: {
        try await eventually("its share") { receiver.stalledCount == 4 }
        let late = try await scene.happen(50)
        try await eventually("the others") { try await scene.count(.delivered, at: well) == 50 }
        #expect(receiver.stalledCount == 4 && receiver.requests(at: "/stall").count == 4)
        // It answers after all.
        receiver.at("/stall", .answer(200))
        receiver.answerStalled()
        try await eventually("all of it") { try await scene.count(.delivered, at: stalling) == 150 }
        let first = try await scene.delivery(stalling, late[0])
        #expect(first.attempts.count == 1)
      }
      #expect(receiver.requests(at: "/stall").count == 150)
      try await receiver.stop()
    }
  }

  @Test("however many receivers stall, a worker has sixteen attempts under way and no more")
  func bounded() async throws {
    try await withScene(.sqlite) { scene in
      let receiver = try await Receiver.start()
      receiver.at("/stall", .stall)
      for _ in 0..<10 { _ = try await scene.endpoint(receiver.url("/stall")) }
      try await scene.happen(4)
      try await scene.withWorker {
        $0.attemptLimit = .seconds(50)
        $0.stopLimit = .zero
      } _: {
        try await eventually("all that may be") { receiver.stalledCount == 16 }
        receiver.answerStalled(nil)
        // Nothing has ended, so nothing begins; a store that was looked into says how much is taken.
        #expect(try await scene.webhooks.backlog().waiting == 40)
        #expect(try await scene.webhooks.claim(100, perEndpoint: 100, busy: [:], lease: .seconds(60)).count == 24)
        receiver.at("/stall", .answer(200))
        #expect(receiver.requests.count == 16)
      }
      try await receiver.stop()
    }
  }

  @Test("who answers too late, or only by half, is sent it again", arguments: Engine.allCases)
  func late(engine: Engine) async throws {
    try await withScene(engine) { scene in
      let receiver = try await Receiver.start()
      let paths: [(String, Receiver.Behaviour)] = [("/stall", .stall), ("/half", .halfAnswer)]
      for (path, behaviour) in paths { receiver.at(path, behaviour) }
      let endpoints = try await [scene.endpoint(receiver.url("/stall")), scene.endpoint(receiver.url("/half"))]
      let event = try await scene.happen()[0]
      try await scene.withWorker({ $0.attemptLimit = .milliseconds(100) }) {
        for endpoint in endpoints {
          let delivery = try await scene.attempts(1, of: event, at: endpoint)
          #expect(delivery.status == .waiting)
          #expect(
            delivery.attempts[0].error == "there was no whole answer in time" && delivery.attempts[0].status == nil)
          #expect(delivery.attempts[0].durationMillis >= 100)
        }
      }
      try await scene.withWorker { () async throws in
        for (path, _) in paths { receiver.at(path, .answer(200)) }
        scene.clock.advance(by: .seconds(5))
        for endpoint in endpoints {
          #expect(try await scene.attempts(2, of: event, at: endpoint).status == .delivered)
        }
      }
      try await receiver.stop()
    }
  }

  @Test("410 ends what waits for the endpoint, disables it, and leaves the others alone", arguments: Engine.allCases)
  func gone(engine: Engine) async throws {
    try await withScene(engine) { scene in
      let receiver = try await Receiver.start()
      receiver.at("/gone", .answer(500))
      let gone = try await scene.endpoint(receiver.url("/gone"))
      let well = try await scene.endpoint(receiver.url("/well"))
      let events = try await scene.happen(3)
      try await scene.withWorker({ $0.concurrencyPerEndpoint = 1 }) {
        for event in events { try await scene.attempts(1, of: event, at: gone) }
        receiver.at("/gone", .answer(410, body: "go away"))
        let last = try await scene.happen()[0]
        try await eventually("the end") { try await scene.count(.cancelled, at: gone) == 3 }
        let delivery = try await scene.delivery(gone, last)
        #expect(delivery.status == .failed && delivery.attempts.map(\.status) == [410])
        #expect(delivery.attempts[0].response == "go away")
        #expect(try await scene.webhooks.endpoint("t", gone.id).disabledReason == "the receiver has answered 410 Gone")
        try await scene.happen()
        scene.clock.advance(by: .seconds(24 * 3600))
        try await eventually("the others") { try await scene.count(.delivered, at: well) == 5 }
        await #expect(throws: RecordRejection.self) { try await scene.webhooks.redeliver("t", gone.id, last) }
      }
      #expect(receiver.requests(at: "/gone").count == 4)
      try await receiver.stop()
    }
  }

  @Test("of a body without an end so much is read, and less is kept")
  func endless() async throws {
    try await withScene(.sqlite) { scene in
      let receiver = try await Receiver.start()
      receiver.at("/endless", .endless)
      let endpoint = try await scene.endpoint(receiver.url("/endless"))
      let event = try await scene.happen()[0]
      try await scene.withWorker {
        let delivery = try await scene.attempts(1, of: event, at: endpoint)
        #expect(delivery.status == .delivered && delivery.attempts[0].status == 200)
        #expect(delivery.attempts[0].response?.utf8.count == 4096)
      }
      try await receiver.stop()
    }
  }

  @Test("nothing is said to who cannot prove to be the one that is named")
  func certificates() async throws {
    try await withScene(.sqlite) { scene in
      let authority = try await TestAuthority.make()
      let stranger = try await TestAuthority.make()
      let good = try await Receiver.start(tls: try await authority.certificate(for: "DNS:hooks.test"))
      let wrong = try await Receiver.start(tls: try await authority.certificate(for: "DNS:other.test"))
      let unknown = try await Receiver.start(tls: try await stranger.certificate(for: "DNS:hooks.test"))
      let numeric = try await Receiver.start(tls: try await authority.certificate(for: "IP:127.0.0.1"))
      let plain = try await Receiver.start()
      func endpoint(_ receiver: Receiver, host: String = "hooks.test") async throws -> WebhookEndpoint {
        try await scene.endpoint(receiver.url("/", host: host, scheme: "https"))
      }
      let (goodOne, numericOne) = try await (endpoint(good), endpoint(numeric, host: "127.0.0.1"))
      let badOnes = try await [endpoint(wrong), endpoint(unknown), endpoint(numeric), endpoint(plain)]
      let event = try await scene.happen()[0]
      try await scene.withWorker {
        $0.authority = authority.file
      } lookUp: { _, port in
        [try SocketAddress(ipAddress: "127.0.0.1", port: port)]
      } _: {
        for endpoint in [goodOne, numericOne] {
          let delivery = try await scene.attempts(1, of: event, at: endpoint)
          #expect(delivery.status == .delivered, "\(delivery.attempts)")
        }
        for endpoint in badOnes {
          let delivery = try await scene.attempts(1, of: event, at: endpoint)
          #expect(delivery.status == .waiting && delivery.attempts[0].status == nil)
          #expect(delivery.attempts[0].error?.hasPrefix("TLS has failed") == true, "\(delivery.attempts)")
        }
      }
      #expect(good.requests.first?.headers["host"] == "hooks.test:\(good.port)")
      #expect(numeric.requests.map { $0.headers["host"] } == ["127.0.0.1:\(numeric.port)"])
      for receiver in [wrong, unknown, plain] { #expect(receiver.requests.isEmpty) }
      for receiver in [good, wrong, unknown, numeric, plain] { try await receiver.stop() }
    }
  }

  @Test("a worker that dies leaves its delivery to another, once the lease has ended", arguments: Engine.allCases)
  func takenOver(engine: Engine) async throws {
    try await withScene(engine) { scene in
      let receiver = try await Receiver.start()
      receiver.at("/hook", .stall)
      let endpoint = try await scene.endpoint(receiver.url("/hook"))
      let event = try await scene.happen()[0]
      let client = try WebhookClient(settings: WebhookScene.settings, group: WebhookScene.loops)
      let dying = Task { await scene.worker(client, WebhookScene.settings).run() }
      try await eventually("the first attempt") { receiver.stalledCount == 1 }
      dying.cancel()
      await dying.value
      client.stop()
      receiver.at("/hook", .answer(200))
      try await scene.withWorker {
        scene.clock.advance(by: .milliseconds(59_999))
        // Whatever else is due is sent, so it was looked for.
        let other = try await scene.happen()[0]
        #expect(try await scene.attempts(1, of: other, at: endpoint).status == .delivered)
        #expect(try await scene.delivery(endpoint, event).attempts.isEmpty)
        scene.clock.advance(by: .milliseconds(1))
        let delivery = try await scene.attempts(1, of: event, at: endpoint)
        #expect(delivery.status == .delivered && delivery.attemptCount == 2)
      }
      let requests = receiver.requests.filter { $0.headers["webhook-id"] == event }
      #expect(requests.count == 2 && requests[0].body == requests[1].body)
      try await receiver.stop()
    }
  }

  @Test("what a worker says after its lease has ended does not count", arguments: Engine.allCases)
  func lateSettlement(engine: Engine) async throws {
    try await withScene(engine) { scene in
      let endpoint = try await scene.endpoint("https://example.com/")
      let event = try await scene.happen()[0]
      func claim() async throws -> [WebhookClaim] {
        try await scene.webhooks.claim(1, perEndpoint: 1, busy: [:], lease: .seconds(60))
      }
      let first = try #require(try await claim().first)
      #expect(try await claim().isEmpty)
      scene.clock.advance(by: .seconds(60))
      let second = try #require(try await claim().first)
      #expect(first.event == event && second.event == event && (first.number, second.number) == (1, 2))
      let attempt = WebhookAttempt(at: scene.clock.now, status: 200)
      #expect(try await !scene.webhooks.settle(first, attempt, as: .failed))
      #expect(try await scene.delivery(endpoint, event).status == .waiting)
      #expect(try await scene.webhooks.settle(second, attempt, as: .delivered))
      #expect(try await !scene.webhooks.settle(second, attempt, as: .failed))
      #expect(try await scene.delivery(endpoint, event).status == .delivered)
    }
  }

  @Test("several workers on one store send each event once", arguments: Engine.allCases)
  func several(engine: Engine) async throws {
    try await withScene(engine) { scene in
      let receiver = try await Receiver.start()
      var endpoints: [WebhookEndpoint] = []
      for path in 0..<4 { endpoints.append(try await scene.endpoint(receiver.url("/\(path)"))) }
      try await scene.happen(50)
      try await scene.withWorker {
        try await scene.withWorker {
          try await scene.withWorker {
            try await scene.happen(50)
            for endpoint in endpoints {
              try await eventually("all") { try await scene.count(.delivered, at: endpoint) == 100 }
            }
          }
        }
      }
      let names = receiver.requests.map { "\($0.path) \($0.headers["webhook-id"] ?? "")" }
      #expect(names.count == 400 && Set(names).count == 400)
      try await receiver.stop()
    }
  }

  @Test("a name is looked up once for an attempt, and what was judged is what is connected to")
  func rebinding() async throws {
    try await withScene(.sqlite) { scene in
      let (receiver, other) = try await (Receiver.start(), Receiver.start())
      let endpoint = try await scene.endpoint(receiver.url("/hook", host: "rebound.test"))
      let event = try await scene.happen()[0]
      let lookUps = Mutex<[String]>([])
      try await scene.withWorker(lookUp: { host, _ in
        let count = lookUps.withLock {
          $0.append(host)
          return $0.count
        }
        return [try SocketAddress(ipAddress: "127.0.0.1", port: count == 1 ? receiver.port : other.port)]
      }) { () async throws in
        #expect(try await scene.attempts(1, of: event, at: endpoint).status == .delivered)
      }
      #expect(lookUps.withLock { $0 } == ["rebound.test"] && other.connections == 0)
      #expect(receiver.requests.map { $0.headers["host"] } == ["rebound.test:\(receiver.port)"])
      for receiver in [receiver, other] { try await receiver.stop() }
    }
  }

  @Test(
    "nothing is sent to an address that is not public, whatever its name, unless the operator says so",
    arguments: [
      "127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "0.0.0.0", "fe80::1",
    ])
  func refused(address: String) async throws {
    try await withScene(.sqlite) { scene in
      let receiver = try await Receiver.start()
      let endpoint = try await scene.endpoint(receiver.url("/", host: "innocent.test", scheme: "https"))
      let event = try await scene.happen()[0]
      try await scene.withWorker {
        $0.allowsPrivateAddresses = false
      } lookUp: { _, _ in
        [try SocketAddress(ipAddress: address, port: receiver.port)]
      } _: {
        let delivery = try await scene.attempts(1, of: event, at: endpoint)
        #expect(delivery.status == .waiting)
        #expect(delivery.attempts[0].error?.contains("no public address") == true, "\(delivery.attempts)")
      }
      #expect(receiver.connections == 0)
      try await receiver.stop()
    }
  }

  @Test(
    "an address in disguise is what the system makes of it",
    arguments: ["localhost", "127.1", "2130706433", "0x7f000001", "017700000001", "[::1]", "[::ffff:127.0.0.1]", "0"])
  func disguised(host: String) async throws {
    try await withScene(.sqlite) { scene in
      let receiver = try await Receiver.start()
      let endpoint = try await scene.endpoint(receiver.url("/", host: host, scheme: "https"))
      let event = try await scene.happen()[0]
      try await scene.withWorker({ $0.allowsPrivateAddresses = false }) { () async throws in
        let delivery = try await scene.attempts(1, of: event, at: endpoint)
        #expect(delivery.attempts[0].error?.contains("no public address") == true, "\(delivery.attempts)")
      }
      #expect(receiver.connections == 0)
      try await receiver.stop()
    }
  }

  @Test("without leave nothing is sent in the clear, not even by an endpoint that was made with it")
  func insecure() async throws {
    try await withScene(.sqlite) { scene in
      let receiver = try await Receiver.start()
      let endpoint = try await scene.endpoint(receiver.url("/"))
      let event = try await scene.happen()[0]
      try await scene.withWorker({ $0.allowsPrivateAddresses = false }) {
        let delivery = try await scene.attempts(1, of: event, at: endpoint)
        #expect(delivery.attempts[0].error == "nothing is sent without TLS")
      }
      #expect(receiver.connections == 0)
      try await receiver.stop()
    }
  }

  @Test("of several addresses the first that takes a connection is used; a name without any is an error")
  func addresses() async throws {
    try await withScene(.sqlite) { scene in
      let receiver = try await Receiver.start()
      let closed = try await Receiver.start()
      try await closed.stop()
      let (good, bad) = try await (
        scene.endpoint(receiver.url("/", host: "two.test")), scene.endpoint(receiver.url("/", host: "none.invalid"))
      )
      let event = try await scene.happen()[0]
      try await scene.withWorker(lookUp: { host, _ in
        guard host == "two.test" else { return [] }
        return try [closed.port, receiver.port].map { try SocketAddress(ipAddress: "127.0.0.1", port: $0) }
      }) { () async throws in
        #expect(try await scene.attempts(1, of: event, at: good).status == .delivered)
        let failed = try await scene.attempts(1, of: event, at: bad)
        #expect(failed.attempts[0].error?.contains("cannot be resolved") == true, "\(failed.attempts)")
      }
      try await receiver.stop()
    }
  }

  @Test("for a day after a rotation both secrets sign, and then the new one alone", arguments: Engine.allCases)
  func rotation(engine: Engine) async throws {
    try await withScene(engine) { scene in
      let receiver = try await Receiver.start()
      let first = try await scene.endpoint(receiver.url("/"))
      let second = try await scene.webhooks.rotate("t", first.id)
      // The answer was lost, and somebody asks again.
      scene.clock.advance(by: .seconds(3600))
      let third = try await scene.webhooks.rotate("t", first.id)
      let steps: [(Duration, [WebhookEndpoint])] = [
        (.zero, [third, second, first]), (.seconds(23 * 3600), [third, second]), (.seconds(3600), [third]),
      ]
      try await scene.withWorker {
        for (wait, signers) in steps {
          scene.clock.advance(by: wait)
          let event = try await scene.happen()[0]
          #expect(try await scene.attempts(1, of: event, at: first).status == .delivered)
          let request = try #require(receiver.requests.last)
          #expect(try await SignatureCheck.allGood([request], signers.map(\.secret.text)), "\(wait)")
        }
      }
      try await receiver.stop()
    }
  }

  @Test("what has ended is deleted after thirty days, and what waits is not", arguments: Engine.allCases)
  func retention(engine: Engine) async throws {
    try await withScene(engine) { scene in
      let receiver = try await Receiver.start()
      receiver.at("/fail", .answer(500))
      let (well, failing) = try await (scene.endpoint(receiver.url("/well")), scene.endpoint(receiver.url("/fail")))
      try await scene.happen(3)
      try await scene.withWorker {
        try await eventually("all") { try await scene.count(.delivered, at: well) == 3 }
        try await eventually("all") {
          try await scene.webhooks.deliveries("t", failing.id).entries.allSatisfy { $0.nextAttemptAt != nil }
        }
        scene.clock.advance(by: .seconds(30 * 24 * 3600))
        let late = try await scene.happen()[0]
        try await scene.attempts(1, of: late, at: well)
        #expect(try await scene.count(.delivered, at: well) == 4)
        scene.clock.advance(by: .seconds(61))
        try await eventually("them to go") { try await scene.count(.delivered, at: well) == 1 }
        #expect(try await scene.count(.waiting, at: failing) == 4)
      }
      try await receiver.stop()
    }
  }

  @Test("a worker that is told to stop lets attempts end, takes no new ones, and gives up on what stalls")
  func stopping() async throws {
    try await withScene(.sqlite) { scene in
      let receiver = try await Receiver.start()
      receiver.at("/hook", .stall)
      let endpoint = try await scene.endpoint(receiver.url("/hook"))
      for answers in [true, false] {
        let event = try await scene.happen()[0]
        var settings = WebhookScene.settings
        settings.stopLimit = answers ? .seconds(60) : .milliseconds(10)
        // It looks once, and has done so when the attempt is there.
        settings.pollInterval = .seconds(3600)
        let client = try WebhookClient(settings: settings, group: WebhookScene.loops)
        let worker = scene.worker(client, settings)
        async let running: Void = worker.run()
        try await eventually("the attempt") { receiver.stalledCount == 1 }
        worker.stop()
        let next = try await scene.happen()[0]
        receiver.answerStalled(answers ? 200 : nil)
        await running
        client.stop()
        #expect(try await scene.delivery(endpoint, event).status == (answers ? .delivered : .waiting))
        #expect(try await scene.delivery(endpoint, event).attempts.count == (answers ? 1 : 0))
        #expect(try await scene.delivery(endpoint, next).attemptCount == 0)
        _ = try await scene.webhooks.change("t", endpoint.id, WebhookChange(isEnabled: false))
        _ = try await scene.webhooks.change("t", endpoint.id, WebhookChange(isEnabled: true))
      }
      try await receiver.stop()
    }
  }
}
