import Foundation
import Gateway
import Link
import Load
import NIOCore
import TestSupport
import Testing

@Suite("TLS and HTTP/2", .timeLimit(.minutes(5)))
struct TLSTests {
  // MARK: Serving

  @Test("the same routes answer over HTTP/1.1 and HTTP/2", arguments: [("--http1.1", "1.1"), ("--http2", "2")])
  func routes(option: String, version: String) async throws {
    try await withTLSServer { server, certificate, _ async throws in
      let tls = ClientTLS(trusted: certificate.certificate)
      let asha = try await FrameClient.open(server.port, tls: tls)
      asha.send(FirstConversationTests.wscatJoin)
      #expect(try await asha.nextMessage()?["type"] == "participant_joined")
      let base = "https://localhost:\(server.port)"
      let cases: [(path: String, arguments: [String], status: Int, contains: String)] = [
        ("/healthz", [], 200, "ok\n"), ("/readyz", [], 200, "ready\n"), ("/metrics", [], 200, "stonepot_connections "),
        ("/parties/main/room", [], 200, #""type":"sync""#), ("/parties/main/none", [], 404, "room_not_found"),
        ("/nowhere", [], 404, "application/problem+json"), ("/nowhere", ["-d", "body"], 404, "not_found"),
        ("/healthz", ["-I"], 200, "content-length: 3"),
        ("/parties/main/room", ["-X", "OPTIONS"], 204, "access-control-allow-methods: GET, POST, OPTIONS"),
      ]
      for (path, arguments, status, text) in cases {
        let response = try await Curl.get(
          base + path, trusting: certificate.certificate, [option] + arguments)
        #expect(response.version == version, "\(path) \(arguments)")
        #expect(response.status == status, "\(path) \(arguments)")
        let isThere = response.text.lowercased().contains(text.lowercased())
        #expect(isThere, "\(path) \(arguments): \(response.text)")
        #expect(response.text.lowercased().contains("access-control-allow-origin: *"), "\(path) \(arguments)")
      }
    }
  }

  @Test("a WebSocket over TLS is as one without, also when HTTP/1.1 was not named in the handshake")
  func webSocket() async throws {
    try await withTLSServer { server, certificate, _ async throws in
      for protocols in [[], ["http/1.1"], ["something/else"]] {
        let client = try await FrameClient.open(
          server.port, "/parties/main/\(protocols.count)\(protocols.first?.count ?? 0)",
          tls: ClientTLS(trusted: certificate.certificate, protocols: protocols))
        client.send(FirstConversationTests.wscatJoin)
        #expect(try await client.nextMessage()?["type"] == "participant_joined")
        client.send(.ping, "here".utf8)
        #expect(try await client.next() == .pong(ByteBuffer(string: "here")))
        client.send(.close, [0x03, 0xE8])
        #expect(try await client.closeCode() == 1000)
        #expect(try await client.next() == nil)
      }
    }
  }

  // MARK: What goes wrong

  @Test("what is no TLS is closed, and harms nobody")
  func plain() async throws {
    try await withTLSServer { server, certificate, _ async throws in
      let before = TestServer.metric("stonepot_tls_handshakes_failed_total")
      for text in [
        HTTPText.request("GET /healthz HTTP/1.1"), HTTPText.upgrade("/parties/main/room"), "\u{0}\u{1}\u{2}xxxxx",
      ] {
        let connection = try await RawConnection.open(server.port)
        connection.send(text)
        #expect(!(try await connection.rest()).contains("HTTP"))
      }
      try await eventually("the count") { TestServer.metric("stonepot_tls_handshakes_failed_total") >= before + 3 }
      let response = try await Curl.get(
        "https://localhost:\(server.port)/healthz", trusting: certificate.certificate)
      #expect(response.status == 200)
    }
  }

  @Test("a handshake that is not finished, and a first request that does not come behind it, are cut")
  func slowHandshake() async throws {
    try await withTLSServer {
      $0.gateway.firstRequestWithin = .milliseconds(300)
    } _: { server, certificate, _ async throws in
      let silent = try await RawConnection.open(server.port)
      #expect(try await silent.rest() == "")
      // The head of a ClientHello, and no more.
      let begun = try await RawConnection.open(server.port)
      begun.send(ByteBuffer(bytes: [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03]))
      #expect(try await begun.rest() == "")
      let shaken = try await RawConnection.open(server.port, tls: ClientTLS(trusted: certificate.certificate))
      #expect(try await shaken.rest() == "")
      let http2 = try await RawConnection.open(
        server.port, tls: ClientTLS(trusted: certificate.certificate, protocols: ["h2"]))
      http2.send(HTTP2Frames.start)
      // A machine that is slow may not even have finished the handshake.
      let last = try await http2.framesToEnd().last
      #expect(last == nil || last?.type == HTTP2Frames.goAway)
    }
  }

  @Test("one address may hold so many connections, whatever they speak and whether they ever finish a handshake")
  func limits() async throws {
    try await withTLSServer {
      $0.gateway.connectionsPerAddress = 2
      $0.gateway.firstRequestWithin = patience
    } _: { server, certificate, _ async throws in
      let url = "https://localhost:\(server.port)/healthz"
      let http2 = try await RawConnection.open(
        server.port, tls: ClientTLS(trusted: certificate.certificate, protocols: ["h2"]))
      http2.send(HTTP2Frames.start)
      #expect(try await http2.frame()?.type == HTTP2Frames.settings)
      let silent = try await RawConnection.open(server.port)
      await #expect(throws: Curl.Failed.self) {
        try await Curl.get(url, trusting: certificate.certificate, ["--http2", "-4"])
      }
      await silent.close()
      try await eventually("a place") {
        (try? await Curl.get(url, trusting: certificate.certificate, ["--http2", "-4"]))?.status == 200
      }
    }
  }

  @Test("files that cannot be used are refused with a reason")
  func unusable() async throws {
    let directory = try TemporaryDirectory()
    let (one, two) = (
      try await TestCertificate.make("one", in: directory), try await TestCertificate.make("two", in: directory)
    )
    let cases: [(certificate: String, key: String, reason: String)] = [
      (directory.file("none.pem"), one.key, "none.pem"), (one.certificate, directory.file("none.key"), "none.key"),
      (one.certificate, two.key, "does not go with"), (one.key, one.key, "no certificate"),
      (one.certificate, one.certificate, "no key"), (directory.path, one.key, directory.path),
    ]
    for (certificate, key, reason) in cases {
      do {
        _ = try ServerCertificate(certificatePath: certificate, keyPath: key)
        Issue.record("\(certificate) with \(key) was taken")
      } catch {
        #expect(error.description.contains(reason), "\(error)")
      }
    }
  }

  // MARK: HTTP/2 in bounds

  @Test("the server says its bounds, and offers no WebSocket over HTTP/2 (RFC 8441)")
  func bounds() async throws {
    try await withHTTP2 { connection async throws in
      let settings = try #require(try await connection.frame())
      #expect(settings.type == HTTP2Frames.settings)
      var values: [UInt8: UInt32] = [:]
      for start in stride(from: 0, to: settings.payload.count, by: 6) {
        values[settings.payload[start + 1]] = settings.payload[(start + 2)..<(start + 6)].reduce(0) {
          $0 << 8 | UInt32($1)
        }
      }
      #expect(values[3] == 100, "SETTINGS_MAX_CONCURRENT_STREAMS")
      #expect(values[6] == 16384, "SETTINGS_MAX_HEADER_LIST_SIZE")
      #expect(values[8] ?? 0 == 0, "SETTINGS_ENABLE_CONNECT_PROTOCOL")
    }
  }

  @Test("header fields above the bound are not served")
  func headerFields() async throws {
    try await withHTTP2 { connection async throws in
      let fields = [("x-one", String(repeating: "x", count: 9000)), ("x-two", String(repeating: "x", count: 8000))]
      connection.send(HTTP2Frames.get("/healthz", stream: 1, fields: fields))
      while let frame = try await connection.frame() {
        #expect(frame.type != HTTP2Frames.headers)
        if frame.type == HTTP2Frames.reset { break }
      }
    }
  }

  @Test("streams above the bound are refused")
  func streams() async throws {
    try await withHTTP2 { connection async throws in
      for number in 0..<101 {
        connection.send(HTTP2Frames.get("/healthz", stream: UInt32(number) * 2 + 1, isWhole: false))
      }
      while let frame = try await connection.frame() {
        if frame.type == HTTP2Frames.goAway { break }
        if frame.type == HTTP2Frames.reset, frame.stream == 201 { break }
      }
    }
  }

  @Test("a request that does not end is reset, an idle connection is told which request was the last, and closed")
  func idleness() async throws {
    try await withHTTP2 {
      $0.gateway.idleHTTP = .seconds(1)
    } _: { connection async throws in
      connection.send(HTTP2Frames.get("/healthz", stream: 1))
      connection.send(HTTP2Frames.get("/healthz", stream: 3, isWhole: false))
      let frames = try await connection.framesToEnd()
      #expect(frames.contains { $0.type == HTTP2Frames.data && $0.stream == 1 && $0.payload == Array("ok\n".utf8) })
      #expect(frames.contains { $0.type == HTTP2Frames.reset && $0.stream == 3 })
      let last = try #require(frames.last)
      #expect(last.type == HTTP2Frames.goAway)
      #expect(last.payload == [0, 0, 0, 3, 0, 0, 0, 0])
    }
  }

  @Test("an answer that its client does not take is given up")
  func untaken() async throws {
    try await withHTTP2 {
      $0.gateway.idleHTTP = .seconds(2)
    } _: { connection async throws in
      // SETTINGS_INITIAL_WINDOW_SIZE 0: no byte of a body may be sent.
      connection.send(
        ByteBuffer(bytes: HTTP2Frames.frame(HTTP2Frames.settings, stream: 0, [0, 4, 0, 0, 0, 0])))
      connection.send(HTTP2Frames.get("/healthz", stream: 1))
      let frames = try await connection.framesToEnd()
      #expect(!frames.contains { $0.type == HTTP2Frames.data && !$0.payload.isEmpty })
      #expect(frames.contains { $0.type == HTTP2Frames.reset && $0.stream == 1 })
      #expect(frames.last?.type == HTTP2Frames.goAway)
    }
  }

  private func withHTTP2(
    _ configure: (inout TestSettings) -> Void = { _ in }, _ body: (RawConnection) async throws -> Void
  ) async throws {
    try await withTLSServer(configure) { server, certificate, _ async throws in
      let connection = try await RawConnection.open(
        server.port, tls: ClientTLS(trusted: certificate.certificate, protocols: ["h2"]))
      connection.send(HTTP2Frames.start)
      try await body(connection)
      // Whatever became of it, others are served.
      let response = try await Curl.get(
        "https://localhost:\(server.port)/healthz", trusting: certificate.certificate, ["--http2"])
      #expect(response.status == 200)
    }
  }

  // MARK: A new certificate

  @Test("new connections get the new certificate, old ones go on; a broken file changes nothing")
  func reload() async throws {
    try await withTLSServer { server, certificate, directory async throws in
      let url = "https://localhost:\(server.port)/healthz"
      let new = try await TestCertificate.make("new", in: directory)
      let old = directory.file("old.pem")
      try TestCertificate.copy(certificate.certificate, to: old)
      func isServed(trusting path: String) async -> Bool {
        for option in ["--http1.1", "--http2"] {
          guard (try? await Curl.get(url, trusting: path, [option]))?.status == 200 else { return false }
        }
        return true
      }
      let client = try await FrameClient.open(server.port, tls: ClientTLS(trusted: old))
      client.send(FirstConversationTests.wscatJoin)
      #expect(try await client.nextMessage()?["type"] == "participant_joined")
      let (reloads, failures) = (
        TestServer.metric("stonepot_tls_reloads_total"), TestServer.metric("stonepot_tls_reloads_failed_total")
      )
      server.gateway.reloadCertificate()
      #expect(TestServer.metric("stonepot_tls_reloads_total") == reloads)

      // Half of a replacement, and a file that goes.
      try TestCertificate.copy(new.certificate, to: certificate.certificate)
      server.gateway.reloadCertificate()
      server.gateway.reloadCertificate()
      #expect(TestServer.metric("stonepot_tls_reloads_failed_total") == failures + 1)
      #expect(await isServed(trusting: old))
      try FileManager.default.removeItem(atPath: certificate.key)
      server.gateway.reloadCertificate()
      #expect(TestServer.metric("stonepot_tls_reloads_failed_total") == failures + 2)
      #expect(await isServed(trusting: old))

      try new.replace(certificate)
      server.gateway.reloadCertificate()
      #expect(TestServer.metric("stonepot_tls_reloads_total") == reloads + 1)
      #expect(await isServed(trusting: new.certificate))
      #expect(await !isServed(trusting: old))
      client.send(RoomClient.text("add_item", as: "test_user", data: RoomClient.dish("Dal")))
      #expect(try await client.nextMessage()?["type"] == "item_added")
    }
  }

  @Test(
    "the program: both files or none, a bad one keeps it from starting, SIGHUP takes a new one, SIGTERM says goodbye")
  func program() async throws {
    try await withPrograms { directory async throws in
      let (one, two) = (
        try await TestCertificate.make("one", in: directory), try await TestCertificate.make("two", in: directory)
      )
      let store = directory.file("rooms.sqlite")
      let arguments = ["serve", "--listen", "127.0.0.1:0", "--store", "sqlite:\(store)"]
      let cases: [(arguments: [String], code: Int32, message: String)] = [
        (["--tls-certificate", one.certificate], 64, "--tls-key"), (["--tls-key", one.key], 64, "--tls-certificate"),
        (["--tls-certificate", one.certificate, "--tls-key", two.key], 1, "does not go with"),
        (["--tls-certificate", one.certificate, "--tls-key", directory.file("none")], 1, "none"),
      ]
      for (more, code, message) in cases {
        let result = try await ChildProcess.run(arguments + more)
        #expect(result.exit == .code(code), "\(more): \(result.errors)")
        #expect(result.errors.contains(message), "\(more): \(result.errors)")
      }
      #expect(!FileManager.default.fileExists(atPath: store))

      let server = try await ServingProcess(
        try ChildProcess(
          ChildProcess.stonepot, arguments,
          environment: ["STONEPOT_TLS_CERTIFICATE": one.certificate, "STONEPOT_TLS_KEY": one.key]))
      let old = directory.file("old.pem")
      try TestCertificate.copy(one.certificate, to: old)
      let socket = try await FrameClient.open(server.port, tls: ClientTLS(trusted: old))
      let http2 = try await RawConnection.open(server.port, tls: ClientTLS(trusted: old, protocols: ["h2"]))
      http2.send(HTTP2Frames.start)
      http2.send(HTTP2Frames.get("/healthz", stream: 1))
      while try await http2.frame()?.type != HTTP2Frames.data {}
      http2.send(HTTP2Frames.get("/healthz", stream: 3, isWhole: false))
      while try await http2.frame()?.type != HTTP2Frames.data {}
      let silent = try await RawConnection.open(server.port)

      try two.replace(one)
      server.child.kill(SIGHUP)
      try await eventually("the new certificate") {
        let url = "https://localhost:\(server.port)/healthz"
        return (try? await Curl.get(url, trusting: two.certificate))?.status == 200
      }

      server.child.kill(SIGTERM)
      #expect(try await socket.closeCode() == 1012)
      socket.send(.close, [0x03, 0xF4])
      // The request that is still being asked may be finished.
      var goodbye = try await http2.frame()
      while let frame = goodbye, frame.type != HTTP2Frames.goAway { goodbye = try await http2.frame() }
      #expect(goodbye?.payload == [0, 0, 0, 3, 0, 0, 0, 0])
      http2.send(ByteBuffer(bytes: HTTP2Frames.frame(HTTP2Frames.data, flags: HTTP2Frames.endStream, stream: 3, [])))
      #expect(try await http2.framesToEnd().allSatisfy { $0.type != HTTP2Frames.reset })
      #expect(try await silent.rest() == "")
      #expect(await server.child.exit == .code(0))
    }
  }
}
