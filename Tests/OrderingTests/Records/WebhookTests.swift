import Ordering
import RoomCore
import Testing

@Suite("Where webhooks go, and what they are signed with")
struct WebhookTests {
  @Test(
    "an address is taken apart in one way",
    arguments: [
      ("https://example.com", true, "example.com", 443, "/", "example.com"),
      ("https://example.com/a/b?c=d", true, "example.com", 443, "/a/b?c=d", "example.com"),
      ("https://example.com?c=/d", true, "example.com", 443, "/?c=/d", "example.com"),
      ("https://Example.COM:8443/", true, "Example.COM", 8443, "/", "Example.COM:8443"),
      ("http://127.0.0.1:80/x", false, "127.0.0.1", 80, "/x", "127.0.0.1"),
      ("http://localhost:443", false, "localhost", 443, "/", "localhost:443"),
      ("https://[2606:4700::1111]/x", true, "2606:4700::1111", 443, "/x", "[2606:4700::1111]"),
      ("https://[::1]:9", true, "::1", 9, "/", "[::1]:9"),
      ("https://xn--11b4c3d.example/x%20y", true, "xn--11b4c3d.example", 443, "/x%20y", "xn--11b4c3d.example"),
      ("https://example.com/@x", true, "example.com", 443, "/@x", "example.com"),
    ])
  func good(text: String, isSecure: Bool, host: String, port: Int, target: String, field: String) throws {
    let url = try WebhookURL(text)
    #expect((url.isSecure, url.host, url.port) == (isSecure, host, port))
    #expect(url.target == target && url.hostField == field && url.text == text)
  }

  @Test(
    "what two readers might understand differently is refused",
    arguments: [
      "", "example.com", "ftp://example.com", "HTTPS://example.com", "https:/example.com", "https://", "https:///x",
      "https://:443/", "https://user@example.com/", "https://user:pw@example.com/", "https://a@b@example.com/",
      "https://example.com:0/", "https://example.com:65536/", "https://example.com:x/", "https://example.com:-1/",
      "https://example.com:44a/", "https://example.com:/", "https://example.com#x", "https://example.com/#x",
      "https://example.com\\@evil.com/", "https://exa mple.com/", "https://example.com/a b", "https://example.com/\n",
      "https://example.com/\0", "https://दाल.example/", "https://[::1", "https://[::1]x/", "https://[]/",
      "https://[1.2.3.4]/", "https://[::1%25eth0]/", "https://::1/", "https://.example.com/", "https://%31.com/",
      "https://exa\tmple.com/",
    ])
  func bad(text: String) {
    let rejection = #expect(throws: RecordRejection.self) { try WebhookURL(text) }
    #expect(rejection?.code == .invalidField && rejection?.message.hasPrefix("url ") == true)
  }

  @Test("an address has a bound")
  func long() throws {
    let start = "https://example.com/"
    #expect(try WebhookURL(start + String(repeating: "x", count: 1980)).text.count == 2000)
    #expect(throws: RecordRejection.self) { try WebhookURL(start + String(repeating: "x", count: 1981)) }
  }

  @Test("a secret is whsec_ and base64 of 24 to 64 bytes")
  func secrets() throws {
    for count in [24, 32, 64] {
      let made = WebhookSecret(random: Array(repeating: 0xFB, count: count))
      #expect(try WebhookSecret(made.text) == made && made.bytes.count == count)
    }
    #expect(try WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").bytes.count == 24)
    for text in [
      "", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_AAAA",
      "whsec_!fKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + String(repeating: "AAAA", count: 22),
    ] {
      #expect(throws: RecordRejection.self, "\(text)") { try WebhookSecret(text) }
    }
  }

  private func endpoint() throws -> WebhookEndpoint {
    WebhookEndpoint(
      id: "e", tenant: "t", url: try WebhookURL("https://example.com/"), events: [],
      secret: WebhookSecret(random: Array(repeating: 0, count: 32)), createdAt: Timestamp(millis: 0))
  }

  @Test("however often a secret is rotated, those of the last day sign as well, five in all")
  func rotation() throws {
    var endpoint = try endpoint()
    let secrets = (0...9).map { WebhookSecret(random: Array(repeating: $0, count: 32)) }
    func signers(at hours: Int64) -> [Int] {
      endpoint.signingSecrets(at: Timestamp(millis: hours * 3_600_000)).compactMap { secrets.firstIndex(of: $0) }
    }
    endpoint.rotate(to: secrets[1], at: Timestamp(millis: 0))
    #expect(signers(at: 23) == [1, 0] && signers(at: 24) == [1] && endpoint.version == 2)
    endpoint.rotate(to: secrets[2], at: Timestamp(millis: 23 * 3_600_000))
    #expect(signers(at: 23) == [2, 1, 0] && signers(at: 24) == [2, 1] && signers(at: 47) == [2])
    for number in 3...9 { endpoint.rotate(to: secrets[number], at: Timestamp(millis: 23 * 3_600_000)) }
    #expect(signers(at: 23) == [9, 8, 7, 6, 5])
  }

  @Test("who is disabled keeps the first reason")
  func disabled() throws {
    var endpoint = try endpoint()
    let now = Timestamp(millis: 5)
    #expect(endpoint.disable(because: "gone", at: now) && !endpoint.disable(because: "again", at: now))
    #expect(!endpoint.apply(WebhookChange(isEnabled: false), at: now) && endpoint.disabledReason == "gone")
    #expect(endpoint.apply(WebhookChange(isEnabled: true), at: now) && endpoint.isEnabled && endpoint.version == 3)
  }
}
