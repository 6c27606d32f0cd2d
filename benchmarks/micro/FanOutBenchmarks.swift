import Foundation
import Gateway
import NIOCore
import NIOPosix
import Synchronization

/// What it costs the loop to frame a text once and to write it to many sockets: the floor under a broadcast.
///
/// The sockets are real ones on 127.0.0.1. Their other ends are read on another thread, whose time does not count.
final class FanOutBenchmarks {
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let readers = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let accepted = Accepted()
  private let received = ByteCount()
  private var clients: [any Channel] = []
  private var server: (any Channel)?

  init(sockets: Int) async throws {
    let (accepted, received) = (accepted, received)
    let server = try await ServerBootstrap(group: group, childGroup: group)
      .serverChannelOption(.backlog, value: 1024)
      .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
      .childChannelInitializer { channel in
        accepted.channels.withLock { $0.append(channel) }
        return channel.eventLoop.makeSucceededVoidFuture()
      }
      .bind(host: "127.0.0.1", port: 0).get()
    self.server = server
    let bootstrap = ClientBootstrap(group: readers).channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Sink(count: received)) }
    }
    for _ in 0..<sockets {
      clients.append(try await bootstrap.connect(host: "127.0.0.1", port: server.localAddress?.port ?? 0).get())
    }
    while accepted.channels.withLock({ $0.count }) < sockets { try await Task.sleep(for: .milliseconds(1)) }
  }

  func benchmark(bytes: Int) -> MicroBenchmark {
    let sockets = clients.count
    let broadcasts = max(1, 2000 / sockets)
    let payload = [UInt8](repeating: UInt8(ascii: "x"), count: bytes)
    return MicroBenchmark(
      name: "broadcast of \(bytes) bytes to \(sockets == 1 ? "1 socket" : "\(sockets) sockets")", unit: "delivery"
    ) {
      var nanoseconds: UInt64 = 0
      for _ in 0..<broadcasts { nanoseconds += try await self.broadcast(payload) }
      return MicroBenchmark.Sample(cpuNanoseconds: nanoseconds, operations: broadcasts * sockets)
    }
  }

  /// Sends to all sockets, and waits until all have it, so that none ever blocks.
  private func broadcast(_ payload: [UInt8]) async throws -> UInt64 {
    let channels = accepted.channels.withLock { $0 }
    let before = received.bytes.load(ordering: .relaxed)
    let (nanoseconds, frameBytes) = try await group.next().submit {
      let start = cpuNanoseconds(CLOCK_THREAD_CPUTIME_ID)
      let frame = Frames.text(payload, allocator: ByteBufferAllocator())
      for channel in channels {
        channel.pipeline.syncOperations.write(NIOAny(frame), promise: nil)
        channel.pipeline.syncOperations.flush()
      }
      return (cpuNanoseconds(CLOCK_THREAD_CPUTIME_ID) - start, frame.readableBytes)
    }.get()
    while received.bytes.load(ordering: .relaxed) < before + channels.count * frameBytes {
      try await Task.sleep(for: .microseconds(100))
    }
    return nanoseconds
  }

  func close() async throws {
    for client in clients { try await client.close() }
    try await server?.close()
    try await group.shutdownGracefully()
    try await readers.shutdownGracefully()
  }
}

private final class Accepted: Sendable {
  let channels = Mutex<[any Channel]>([])
}

private final class ByteCount: Sendable {
  let bytes = Atomic<Int>(0)
}

private final class Sink: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let count: ByteCount

  init(count: ByteCount) { self.count = count }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    count.bytes.add(unwrapInboundIn(data).readableBytes, ordering: .relaxed)
  }
}
