import ArgumentParser
import Foundation
import JSONText
import NIOHTTP1

struct AdminWebhooks: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "webhooks", abstract: "Set up where a tenant is told of events, and see what became of telling.",
    discussion: """
      With --auth token it takes an API key of the tenant, or the admin token, as for all records.

      Example: stonepot admin webhooks add --tenant spice-garden --to https://example.com/hooks --events order.created
      Example: stonepot admin webhooks deliveries --tenant spice-garden --id 0abc… --status failed
      """,
    subcommands: [
      List.self, Add.self, Remove.self, Enable.self, Disable.self, Rotate.self, Deliveries.self, Redeliver.self,
    ])

  /// Whose webhooks.
  struct Place: ParsableArguments {
    @OptionGroup var options: AdminOptions

    @Option(help: ArgumentHelp("The tenant.", valueName: "name"))
    var tenant: String

    var path: String { "/v1/tenants/\(Self.escaped(tenant))/webhooks" }

    static func escaped(_ name: String) -> String {
      let allowed = CharacterSet(charactersIn: "-._~").union(.alphanumerics)
      return name.addingPercentEncoding(withAllowedCharacters: allowed) ?? ""
    }
  }

  /// One of them.
  struct One: ParsableArguments {
    @OptionGroup var place: Place

    @Option(help: ArgumentHelp("The webhook, as list shows it.", valueName: "id"))
    var id: String

    var path: String { "\(place.path)/\(Place.escaped(id))" }
  }

  private struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "The webhooks of a tenant, the newest first.",
      discussion: "Example: stonepot admin webhooks list --tenant spice-garden")

    @OptionGroup var place: Place

    func run() async throws {
      let answer = try await place.options.client().get(
        "\(place.path)?page_size=200", as: WebhooksAnswer.self)
      for line in answer.lines { print(line) }
    }
  }

  private struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a webhook, and show its secret, this once.",
      discussion: "Example: stonepot admin webhooks add --tenant spice-garden --to https://example.com/hooks")

    @OptionGroup var place: Place

    @Option(help: ArgumentHelp("Where events are posted to.", valueName: "url"))
    var to: String

    @Option(help: ArgumentHelp("Which events, separated by commas (default: all).", valueName: "types"))
    var events: String?

    func run() async throws {
      var body = JSONWriter()
      body.beginObject()
      body.field("url", to)
      if let events {
        body.key("events")
        body.beginArray()
        for event in events.split(separator: ",") { body.string(String(event)) }
        body.endArray()
      }
      body.endObject()
      let made = try await place.options.client().send(.POST, place.path, body: body.bytes, as: WebhookAnswer.self)
      print("id: \(made.id)\nsecret: \(made.secret ?? "-")")
    }
  }

  private struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete a webhook with all that it has been sent.",
      discussion: "Example: stonepot admin webhooks remove --tenant spice-garden --id 0abc…")

    @OptionGroup var one: One

    func run() async throws {
      try await one.place.options.client().send(.DELETE, one.path)
      print("\(one.id) is gone")
    }
  }

  private struct Enable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Have a webhook told of what happens from now on.",
      discussion: "Example: stonepot admin webhooks enable --tenant spice-garden --id 0abc…")

    @OptionGroup var one: One

    func run() async throws { print(try await change(one, enabled: true)) }
  }

  private struct Disable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Have a webhook told of nothing more; what waits for it is cancelled.",
      discussion: "Example: stonepot admin webhooks disable --tenant spice-garden --id 0abc…")

    @OptionGroup var one: One

    func run() async throws { print(try await change(one, enabled: false)) }
  }

  private static func change(_ one: One, enabled: Bool) async throws -> String {
    var body = JSONWriter()
    body.beginObject()
    body.field("enabled", enabled)
    body.endObject()
    let changed = try await one.place.options.client().send(.PATCH, one.path, body: body.bytes, as: WebhookAnswer.self)
    return "\(changed.id) is \(changed.enabled ? "enabled" : "disabled")"
  }

  private struct Rotate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a new secret, and show it, this once.",
      discussion: """
        For 24 hours requests are signed with the old one as well.

        Example: stonepot admin webhooks rotate --tenant spice-garden --id 0abc…
        """)

    @OptionGroup var one: One

    func run() async throws {
      let rotated = try await one.place.options.client().send(.POST, "\(one.path)/rotate", as: WebhookAnswer.self)
      print("secret: \(rotated.secret ?? "-")")
    }
  }

  private struct Deliveries: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "What a webhook was and is to be sent, the newest first.",
      discussion: "Example: stonepot admin webhooks deliveries --tenant spice-garden --id 0abc… --status failed")

    @OptionGroup var one: One

    @Option(help: ArgumentHelp("Only those waiting, delivered, failed or cancelled.", valueName: "status"))
    var status: String?

    @Option(help: ArgumentHelp("How many, 1 to 200.", valueName: "n"))
    var count = 20

    @Option(help: ArgumentHelp("One delivery, with its attempts and what was sent.", valueName: "id"))
    var delivery: String?

    func run() async throws {
      let client = try one.place.options.client()
      if let delivery {
        let text = try await client.send(.GET, "\(one.path)/deliveries/\(Place.escaped(delivery))")
        return print(String(decoding: text, as: UTF8.self))
      }
      let filter = status.map { "&status=\(Place.escaped($0))" } ?? ""
      let answer = try await client.get(
        "\(one.path)/deliveries?page_size=\(count)\(filter)", as: DeliveriesAnswer.self)
      for line in answer.lines { print(line) }
    }
  }

  private struct Redeliver: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Send an event again, under the same webhook-id.",
      discussion: "Example: stonepot admin webhooks redeliver --tenant spice-garden --id 0abc… --delivery evt_…")

    @OptionGroup var one: One

    @Option(help: ArgumentHelp("The delivery, as deliveries shows it.", valueName: "id"))
    var delivery: String

    func run() async throws {
      try await one.place.options.client().send(
        .POST, "\(one.path)/deliveries/\(Place.escaped(delivery))/redeliver")
      print("\(delivery) is sent again")
    }
  }
}
