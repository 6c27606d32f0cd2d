import Ordering
import RoomCore
import Store
import StoreTesting
import Testing

@testable import Directory

@Suite("Tenants and their keys, in each store", .timeLimit(.minutes(2)))
struct TenantTests {
  @Test("a tenant is made, called otherwise by who has seen it, and listed", arguments: Engine.allCases)
  func tenants(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    #expect(try await DirectoryHarness.refusal { _ = try await directory.tenant("a") } == .tenantNotFound)
    let made = try await directory.putTenant("a", name: "Anna's \"Inn\"")
    #expect(made.isNew && made.tenant.version == 1)
    #expect(try await directory.putTenant("a", name: "Anna's \"Inn\"").tenant == made.tenant)
    let renamed = try await directory.putTenant("a", name: "Spice 🌶", seen: 1)
    #expect(!renamed.isNew && renamed.tenant.version == 2)
    #expect(try await directory.tenant("a") == renamed.tenant)
    #expect(
      try await DirectoryHarness.refusal { _ = try await directory.putTenant("a", name: "X", seen: 1) }
        == .versionMismatch)
    #expect(try await DirectoryHarness.refusal { _ = try await directory.putTenant("b", name: " ") } == .invalidField)
    let other = try await directory.putTenant("b", name: "B").tenant
    let first = try await directory.tenants(size: 1)
    #expect(first.entries == [other])
    #expect(try await directory.tenants(size: 1, after: first.next).entries == [renamed.tenant])
    await harness.store.close()
  }

  @Test("of a key nothing is kept by which it could be used", arguments: Engine.allCases)
  func secrets(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    #expect(
      try await DirectoryHarness.refusal { _ = try await directory.issueKey("t", label: "x") } == .tenantNotFound)
    _ = try await directory.putTenant("t", name: "T")
    let (key, text) = try await directory.issueKey("t", label: "website", expiresAt: Timestamp(millis: 9_000_000))
    #expect(text.text.hasPrefix("spk_\(key.id)_"))
    let secret = try #require(text.text.split(separator: "_", maxSplits: 2).last.map(String.init))
    let bytes = try #require(Base64URL.bytes(of: secret))
    #expect(bytes.count == 32)
    let hex = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    let rows = try await harness.everything()
    #expect(rows.contains { $0.table == "api_keys" && $0.row.contains(key.id) })
    for form in [secret, hex, hex.uppercased(), text.text] {
      #expect(!rows.contains { $0.row.contains(form) }, "\(form)")
    }
    let stored = try #require(try await directory.storedKey(key.id))
    #expect(stored.key == key && stored.matches(text))
    #expect(!stored.matches(try await directory.issueKey("t", label: "other").text))
    #expect(try await directory.storedKey("nothing") == nil)
    await harness.store.close()
  }

  @Test("a key is good until it expires or is revoked, by its own tenant's name only", arguments: Engine.allCases)
  func life(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    for tenant in ["t", "u"] { _ = try await directory.putTenant(tenant, name: tenant) }
    let expiry = Timestamp(millis: 2_000_000)
    let key = try await directory.issueKey("t", label: "a", expiresAt: expiry).key
    #expect(key.isGood(at: Timestamp(millis: 1_999_999)) && !key.isGood(at: expiry))
    #expect(
      try await DirectoryHarness.refusal {
        _ = try await directory.issueKey("t", label: "a", expiresAt: Timestamp(millis: 1))
      } == .invalidField)
    #expect(
      try await DirectoryHarness.refusal { _ = try await directory.revokeKey("u", key.id) } == .keyNotFound)
    #expect(try await directory.storedKey(key.id)?.key == key)
    let revoked = try await directory.revokeKey("t", key.id)
    #expect(!revoked.isGood(at: revoked.createdAt))
    #expect(try await directory.revokeKey("t", key.id) == revoked)
    try await directory.noteUse(of: key.id)
    let second = try await directory.issueKey("t", label: "b").key
    let page = try await directory.keys(of: "t", size: 1)
    #expect(page.entries == [second])
    let rest = try await directory.keys(of: "t", size: 1, after: page.next).entries
    #expect(rest.map(\.revokedAt) == [revoked.revokedAt] && rest[0].lastUsedAt != nil)
    #expect(try await directory.keys(of: "u").entries.isEmpty)
    await harness.store.close()
  }

  private static let letters = String(repeating: "A", count: 42)

  @Test(
    "what is no key's text",
    arguments: [
      "", "spk_", "spk__", "spk_a", "spk_a_", "spk__\(letters)A", "spk_a_\(letters)", "SPK_a_\(letters)A",
      "spk-a-\(letters)A", " spk_a_\(letters)A", "spk_a_\(letters)=", "spk_a_\(letters)B", "spk_a_\(letters)+",
      "spk_a_\(letters)A ", "spk_a\u{0}_\(letters)A", "spk_a_" + String(repeating: letters, count: 8),
      "spk_a_\(letters)Ä",
    ])
  func badText(text: String) {
    #expect(ApiKeyText("spk_a_\(Self.letters)A")?.id == "a")
    #expect(ApiKeyText(text) == nil)
  }
}
