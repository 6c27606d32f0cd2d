import CoreMetrics
import NIOCore
import Synchronization

/// Counts the connections, in all and by address, and turns away what is too many.
final class ConnectionLimits: Sendable {
  struct Exceeded: Error {}

  private struct State {
    var total = 0
    var byAddress: [String: Int] = [:]
  }

  private let state = Mutex(State())
  private let settings: GatewaySettings
  private let metrics: GatewayMetrics

  init(settings: GatewaySettings, metrics: GatewayMetrics) {
    self.settings = settings
    self.metrics = metrics
  }

  /// Counts the connection until it closes; false if there are too many already.
  func admit(_ channel: any Channel) -> Bool {
    let address = channel.remoteAddress?.household ?? ""
    let isAdmitted = state.withLock { state in
      let fromAddress = state.byAddress[address, default: 0]
      guard state.total < settings.maxConnections, fromAddress < settings.connectionsPerAddress ?? .max else {
        return false
      }
      state.total += 1
      if settings.connectionsPerAddress != nil { state.byAddress[address] = fromAddress + 1 }
      return true
    }
    guard isAdmitted else {
      metrics.refusedConnections.increment()
      return false
    }
    metrics.connections.increment()
    channel.closeFuture.whenComplete { _ in self.release(address) }
    return true
  }

  private func release(_ address: String) {
    metrics.connections.decrement()
    state.withLock { state in
      state.total -= 1
      guard let count = state.byAddress[address] else { return }
      state.byAddress[address] = count > 1 ? count - 1 : nil
    }
  }
}
