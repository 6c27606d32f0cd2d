import Gateway
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// Has the gateway look for a new certificate every 10 s, and at each SIGHUP.
struct CertificateService: Service {
  let gateway: Gateway
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
    let gateway = gateway
    _ = try? await NIOThreadPool.singleton.runIfActive { gateway.reloadCertificate() }
  }
}
