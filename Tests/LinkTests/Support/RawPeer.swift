import Membership
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Wire

@testable import Link

/// A TCP connection that says whatever a test wants it to, and shows the frames of the answer.
final class RawPeer: Sendable {
  fileprivate struct State {
    var decoder = PeerFrameDecoder()
    var frames: [PeerFrame] = []
    var isEnded = false
  }

  private let channel: any Channel
  private let state: Arrivals

  final class Arrivals: Sendable {
    fileprivate let state = Mutex(State())
  }

  private init(_ channel: any Channel, _ state: Arrivals) {
    self.channel = channel
    self.state = state
  }

  static func open(_ address: PeerAddress, answersPings: Bool = false) async throws -> RawPeer {
    let arrivals = Arrivals()
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(.seconds(60))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Collector(arrivals, answersPings: answersPings))
        }
      }
      .connect(host: address.host, port: address.port).get()
    return RawPeer(channel, arrivals)
  }

  /// Takes one connection, and answers nothing by itself.
  static func listen() async throws -> (
    address: PeerAddress, listener: any Channel, accepted: @Sendable () -> [RawPeer]
  ) {
    let peers = Accepted()
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let arrivals = Arrivals()
          try channel.pipeline.syncOperations.addHandler(Collector(arrivals))
          peers.list.withLock { $0.append(RawPeer(channel, arrivals)) }
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let address = PeerAddress(host: "127.0.0.1", port: listener.localAddress?.port ?? 0)
    return (address, listener, { peers.list.withLock { $0 } })
  }

  private final class Accepted: Sendable {
    let list = Mutex<[RawPeer]>([])
  }

  func send(_ frame: PeerFrame) throws { send(try frame.encoded()) }
  func send(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
  func close() async { try? await channel.close().get() }

  var frames: [PeerFrame] { state.state.withLock { $0.frames } }
  var isEnded: Bool { state.state.withLock { $0.isEnded } }

  func frame(_ index: Int) async throws -> PeerFrame {
    try await eventually("frame \(index); there are \(frames)") { self.frames.count > index }
    return frames[index]
  }

  func waitForEnd() async throws { try await eventually("the connection to end") { self.isEnded } }

  private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let arrivals: Arrivals

    private let answersPings: Bool

    init(_ arrivals: Arrivals, answersPings: Bool = false) {
      self.arrivals = arrivals
      self.answersPings = answersPings
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let buffer = unwrapInboundIn(data)
      let pings = arrivals.state.withLock { state in
        let known = state.frames.count
        state.decoder.feed(buffer.readableBytesView)
        do {
          while let frame = try state.decoder.next() { state.frames.append(frame) }
        } catch {
          preconditionFailure("a peer has sent what is no frame: \(error)")
        }
        return state.frames[known...].count { if case .ping = $0 { true } else { false } }
      }
      guard answersPings, let pong = try? PeerFrame.pong(0).encoded() else { return }
      for _ in 0..<pings { context.writeAndFlush(NIOAny(ByteBuffer(bytes: pong)), promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) { arrivals.state.withLock { $0.isEnded = true } }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}
