import ArgumentParser

struct NodeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "node",
    abstract: "Serve the rooms of a cluster to its gateways, and no clients.",
    discussion: """
      Takes the options of serve; those that are about clients have no effect. The port of --listen answers /healthz, \
      /readyz, /metrics and /v1/cluster, and nothing else.

      Example: stonepot node --name node-1 --listen 127.0.0.1:2001 --peer-listen 127.0.0.1:2991 \
      --join 127.0.0.1:2992,127.0.0.1:2993 --store postgres://…

      Exit codes: 0 stopped by SIGTERM or SIGINT; 1 could not start or had to stop, the message says why; 3 a later \
      process runs under its name; 64 wrong usage.
      """)

  @OptionGroup var options: ServeOptions

  func run() async throws {
    try await Node(options: options, takesClients: false).run()
  }
}
