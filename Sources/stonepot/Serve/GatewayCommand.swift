import ArgumentParser

struct GatewayCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gateway",
    abstract: "Serve clients, with rooms that live in the nodes of a cluster.",
    discussion: """
      Takes the options of serve; those that are about rooms have no effect. With --store, which is the nodes' own, it \
      serves records as well. Clients that are connected here \
      do not notice when a room's node goes.

      Example: stonepot gateway --listen 127.0.0.1:1999 --peer-listen 127.0.0.1:2990 --join 127.0.0.1:2991

      Exit codes: 0 stopped by SIGTERM or SIGINT; 1 could not start or had to stop, the message says why; 3 a later \
      process runs under its name; 64 wrong usage.
      """)

  @OptionGroup var options: ServeOptions

  func run() async throws {
    try await Node(options: options).runGateway()
  }
}
