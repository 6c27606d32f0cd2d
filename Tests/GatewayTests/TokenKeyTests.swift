import Crypto
import Foundation
import Gateway
import Link
import Load
import RoomCore
import Rooms
import TestSupport
import Testing

@Suite("Keys of room tokens", .timeLimit(.minutes(3)))
struct TokenKeyTests {
  private static let path = RoomClient.path + "room"
  private static let later = Timestamp(millis: 4_102_444_800_000)

  private func sign(_ tokens: RoomTokens, tenant: String? = nil) async throws -> String {
    try await tokens.sign(
      participant: ParticipantID("asha"), room: try #require(RoomID("room")), tenant: tenant, expiresAt: Self.later)
  }

  private func header(of token: String) throws -> JSON {
    let bytes = try #require(Base64URL.bytes(of: token.prefix { $0 != "." }))
    return try JSON(parsing: String(decoding: bytes, as: UTF8.self))
  }

  @Test("the first key that can sign does, and what the server signs it takes")
  func signing() async throws {
    let directory = try TemporaryDirectory()
    let keys = try TestTokenKeys(in: directory)
    let room = try #require(RoomID("room"))
    let secret = "a secret of at least 32 bytes, as it must be"
    let lists: [(keys: [String], kid: JSON, alg: JSON)] = [
      ([keys.ed, keys.hs], "ed", "EdDSA"), ([keys.hs, keys.ed], "hs", "HS256"), ([keys.old, keys.hs], "hs", "HS256"),
      ([keys.ed.replacing("}", with: #","use":"verify"}"#), keys.hs], "hs", "HS256"),
      ([keys.ed.replacing("}", with: #","key_ops":["verify"]}"#), keys.hs], "hs", "HS256"),
      ([keys.hs.replacing("}", with: #","use":"verify"}"#), keys.ed], "ed", "EdDSA"),
      ([keys.ed.replacing("}", with: #","use":"sig","key_ops":["sign","verify"],"more":{}}"#)], "ed", "EdDSA"),
      ([keys.old], .missing, "HS256"),
    ]
    for (list, kid, alg) in lists {
      try keys.write(list)
      let tokens = try await RoomTokens(secret: secret, keys: try keys.load())
      let token = try await sign(tokens, tenant: "inn")
      #expect(try header(of: token)["kid"] == kid && header(of: token)["alg"] == alg, "\(token)")
      let identity = try await tokens.verify(token, for: room)
      #expect(identity.participant == ParticipantID("asha") && identity.tenant == "inn")
      await #expect(throws: TokenRefusal.otherRoom) { try await tokens.verify(token, for: #require(RoomID("other"))) }
    }
    let silent = try await RoomTokens(secret: nil, keys: try keys.load())
    await #expect(throws: RoomTokens.NoSigner.self) { try await sign(silent) }
    let alone = try await RoomTokens(secret: secret)
    #expect(try await alone.verify(try await sign(alone), for: room).tenant == nil)
  }

  @Test("a file that is no set of token keys is not taken, and says why without its secrets")
  func badFiles() throws {
    let directory = try TemporaryDirectory()
    let keys = try TestTokenKeys(in: directory)
    let d = Base64URL.text(of: keys.pair.rawRepresentation)
    let other = Base64URL.text(of: Curve25519.Signing.PrivateKey().publicKey.rawRepresentation)
    let faults: [(keys: [String], word: String)] = [
      ([], "no keys"), (["1"], "object"), (["{}"], "kid"), ([keys.ed, keys.ed], "two keys"),
      ([keys.ed.replacing("\"EdDSA\"", with: "\"HS256\"")], "alg"),
      ([keys.hs.replacing("\"HS256\"", with: "\"none\"")], "alg"),
      ([keys.ed.replacing(#""alg":"EdDSA","#, with: "")], "alg"),
      ([keys.ed.replacing("Ed25519", with: "Ed448")], "crv"),
      ([keys.ed.replacing("OKP", with: "RSA")], "kty"), ([keys.ed.replacing(keys.x, with: other)], "d must be"),
      ([keys.ed.replacing(keys.x, with: "AA")], "x must be"), ([keys.ed.replacing("}", with: #","d":"AA"}"#)], "twice"),
      ([keys.ed.replacing("}", with: #","use":"enc"}"#)], "use"), ([keys.ed.replacing("\"ed\"", with: "\"\"")], "kid"),
      (
        [keys.hs.replacing(Base64URL.text(of: keys.secret), with: Base64URL.text(of: keys.secret.prefix(31)))],
        "32 bytes"
      ),
      ([keys.hs.replacing("\"k\"", with: "\"key\"")], "32 bytes"), ([keys.hs, "{"], "set of token keys"),
    ]
    for (list, word) in faults {
      try keys.write(list)
      do {
        _ = try keys.load()
        Issue.record("\(list) was taken")
      } catch let error as UnusableFiles {
        #expect(error.description.contains(word), "\(list): \(error)")
        for secret in [d, Base64URL.text(of: keys.secret)] { #expect(!error.description.contains(secret)) }
      }
    }
  }

  @Test("anybody may have what checks tokens, and nobody what signs them")
  func published() async throws {
    let directory = try TemporaryDirectory()
    let keys = try TestTokenKeys(in: directory)
    let tokens = try await RoomTokens(secret: nil, keys: try keys.load())
    try await withServer {
      $0.gateway.tokens = tokens
    } _: { server async throws in
      let response = try await RawConnection.open(server.port).get("/.well-known/jwks.json")
      #expect(response.status == 200 && response.header("content-type") == "application/jwk-set+json")
      #expect(response.header("cache-control") == "public, max-age=60")
      let set = try JSON(parsing: response.body)["keys"].elements
      #expect(set.map { $0["kid"] } == ["ed", "old"])
      #expect(set[0]["x"] == .string(keys.x))
      for key in set { #expect(key.keys == ["kty", "crv", "x", "kid", "alg", "use"]) }
      for secret in [Base64URL.text(of: keys.pair.rawRepresentation), Base64URL.text(of: keys.secret)] {
        #expect(!response.body.contains(secret))
      }
    }
  }

  @Test("keys rotate without a restart, and an old token is good until its key goes")
  func rotation() async throws {
    let directory = try TemporaryDirectory()
    let keys = try TestTokenKeys(in: directory)
    try keys.write([keys.hs])
    let tokens = try await RoomTokens(secret: nil, keys: try keys.load())
    try await withServer {
      $0.gateway.tokens = tokens
    } _: { server async throws in
      func isTaken(_ token: String) async throws -> Bool {
        try await refusal(server.port, Self.path + "?token=\(token)") == nil
      }
      let reloads = TestServer.metric("stonepot_token_keys_reloads_total")
      let failures = TestServer.metric("stonepot_token_keys_reloads_failed_total")
      let old = try await sign(tokens)
      let coming = try ForgedToken(header: #"{"alg":"EdDSA","kid":"ed"}"#).signed(by: keys.pair)
      #expect(try await isTaken(old))
      #expect(try await !isTaken(coming))
      // Behind the others it checks; before them it signs.
      try keys.write([keys.hs, keys.ed])
      server.gateway.reloadTokenKeys()
      #expect(try await isTaken(coming))
      #expect(try header(of: try await sign(tokens))["kid"] == "hs")
      try keys.write([keys.ed, keys.hs])
      server.gateway.reloadTokenKeys()
      let new = try await sign(tokens)
      #expect(try header(of: new)["kid"] == "ed")
      #expect(try await isTaken(new))
      #expect(try await isTaken(old))
      // Half a file changes nothing.
      try "{\"keys\":[".write(toFile: keys.path, atomically: true, encoding: .utf8)
      server.gateway.reloadTokenKeys()
      #expect(try await isTaken(old))
      let client = try await RoomClient.open(server.port, Self.path + "?token=\(old)")
      client.send("join", as: "asha", data: #"{"circleId":"c","tenantId":"t"}"#)
      _ = try await client.next("participant_joined")
      try keys.write([keys.ed])
      server.gateway.reloadTokenKeys()
      #expect(try await !isTaken(old))
      #expect(try await isTaken(new))
      // Who is in stays in: a token is looked at once.
      client.add("Dal", as: "asha")
      _ = try await client.next("item_added")
      #expect(TestServer.metric("stonepot_token_keys_reloads_total") == reloads + 3)
      #expect(TestServer.metric("stonepot_token_keys_reloads_failed_total") == failures + 1)
    }
  }

  @Test(
    "the program: keys are made, added, put first and taken out by command; SIGHUP takes them; half a file does not start"
  )
  func program() async throws {
    try await withPrograms { directory async throws in
      let file = directory.file("keys.json")
      func keys(_ arguments: String...) async throws -> ChildProcess.Result {
        try await ChildProcess.run(["admin", "token-keys"] + arguments)
      }
      let printed = try await keys("new", "--alg", "HS256", "--kid", "printed")
      #expect(printed.exit == .code(0), "\(printed.errors)")
      #expect(try TokenKeySet(Array(printed.output.utf8)).names == ["printed"])
      #expect(try await keys("new", "--alg", "EdDSA", "--kid", "one", "--file", file).exit == .code(0))
      let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
      #expect(mode == 0o600)
      #expect(try await keys("new", "--alg", "none", "--kid", "x", "--file", file).exit == .code(64))
      let twice = try await keys("new", "--alg", "EdDSA", "--kid", "one", "--file", file)
      #expect(twice.exit == .code(1) && twice.errors.contains("already"), "\(twice.errors)")
      #expect(try await keys("remove", "--kid", "one", "--file", file).exit == .code(1))
      #expect(try await keys("use", "--kid", "two", "--file", file).exit == .code(1))

      let store = directory.file("rooms.sqlite")
      let server = try await ServingProcess.start(store, ["--auth", "token", "--token-keys", file])
      let tokens = try await RoomTokens(secret: nil, keys: try TokenKeyFile(keySet: file))
      let old = try await sign(tokens)
      func isTaken(_ token: String) async throws -> Bool {
        try await refusal(server.port, Self.path + "?token=\(token)") == nil
      }
      #expect(try await isTaken(old))
      #expect(try await keys("new", "--alg", "HS256", "--kid", "two", "--file", file).exit == .code(0))
      #expect(try await keys("use", "--kid", "two", "--file", file).exit == .code(0))
      let new = try await sign(try await RoomTokens(secret: nil, keys: try TokenKeyFile(keySet: file)))
      #expect(try header(of: new)["kid"] == "two")
      server.child.kill(SIGHUP)
      try await eventually("the new key") { try await isTaken(new) }
      #expect(try await isTaken(old))
      #expect(try await keys("remove", "--kid", "one", "--file", file).exit == .code(0))
      server.child.kill(SIGHUP)
      try await eventually("the old key to be gone") { try await !isTaken(old) }
      #expect(try await isTaken(new))
      let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
      #expect(!names.contains { $0.hasPrefix(".keys") }, "\(names)")
      server.child.kill(SIGTERM)
      #expect(await server.child.exit == .code(0))

      try "{".write(toFile: file, atomically: true, encoding: .utf8)
      let refused = try await ChildProcess.run([
        "serve", "--listen", "127.0.0.1:0", "--store", "sqlite:\(store)", "--auth", "token", "--token-keys", file,
      ])
      #expect(refused.exit == .code(1) && refused.errors.contains("keys.json"), "\(refused.errors)")
    }
  }

  @Test("the program: tenants and keys are made by command; what a key's secret is stands in no file")
  func tenants() async throws {
    try await withPrograms { directory async throws in
      let tokenFile = directory.file("admin.token")
      try "a token of the tests".write(toFile: tokenFile, atomically: true, encoding: .utf8)
      let store = directory.file("rooms.sqlite")
      let server = try await ServingProcess.start(
        store, ["--auth", "token", "--admin-token-file", tokenFile, "--key-rate", "1000"],
        environment: ["STONEPOT_TOKEN_SECRET": "a secret of at least 32 bytes, as it must be"])
      func admin(_ arguments: String..., isOperator: Bool = true) async throws -> ChildProcess.Result {
        try await ChildProcess.run(
          ["admin"] + arguments + ["--url", "http://127.0.0.1:\(server.port)"]
            + (isOperator ? ["--admin-token-file", tokenFile] : []))
      }
      let put = try await admin("tenants", "put", "inn", "--name", "The Inn")
      #expect(put.output == "inn is The Inn, at version 1\n", "\(put.errors)")
      let refused = try await admin("tenants", "put", "inn", "--name", "Mine", isOperator: false)
      #expect(refused.exit == .code(1))
      #expect(try await admin("tenants", "put", "a/b", "--name", "X").exit == .code(64))
      let listed = try await admin("tenants", "list")
      #expect(listed.lines.count == 2 && listed.lines[1].hasPrefix("inn  The Inn  "), "\(listed.output)")
      let made = try await admin("keys", "new", "--tenant", "inn", "--label", "website", "--days", "1")
      let key = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
      #expect(made.exit == .code(0) && key.hasPrefix("spk_"), "\(made.errors)")
      let id = try #require(key.split(separator: "_").dropFirst().first.map(String.init))
      let connection = try await RawConnection.open(server.port)
      func ask() async throws -> Int {
        try await connection.get("/v1/tenants/inn/orders?status=pending", headers: ["Authorization: Bearer \(key)"])
          .status
      }
      #expect(try await ask() == 200)
      let table = try await admin("keys", "list", "--tenant", "inn")
      #expect(table.lines.count == 2 && table.lines[1].hasPrefix("\(id)  website  "), "\(table.output)")
      let json = try JSON(parsing: try await admin("keys", "list", "--tenant", "inn", "--json").output)
      #expect(json["keys"][0]["id"] == .string(id) && json["keys"][0]["expiresAt"].int != nil)
      #expect(try await admin("keys", "revoke", "--tenant", "inn", id).output == "\(id) is revoked\n")
      #expect(try await ask() == 401)
      #expect(try await admin("keys", "list", "--tenant", "inn").output.contains("revoked"))
      let nobodys = try await admin("keys", "new", "--tenant", "nobody", "--label", "x")
      #expect(nobodys.exit == .code(1) && nobodys.errors.contains("there is no such tenant"), "\(nobodys.errors)")

      let secret = Data(key.split(separator: "_", maxSplits: 2)[2].utf8)
      for name in try FileManager.default.contentsOfDirectory(atPath: directory.path) {
        let data = try Data(contentsOf: URL(fileURLWithPath: directory.file(name)))
        #expect(data.range(of: secret) == nil, "\(name)")
        if name == "rooms.sqlite-wal" { #expect(data.range(of: Data(id.utf8)) != nil) }
      }
      server.child.kill(SIGTERM)
      #expect(await server.child.exit == .code(0))
    }
  }
}
