import ArgumentParser
import Foundation
import JSONText
import NIOHTTP1

/// `admin tenants`
struct AdminTenants: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tenants", abstract: "The restaurants that the records are kept for.",
    discussion: "Example: stonepot admin tenants put spice-garden --name 'Spice Garden' --admin-token-file admin.token",
    subcommands: [ListTenants.self, PutTenant.self])
}

/// `admin keys`
struct AdminKeys: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys", abstract: "The API keys of a tenant's servers.",
    discussion: "Example: stonepot admin keys new --tenant spice-garden --label website --admin-token-file admin.token",
    subcommands: [ListKeys.self, NewKey.self, RevokeKey.self])
}

private struct ListTenants: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "All tenants, the newest first.",
    discussion: "Example: stonepot admin tenants list --admin-token-file admin.token")

  @OptionGroup var options: AdminOptions

  @Flag(help: "Print what the process answers, a line for each page.")
  var json = false

  func run() async throws {
    var table = TextTable(("ID", .left), ("NAME", .left), ("CREATED", .left))
    try await options.client().pages("/v1/tenants", as: TenantsAnswer.self, prints: json) { answer in
      for tenant in answer.tenants { table.add(tenant.id, tenant.name, TextTable.time(tenant.createdAt)) }
    }
    if !json { for line in table.lines { print(line) } }
  }
}

private struct PutTenant: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "put", abstract: "Make a tenant, or call it otherwise.",
    discussion: "Example: stonepot admin tenants put spice-garden --name 'Spice Garden'")

  @OptionGroup var options: AdminOptions

  @Argument(help: ArgumentHelp("Its id: 1 to 64 of A-Z a-z 0-9 _ . ~ -", valueName: "tenant"))
  var tenant: String

  @Option(help: "What people call it.")
  var name: String

  @Flag(help: "Print what the process answers.")
  var json = false

  func run() async throws {
    var body = JSONWriter()
    body.beginObject()
    body.field("name", name)
    body.endObject()
    let answer = try await options.client().send(.PUT, try path(of: tenant), body: body.bytes)
    if json { return print(String(decoding: answer, as: UTF8.self)) }
    let put = try JSONDecoder().decode(TenantsAnswer.Tenant.self, from: Data(answer))
    print("\(put.id) is \(put.name), at version \(put.version)")
  }
}

private struct ListKeys: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "A tenant's keys, the newest first. The secrets are nowhere to be had.",
    discussion: "Example: stonepot admin keys list --tenant spice-garden")

  @OptionGroup var options: AdminOptions

  @Option(help: ArgumentHelp("Whose.", valueName: "id"))
  var tenant: String

  @Flag(help: "Print what the process answers, a line for each page.")
  var json = false

  func run() async throws {
    var table = TextTable(
      ("ID", .left), ("LABEL", .left), ("CREATED", .left), ("EXPIRES", .left), ("LAST USED", .left), ("", .left))
    let path = try path(of: tenant) + "/keys"
    try await options.client().pages(path, as: KeysAnswer.self, prints: json) { answer in
      for key in answer.keys {
        table.add(
          key.id, key.label, TextTable.time(key.createdAt), TextTable.time(key.expiresAt),
          TextTable.time(key.lastUsedAt),
          key.revokedAt.map { "revoked \(TextTable.time($0))" } ?? "")
      }
    }
    if !json { for line in table.lines { print(line) } }
  }
}

private struct NewKey: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "Make a key, and print it: once, and never again.",
    discussion: "Example: stonepot admin keys new --tenant spice-garden --label website --days 90")

  @OptionGroup var options: AdminOptions

  @Option(help: ArgumentHelp("Whose.", valueName: "id"))
  var tenant: String

  @Option(help: "Where it is used, for people.")
  var label: String

  @Option(help: ArgumentHelp("After so many days it is good no more (default: never).", valueName: "n"))
  var days: Int?

  @Flag(help: "Print what the process answers.")
  var json = false

  func validate() throws {
    if let days, !(1...36_500).contains(days) { throw ValidationError("--days must be from 1 to 36500") }
  }

  func run() async throws {
    var body = JSONWriter()
    body.beginObject()
    body.field("label", label)
    if let days { body.field("expiresAt", Int64(Date().timeIntervalSince1970 * 1000) + Int64(days) * 86_400_000) }
    body.endObject()
    let answer = try await options.client().send(.POST, try path(of: tenant) + "/keys", body: body.bytes)
    if json { return print(String(decoding: answer, as: UTF8.self)) }
    print(try JSONDecoder().decode(NewKeyAnswer.self, from: Data(answer)).key)
  }
}

private struct RevokeKey: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "revoke", abstract: "Take a key away: within 5 s no process takes it any more.",
    discussion: "Example: stonepot admin keys revoke --tenant spice-garden 2f6k1xq0v")

  @OptionGroup var options: AdminOptions

  @Option(help: ArgumentHelp("Whose.", valueName: "id"))
  var tenant: String

  @Argument(help: ArgumentHelp("The key's id: what is between the first two underscores of the key.", valueName: "key"))
  var key: String

  @Flag(help: "Print what the process answers.")
  var json = false

  func run() async throws {
    let path = "\(try path(of: tenant))/keys/\(try segment(key, "the key"))"
    let answer = try await options.client().send(.DELETE, path)
    print(json ? String(decoding: answer, as: UTF8.self) : "\(key) is revoked")
  }
}

private func path(of tenant: String) throws -> String { "/v1/tenants/\(try segment(tenant, "the tenant"))" }

private func segment(_ text: String, _ what: String) throws -> String {
  guard text.wholeMatch(of: /[A-Za-z0-9_.~-]+/) != nil else {
    throw ValidationError("\(what) must have A-Z a-z 0-9 _ . ~ - only")
  }
  return text
}

/// A part of a list.
private protocol PageAnswer: Decodable {
  var nextPageToken: String? { get }
}

private struct TenantsAnswer: PageAnswer {
  struct Tenant: Decodable {
    let id: String
    let name: String
    let createdAt: Int64
    let version: Int
  }

  let tenants: [Tenant]
  let nextPageToken: String?
}

private struct KeysAnswer: PageAnswer {
  struct Key: Decodable {
    let id: String
    let label: String
    let createdAt: Int64
    let expiresAt: Int64?
    let revokedAt: Int64?
    let lastUsedAt: Int64?
  }

  let keys: [Key]
  let nextPageToken: String?
}

private struct NewKeyAnswer: Decodable {
  let key: String
}

extension AdminClient {
  /// Asks for a list to its end.
  fileprivate func pages<Answer: PageAnswer>(
    _ path: String, as _: Answer.Type, prints: Bool, _ body: (Answer) -> Void
  ) async throws {
    var token: String?
    repeat {
      let bytes = try await send(.GET, "\(path)?page_size=200\(token.map { "&page_token=\($0)" } ?? "")")
      if prints { print(String(decoding: bytes, as: UTF8.self)) }
      let answer = try JSONDecoder().decode(Answer.self, from: Data(bytes))
      body(answer)
      token = answer.nextPageToken
    } while token != nil
  }
}
