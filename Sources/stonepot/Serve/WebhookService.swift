import Directory
import Logging
import NIOCore
import Service
import ServiceLifecycle

/// Sends webhooks as long as the node runs. What is under way when it stops may take a few seconds to end.
struct WebhookService: ServiceLifecycle.Service {
  private let worker: WebhookWorker
  private let client: WebhookClient

  init(
    _ webhooks: Webhooks, _ settings: WebhookSettings, time: WallClock, group: any EventLoopGroup, logger: Logger
  ) throws {
    do {
      client = try WebhookClient(settings: settings, group: group)
    } catch {
      throw StartFailure(message: "TLS cannot be spoken to receivers of webhooks: \(error)")
    }
    worker = WebhookWorker(
      webhooks: webhooks, client: client, settings: settings, now: { time.now() },
      chance: { Double.random(in: 0...1) }, logger: logger)
  }

  func run() async throws {
    await withGracefulShutdownHandler {
      await worker.run()
    } onGracefulShutdown: {
      worker.stop()
    }
    client.stop()
  }
}
