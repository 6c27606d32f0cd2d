import Foundation
import NIOCore
import NIOPosix

/// How many slots each node owned at a moment of a drill, as a gateway saw it.
package struct OwnershipMoment: Codable, Sendable, Equatable {
  /// Since the load began.
  package var second: Double
  /// By the names of nodes; those of nobody under an empty name.
  package var slots: [String: Int]

  package init(second: Double, slots: [String: Int]) {
    self.second = second
    self.slots = slots
  }

  /// - Parameter json: what `/v1/cluster` answers; nil if it is something else.
  package init?(second: Double, json: [UInt8]) {
    struct Answer: Decodable {
      struct Member: Decodable {
        var name: String
        var kind: String
        var slots: Int
      }
      var members: [Member]
      var unownedSlots: Int
    }
    guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(json)) else { return nil }
    // Lives of one name are one node.
    var slots = answer.members.filter { $0.kind == "node" }.reduce(into: [:]) { $0[$1.name, default: 0] += $1.slots }
    slots[""] = answer.unownedSlots
    self.init(second: second, slots: slots)
  }
}

/// Asks gateways, twice a second, who owns what.
struct OwnershipWatch: Sendable {
  private static let interval = Duration.milliseconds(500)
  private static let patience = TimeAmount.seconds(2)

  let gateways: [LoadDialing]
  let start: UInt64

  /// Until the task is cancelled. Where no gateway answers, there is a gap.
  func run(on eventLoop: any EventLoop) async -> [OwnershipMoment] {
    var moments: [OwnershipMoment] = []
    while !Task.isCancelled {
      for gateway in gateways {
        // A gateway that is gone, or that is no part of a cluster, says nothing; the next one may.
        guard let body = try? await ask(gateway, on: eventLoop) else { continue }
        let second = rounded(Double(DrillRunner.now - start) / 1e9)
        guard let moment = OwnershipMoment(second: second, json: body) else { continue }
        moments.append(moment)
        break
      }
      do { try await Task.sleep(for: Self.interval) } catch { break }
    }
    return moments
  }

  private func ask(_ gateway: LoadDialing, on eventLoop: any EventLoop) async throws -> [UInt8] {
    let answer = eventLoop.makePromise(of: [UInt8].self)
    let target = gateway.target
    let request = "GET /v1/cluster HTTP/1.1\r\nHost: \(target.host):\(target.port)\r\nConnection: close\r\n\r\n"
    let channel: any Channel
    do {
      channel = try await gateway.bootstrap(on: eventLoop, number: 0)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try gateway.addTLS(to: channel)
            try channel.pipeline.syncOperations.addHandler(WholeAnswer(answer))
          }
        }
        .connect(to: gateway.address).get()
    } catch {
      answer.fail(error)
      throw error
    }
    let late = eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
    channel.writeAndFlush(ByteBuffer(string: request), promise: nil)
    defer { late.cancel() }
    let whole = try await answer.futureResult.get()
    // The answer has a length and ends with the connection: what follows the empty line is its body.
    guard let head = whole.firstRange(of: Array("\r\n\r\n".utf8)) else { return [] }
    return Array(whole[head.upperBound...])
  }
}

/// Everything that comes until the connection ends.
private final class WholeAnswer: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let answer: EventLoopPromise<[UInt8]>
  private var bytes: [UInt8] = []

  init(_ answer: EventLoopPromise<[UInt8]>) { self.answer = answer }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { bytes += unwrapInboundIn(data).readableBytesView }

  func channelInactive(context: ChannelHandlerContext) { answer.succeed(bytes) }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    answer.fail(error)
    context.close(promise: nil)
  }
}
