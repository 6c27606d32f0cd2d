import CoreMetrics
import NIOCore
import Synchronization

/// All connections of a gateway: counts them, in all and by address, turns away what is too many, and at the end has
/// each finish what it is about.
final class Connections: Sendable {
  struct Exceeded: Error {}

  private struct State {
    var open: [ObjectIdentifier: any Channel] = [:]
    var byAddress: [String: Int] = [:]
    var isEnding = false
    var waiting: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())
  private let settings: GatewaySettings
  private let metrics: GatewayMetrics

  init(settings: GatewaySettings, metrics: GatewayMetrics) {
    self.settings = settings
    self.metrics = metrics
  }

  /// Counts the connection until it closes; false if there are too many already, or no more are taken.
  func admit(_ channel: any Channel) -> Bool {
    let address = channel.remoteAddress?.household ?? ""
    let id = ObjectIdentifier(channel)
    let refusal: Refusals.Reason? = state.withLock { state in
      if state.isEnding { return .stopping }
      if state.open.count >= settings.maxConnections { return .gateway }
      let fromAddress = state.byAddress[address, default: 0]
      if let limit = settings.connectionsPerAddress {
        guard fromAddress < limit else { return .address }
        state.byAddress[address] = fromAddress + 1
      }
      state.open[id] = channel
      return nil
    }
    if let refusal {
      metrics.refusedConnections.increment(refusal)
      return false
    }
    metrics.connections.increment()
    channel.closeFuture.whenComplete { _ in self.release(id, from: address) }
    return true
  }

  private func release(_ id: ObjectIdentifier, from address: String) {
    metrics.connections.decrement()
    let waiting = state.withLock { state in
      state.open[id] = nil
      if let count = state.byAddress[address] { state.byAddress[address] = count > 1 ? count - 1 : nil }
      return state.open.isEmpty ? state.waiting.take() : nil
    }
    waiting?.resume()
  }

  // MARK: - The end

  /// Takes no further connection; each that is open closes when it has answered what it was asked.
  func quiesce() {
    let open = state.withLock { state in
      state.isEnding = true
      return Array(state.open.values)
    }
    for channel in open { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
  }

  /// Returns when no connection is open any more, or when the task is cancelled. For one caller.
  func allClosed() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          if state.open.isEmpty || Task.isCancelled { return true }
          state.waiting = continuation
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiting.take() }?.resume()
    }
  }
}
