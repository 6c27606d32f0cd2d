import ArgumentParser
import Foundation
import JSONText
import NIOHTTP1
import RoomCore

struct AdminCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "admin",
    abstract: "Look at a running cluster, move its slots, give out keys, and set up webhooks.",
    discussion: """
      Asks one process of the cluster, by the port on which it serves its clients. Whoever changes something needs the \
      admin token that the process was started with: by --admin-token-file, STONEPOT_ADMIN_TOKEN_FILE or \
      STONEPOT_ADMIN_TOKEN.

      Example: stonepot admin members --url http://127.0.0.1:2001

      Exit codes: 0 done; 1 refused, or not done in time, the message says why; 64 wrong usage.
      """,
    subcommands: [
      AdminMembers.self, AdminSlots.self, AdminDrain.self, AdminMove.self, AdminTenants.self, AdminKeys.self,
      AdminTokenKeys.self, AdminWebhooks.self,
    ])
}

/// Which process is asked.
struct AdminOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The process that is asked.", valueName: "url"))
  var url = "http://127.0.0.1:1999"

  @Option(
    help: ArgumentHelp(
      "With https: a PEM file with whom to trust (default: the system's authorities).", valueName: "path"))
  var authority: String?

  @Option(help: ArgumentHelp("A file with the admin token.", valueName: "path"))
  var adminTokenFile: String?

  func client() throws -> AdminClient {
    let environment = ProcessInfo.processInfo.environment
    let file = adminTokenFile ?? environment["STONEPOT_ADMIN_TOKEN_FILE"]
    let token = try file.map(AdminTokenFile.read) ?? environment["STONEPOT_ADMIN_TOKEN"]
    return try AdminClient(url: url, authority: authority, token: token)
  }
}

private struct AdminMembers: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "members", abstract: "Who is there, and what each owns.",
    discussion: """
      HEARD is how long ago the process that is asked heard from a member, WROTE how long ago that member wrote to the \
      store. Both are a second or less where all is well.

      Example: stonepot admin members --url http://127.0.0.1:2001
      """)

  @OptionGroup var options: AdminOptions

  @Flag(help: "Print what the process answers.")
  var json = false

  func run() async throws {
    let client = try options.client()
    if json { return print(String(decoding: try await client.send(.GET, "/v1/cluster"), as: UTF8.self)) }
    for line in try await client.get("/v1/cluster", as: ClusterAnswer.self).lines { print(line) }
  }
}

private struct AdminSlots: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "slots", abstract: "Who owns each slot, and at which epoch.",
    discussion: "Example: stonepot admin slots --owner node-1 --url http://127.0.0.1:2001")

  @OptionGroup var options: AdminOptions

  @Option(help: ArgumentHelp("Only those of this node.", valueName: "name"))
  var owner: String?

  @Flag(help: "Print what the process answers, which is all slots.")
  var json = false

  func run() async throws {
    let client = try options.client()
    if json { return print(String(decoding: try await client.send(.GET, "/v1/cluster/slots"), as: UTF8.self)) }
    for line in try await client.get("/v1/cluster/slots", as: SlotsAnswer.self).lines(of: owner) { print(line) }
  }
}

private struct AdminDrain: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain", abstract: "Have the process that is asked hand all its slots off, and stay up without any.",
    discussion: """
      It goes on serving its clients, whose rooms are elsewhere then. It takes slots again after --undo, or when it is \
      started again.

      Example: stonepot admin drain --url http://127.0.0.1:2001 --admin-token-file admin.token
      """)

  @OptionGroup var options: AdminOptions

  @Flag(help: "Let it take slots again.")
  var undo = false

  @Option(help: ArgumentHelp("How long it may take.", valueName: "seconds"))
  var patience = 60

  func run() async throws {
    let client = try options.client()
    if undo {
      try await client.send(.DELETE, "/v1/cluster/drain")
      let answer = try await client.get("/v1/cluster", as: ClusterAnswer.self)
      return print("\(answer.ownName) takes slots again")
    }
    try await client.send(.POST, "/v1/cluster/drain")
    try await wait(seconds: patience) {
      let answer = try await client.get("/v1/cluster", as: ClusterAnswer.self)
      let slots = answer.own?.slots ?? 0
      if slots > 0 { return "\(answer.ownName) still owns \(slots) slots" }
      print("\(answer.ownName) owns no slots")
      return nil
    }
  }
}

private struct AdminMove: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "move", abstract: "Have a slot handed to another node.",
    discussion: """
      The node keeps it until a node comes, goes or drains; then placement decides again, and will give it back.

      Example: stonepot admin move --slot 17 --to node-2 --url http://127.0.0.1:2001
      Example: stonepot admin move --room dinner --to node-2
      """)

  @OptionGroup var options: AdminOptions

  @Option(help: ArgumentHelp("The slot, 0 to \(Slot.count - 1).", valueName: "n"))
  var slot: Int?

  @Option(help: ArgumentHelp("A room whose slot it is.", valueName: "name"))
  var room: String?

  @Option(help: ArgumentHelp("The node that is to have it.", valueName: "name"))
  var to: String

  @Option(help: ArgumentHelp("How long it may take.", valueName: "seconds"))
  var patience = 10

  func validate() throws { _ = try number() }

  private func number() throws -> Int {
    switch (slot, room) {
    case (let slot?, nil):
      guard (0..<Slot.count).contains(slot) else { throw ValidationError("slots are 0 to \(Slot.count - 1)") }
      return slot
    case (nil, let room?):
      guard let id = RoomID(room) else { throw ValidationError("\(room) is no name of a room") }
      return Slot(of: id).number
    default: throw ValidationError("give either --slot or --room")
    }
  }

  func run() async throws {
    let client = try options.client()
    let number = try number()
    var order = JSONWriter()
    order.beginObject()
    order.field("slot", number)
    order.field("to", to)
    order.endObject()
    try await client.send(.POST, "/v1/cluster/move", body: order.bytes)
    try await wait(seconds: patience) {
      let slots = try await client.get("/v1/cluster/slots", as: SlotsAnswer.self).slots
      let slot = slots.first { $0.slot == number }
      guard let slot, slot.name == to else {
        return "slot \(number) is still \(slot?.name.map { "\($0)'s" } ?? "nobody's")"
      }
      print("slot \(number) is \(to)'s, at epoch \(slot.epoch)")
      return nil
    }
  }
}

/// Looks again and again, until nothing is missing any more.
///
/// - Parameter missing: in words for the operator.
private func wait(seconds: Int, for missing: () async throws -> String?) async throws {
  let clock = ContinuousClock()
  let deadline = clock.now + .seconds(seconds)
  while let reason = try await missing() {
    guard clock.now < deadline else { throw StartFailure(message: "\(reason), after \(seconds) s") }
    try await clock.sleep(for: .milliseconds(100))
  }
}
