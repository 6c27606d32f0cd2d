import CoreMetrics
package import Membership
package import NIOCore
import Synchronization
package import Wire

/// One connection between two processes that have proved who they are.
///
/// Frames go out in the order of the calls of `send`; those of one tick of the event loop go out together. Requests go
/// only where the connection was dialed to.
package final class PeerConnection: Sendable {
  package enum Direction: Sendable, Equatable {
    case incoming
    case outgoing(to: PeerAddress)
  }

  /// What became of a frame.
  package enum Sending: Sendable, Equatable {
    case queued
    /// The connection is closed, or closes because of this frame.
    case closed
    /// The frame breaks a bound of the protocol; it was not sent, and the connection goes on.
    case unsendable(PeerFrameError)
  }

  package let peer: PeerHello
  /// The version of the protocol that is spoken.
  package let version: UInt64
  package let direction: Direction
  package let eventLoop: any EventLoop

  private let channel: any Channel
  private let handler: NIOLoopBound<PeerChannelHandler>
  private let settings: PeerSettings
  private let metrics: PeerMetrics
  private let outbox = Mutex(Outbox())

  private struct Outbox {
    var frames: [[UInt8]] = []
    /// Those in `frames`, and those that the channel has not written yet.
    var waitingBytes = 0
    var isDrainScheduled = false
    /// Why there are no more frames.
    var ending: PeerDisconnection?
  }

  /// What is written at once; more goes in parts, so that the count of waiting bytes follows the socket.
  private static let partBytes = 1 << 18

  init(
    peer: PeerHello, version: UInt64, direction: Direction, channel: any Channel, handler: PeerChannelHandler,
    settings: PeerSettings, metrics: PeerMetrics
  ) {
    self.peer = peer
    self.version = version
    self.direction = direction
    self.channel = channel
    self.handler = NIOLoopBound(handler, eventLoop: channel.eventLoop)
    self.settings = settings
    self.metrics = metrics
    eventLoop = channel.eventLoop
  }

  /// Bytes on their way that the socket has not taken yet.
  package var waitingBytes: Int { outbox.withLock { $0.waitingBytes } }

  /// Whether whoever sends should slow down.
  package var isOverloaded: Bool { waitingBytes > settings.overloadedBytes }

  package var isOpen: Bool { outbox.withLock { $0.ending == nil } }

  /// May be called from any thread. Says nothing about arrival: what is not answered may be lost.
  @discardableResult
  package func send(_ frame: PeerFrame) -> Sending {
    let bytes: [UInt8]
    do {
      bytes = try frame.encoded()
    } catch {
      return .unsendable(error)
    }
    enum Step {
      case nothing, drain, closed, cut
    }
    let step: Step = outbox.withLock { outbox in
      guard outbox.ending == nil else { return .closed }
      guard outbox.waitingBytes + bytes.count <= settings.maxWaitingBytes else {
        outbox.ending = .overloaded
        return .cut
      }
      outbox.frames.append(bytes)
      outbox.waitingBytes += bytes.count
      defer { outbox.isDrainScheduled = true }
      return outbox.isDrainScheduled ? .nothing : .drain
    }
    switch step {
    case .nothing: break
    case .drain: eventLoop.execute { self.drain() }
    case .closed: return .closed
    case .cut:
      metrics.overloads.increment()
      closeChannel()
      return .closed
    }
    metrics.framesSent.increment()
    return .queued
  }

  /// Says goodbye behind all that was sent, and closes when the peer has closed, or after a time.
  package func close(reason: String) {
    // Words that are too long are left out: the end is what counts.
    let frame = (try? PeerFrame.goodbye(reason: reason).encoded()) ?? []
    let isFirst = outbox.withLock { outbox in
      guard outbox.ending == nil else { return false }
      outbox.ending = .closedByUs(reason)
      outbox.frames.append(frame)
      outbox.waitingBytes += frame.count
      return true
    }
    guard isFirst else { return }
    let (channel, grace) = (channel, settings.goodbyeGrace)
    eventLoop.execute {
      self.drain(thenEnd: true)
      channel.eventLoop.assumeIsolated().scheduleTask(in: grace) { channel.close(promise: nil) }
    }
  }

  /// Closes at once. What waits is lost.
  package func cut(_ reason: PeerDisconnection) {
    end(reason)
    closeChannel()
  }

  /// Not at once, so that nobody hears of the end while still dealing with a frame.
  private func closeChannel() {
    let channel = channel
    eventLoop.execute { channel.close(promise: nil) }
  }

  var closeFuture: EventLoopFuture<Void> { channel.closeFuture }

  /// Stops or goes on taking frames from the peer, whose own sending stops when the network's buffers are full. While
  /// this side does not read it holds its peer for alive. On the connection's event loop it takes effect with the next
  /// frame.
  package func setReading(_ isReading: Bool) {
    if eventLoop.inEventLoop {
      handler.value.setReading(isReading)
    } else {
      eventLoop.execute { self.handler.value.setReading(isReading) }
    }
  }

  /// Nothing is sent from now on.
  func end(_ reason: PeerDisconnection) {
    outbox.withLock { outbox in
      if outbox.ending == nil { outbox.ending = reason }
    }
  }

  /// Why it ended; that the peer closed it, if nothing else is known.
  var ending: PeerDisconnection { outbox.withLock { $0.ending } ?? .closedByPeer }

  private func drain(thenEnd: Bool = false) {
    eventLoop.assertInEventLoop()
    let frames = outbox.withLock { outbox in
      outbox.isDrainScheduled = false
      defer { outbox.frames = [] }
      return outbox.frames
    }
    var part = channel.allocator.buffer(
      capacity: min(Self.partBytes, frames.reduce(0) { $0 + $1.count }))
    for frame in frames {
      part.writeBytes(frame)
      if part.readableBytes >= Self.partBytes {
        write(part)
        part = channel.allocator.buffer(capacity: 0)
      }
    }
    if part.readableBytes > 0 { write(part) }
    channel.flush()
    if thenEnd { channel.close(mode: .output, promise: nil) }
  }

  private func write(_ part: ByteBuffer) {
    let count = part.readableBytes
    let promise = eventLoop.makePromise(of: Void.self)
    promise.futureResult.whenComplete { _ in
      self.outbox.withLock { $0.waitingBytes -= count }
    }
    metrics.bytesSent.increment(by: count)
    channel.write(part, promise: promise)
  }
}

/// Why a connection ended.
package enum PeerDisconnection: Sendable, Equatable {
  /// The peer said goodbye.
  case goodbye(String)
  /// The peer closed without a word.
  case closedByPeer
  case closedByUs(String)
  /// The same process has connected anew.
  case replaced
  /// The peer did not read what it was sent.
  case overloaded
  /// Nothing came from the peer, although it was asked.
  case silent
  /// The peer said what it must not say.
  case violation(String)
  case failed(String)
}
