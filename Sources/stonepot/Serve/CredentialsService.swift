import Gateway
import Link
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// Looks for new certificates, of the gateway and for peers, new secrets for peers, and new keys of room tokens, every 10 s
/// and at each SIGHUP.
struct CredentialsService: Service {
  let gateway: Gateway
  let network: PeerNetwork?
  let hangups: UnixSignalsSequence

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withTaskGroup(of: Void.self) { group in
        group.addTask {
          for await _ in hangups { await look() }
        }
        group.addTask {
          let clock = ContinuousClock()
          while (try? await clock.sleep(for: .seconds(10))) != nil { await look() }
        }
      }
    }
  }

  /// Files are read on a thread that may wait for them.
  private func look() async {
    let (gateway, network) = (gateway, network)
    _ = try? await NIOThreadPool.singleton.runIfActive {
      gateway.reloadCertificate()
      gateway.reloadTokenKeys()
      network?.reloadCredentials()
    }
  }
}
