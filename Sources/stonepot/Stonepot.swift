import ArgumentParser

/// The composition root: the only place that knows everything, reads the environment and starts anything.
@main
struct Stonepot: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stonepot",
    abstract: "Collaborative orders in rooms that outlive the machine they run on.",
    discussion: """
      Example: stonepot serve --listen 127.0.0.1:1999 --store sqlite:data/stonepot.sqlite

      Exit codes: 0 done; 1 failed, the message says why; 64 wrong usage.
      """,
    version: "0.1.0",
    subcommands: [
      ServeCommand.self, NodeCommand.self, GatewayCommand.self, AdminCommand.self, RoomsCommand.self, LoadCommand.self,
      DrillCommand.self,
    ])
}
