import Foundation
import Gateway
import JWTKit
import Load
import RoomCore
import Rooms
import TestSupport
import Testing

/// No pretending: nobody is who they say they are unless a token says so.
@Suite("Room tokens", .timeLimit(.minutes(3)))
struct TokenTests {
  private static let secret = "a secret of at least thirty-two bytes, and of sixty-four for HS512"
  private static let path = RoomClient.path + "room"

  private struct Claims: JWTPayload {
    var sub: String?
    var room: String?
    var exp: ExpirationClaim?
    var tenant: String?

    func verify(using algorithm: some JWTAlgorithm) async throws {}
  }

  private static func token(
    for participant: String? = "asha", room: String? = "room", tenant: String? = nil, expiresIn seconds: Double? = 3600,
    secret: String = secret, sha512: Bool = false
  ) async throws -> String {
    let keys = JWTKeyCollection()
    await keys.add(hmac: HMACKey(stringLiteral: secret), digestAlgorithm: sha512 ? .sha512 : .sha256)
    let expiry = seconds.map { ExpirationClaim(value: Date(timeIntervalSinceNow: $0)) }
    return try await keys.sign(Claims(sub: participant, room: room, exp: expiry, tenant: tenant))
  }

  private func withTokenServer(_ body: (TestServer) async throws -> Void) async throws {
    let tokens = try await RoomTokens(secret: Self.secret)
    try await withServer {
      $0.gateway.tokens = tokens
    } _: { server async throws in
      try await body(server)
    }
  }

  private static func base64URL(_ text: String) -> String {
    Data(text.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }

  @Test("a tenant that its clients' tokens name may have so many connections; one more is refused before the upgrade")
  func tenantConnections() async throws {
    let tokens = try await RoomTokens(secret: Self.secret)
    try await withServer {
      $0.gateway.tokens = tokens
      $0.gateway.connectionsPerTenant = 1
      $0.rooms.addressRoomsPerHour = 1
    } _: { server async throws in
      let path = Self.path + "?token=" + (try await Self.token(tenant: "inn"))
      let client = try await RoomClient.open(server.port, path)
      client.send("join", as: "asha", data: #"{"circleId":"test"}"#)
      _ = try await client.next("participant_joined")
      let refused = try await refusal(server.port, path)
      #expect(refused?.status == 429)
      #expect(try JSON(parsing: refused?.body ?? "{}")["code"] == "limit_exceeded")
      // Whoever has a token begins rooms on no address's account.
      for room in ["second", "third"] {
        let token = try await Self.token(room: room, tenant: room)
        let other = try await RoomClient.open(server.port, RoomClient.path + "\(room)?token=\(token)")
        other.send("join", as: "asha", data: #"{"circleId":"test"}"#)
        _ = try await other.next("participant_joined")
      }
      await client.socket.disconnect()
      try await eventually("a place") { try await refusal(server.port, path) == nil }
    }
  }

  @Test("a token that does not open the room is refused before the upgrade, and for GET")
  func refusals() async throws {
    let valid = try await Self.token()
    let parts = valid.split(separator: ".").map(String.init)
    let other = Self.base64URL(#"{"sub":"mallory","room":"room","exp":4102444800}"#)
    let unsigned = Self.base64URL(#"{"alg":"none","typ":"JWT"}"#)
    let flipped = valid.dropLast(2) + (valid.hasSuffix("AA") ? "BB" : "AA")
    let cases: [(name: String, token: String?, status: Int)] = [
      ("none", nil, 401), ("an empty one", "", 401), ("garbage", "garbage", 401), ("dots", "..", 401),
      ("another payload", "\(parts[0]).\(other).\(parts[2])", 401), ("no signature", "\(parts[0]).\(parts[1]).", 401),
      ("alg none", "\(unsigned).\(other).", 401), ("alg none, signed", "\(unsigned).\(parts[1]).\(parts[2])", 401),
      ("another signature", String(flipped), 401),
      ("an expired one", try await Self.token(expiresIn: -1), 401),
      ("one that never expires", try await Self.token(expiresIn: nil), 401),
      ("another secret", try await Self.token(secret: "another secret of thirty-two bytes or so"), 401),
      ("HS512", try await Self.token(sha512: true), 401),
      ("nobody's", try await Self.token(for: nil), 401), ("no room", try await Self.token(room: nil), 401),
      ("another room's", try await Self.token(room: "room2"), 403),
      ("another case's", try await Self.token(room: "Room"), 403),
    ]
    try await withTokenServer { server async throws in
      for (name, token, status) in cases {
        var places = [(Self.path + (token.map { "?token=\($0)" } ?? ""), [(String, String)]())]
        if let token {
          places.append((Self.path, [("Authorization", "Bearer \(token)")]))
          places.append((Self.path, [("Sec-WebSocket-Protocol", "stonepot.v1, bearer.\(token)")]))
        }
        for (path, headers) in places {
          let answer = try await refusal(server.port, path, headers: headers)
          #expect(answer?.status == status, "\(name) in \(path) \(headers)")
          #expect(answer?.header("www-authenticate") == "Bearer", "\(name)")
          let code = try JSON(parsing: answer?.body ?? "{}")["code"]
          #expect(code == (status == 401 ? "unauthorized" : "forbidden"), "\(name)")
        }
        let response = try await RawConnection.open(server.port).get(places[0].0)
        #expect(response.status == status, "GET with \(name)")
        #expect(response.header("content-type") == "application/problem+json", "GET with \(name)")
      }
      #expect(server.registry.warmCount == 0)
    }
  }

  @Test("a token opens its room as a query, a header or a subprotocol, and what was offered is chosen from")
  func places() async throws {
    let token = try await Self.token()
    try await withTokenServer { server async throws in
      let places: [(path: String, headers: [(String, String)], chosen: String?)] = [
        (Self.path + "?token=\(token)", [], nil),
        (Self.path, [("Authorization", "Bearer \(token)")], nil),
        (Self.path, [("Authorization", "bearer \(token)")], nil),
        (Self.path, [("Sec-WebSocket-Protocol", "stonepot.v2, bearer.\(token)")], "stonepot.v2"),
        (Self.path, [("Sec-WebSocket-Protocol", "bearer.\(token)")], nil),
      ]
      for (path, headers, chosen) in places {
        let client = try await RoomClient.open(server.port, path, headers: headers)
        #expect(client.socket.upgradeResponse?.header("sec-websocket-protocol") == chosen)
        client.join(as: "asha")
        let answer = try await client.next()
        #expect(answer["type"] == "sync" || answer["type"] == "participant_joined")
        await client.socket.close()
      }
      let connection = try await RawConnection.open(server.port)
      #expect(try await connection.get(Self.path, headers: ["Authorization: Bearer \(token)"]).status == 200)
      #expect(try await connection.get(Self.path + "?token=\(token)").status == 200)
      #expect(try await connection.get(Self.path).status == 401)
      // Probes need no token.
      #expect(try await connection.get("/healthz").status == 200)
    }
  }

  @Test("a connection acts for its token's participant and for nobody else")
  func identity() async throws {
    let (ashas, ravis) = (try await Self.token(for: "asha"), try await Self.token(for: "ravi"))
    try await withTokenServer { server async throws in
      let asha = try await RoomClient.joined(server.port, Self.path + "?token=\(ashas)", as: "asha")
      let ravi = try await RoomClient.joined(server.port, Self.path + "?token=\(ravis)", as: "ravi")
      _ = try await asha.next("participant_joined")
      ravi.add("Dal", as: "asha", opId: "theft")
      ravi.join(as: "asha", opId: "disguise")
      ravi.join(as: "stranger", opId: "invention")
      for name in ["theft", "disguise", "invention"] {
        let error = try await ravi.next()
        #expect(error["type"] == "error")
        #expect(error["data"]["code"] == "identity_mismatch")
        #expect(error["data"]["opId"] == .string(name))
      }
      // Nor before it has said who it is.
      let silent = try await RoomClient.open(server.port, Self.path + "?token=\(ravis)")
      silent.add("Dal", as: "asha", opId: "first word")
      #expect(try await silent.next("error")["data"]["code"] == "identity_mismatch")
      // Nor may somebody speak in another's name.
      ravi.send("speaking", as: "asha", data: #"{"speaking":true}"#)
      #expect(try await asha.soFar(as: "asha") == [])
      #expect(try await server.journal(of: "room").count == 3)
    }
  }

  @Test("a token's tenant is the order's, and no other can be claimed")
  func tenant() async throws {
    let token = try await Self.token(tenant: "mine")
    try await withTokenServer { server async throws in
      let asha = try await RoomClient.open(server.port, Self.path + "?token=\(token)")
      asha.send("join", as: "asha", data: #"{"circleId":"c","tenantId":"other"}"#, opId: "claim")
      let error = try await asha.next()
      #expect(error["data"]["code"] == "wrong_tenant")
      #expect(error["data"]["opId"] == "claim")
      asha.send("join", as: "asha", data: #"{"circleId":"c"}"#)
      #expect(try await asha.next("participant_joined")["data"]["tenantId"] == "mine")
    }
    let foreign = try await Self.token(for: "ravi", tenant: "other")
    let mine = try await Self.token(tenant: "mine")
    try await withTokenServer { server async throws in
      let asha = try await RoomClient.open(server.port, Self.path + "?token=\(mine)")
      asha.send("join", as: "asha", data: #"{"circleId":"c"}"#)
      _ = try await asha.next("participant_joined")
      let ravi = try await RoomClient.open(server.port, Self.path + "?token=\(foreign)")
      ravi.send("join", as: "ravi", data: "{}", opId: "join")
      let error = try await ravi.next("error")
      #expect(error["data"]["code"] == "wrong_tenant")
    }
  }

  @Test("without tokens everybody may come, and a connection still acts for one participant only")
  func open() async throws {
    try await withServer { server async throws in
      let asha = try await RoomClient.joined(server.port, Self.path + "?token=ignored", as: "asha")
      asha.add("Dal", as: "ravi", opId: "theft")
      #expect(try await asha.next("error")["data"]["code"] == "identity_mismatch")
      #expect(try await RawConnection.open(server.port).get(Self.path).status == 200)
    }
  }

  @Test("a secret that HS256 may not have is not taken")
  func weakSecret() async {
    await #expect(throws: RoomTokens.WeakSecret.self) { try await RoomTokens(secret: "short") }
  }
}
