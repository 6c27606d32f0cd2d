import HTTPTypes
import Hummingbird
import Ordering
import RoomCore
import Rooms
import Service

/// Where rooms are entered, for those who are let in.
struct RoomDoors: Sendable {
  let settings: GatewaySettings
  let time: any TimeSource

  /// How long a token is good for. A client that comes back later gets a new one where it got the first.
  static let tokenLife = Duration.seconds(12 * 3600)

  /// With a token in it where tokens are asked for.
  ///
  /// - Throws: `Problem` if no key can sign one.
  func url(of seat: OrderSeat, asked request: Request) async throws -> String {
    let room = "\(base(of: request))/parties/collaborative_order/\(seat.order.room.name)"
    guard let tokens = settings.tokens else { return room }
    do {
      let token = try await tokens.sign(
        participant: seat.guest.participant, room: seat.order.room, tenant: seat.order.tenant,
        expiresAt: time.now().advanced(by: Self.tokenLife))
      return "\(room)?token=\(token)"
    } catch is RoomTokens.NoSigner {
      throw Problem(
        status: 503, code: "no_token_key", title: "No room token can be signed",
        detail: "the server has keys to check tokens only")
    }
  }

  /// Where the client has reached this server, unless the server is told how clients do.
  private func base(of request: Request) -> String {
    if let url = settings.publicURL { return url }
    let authority = request.head.authority ?? "\(settings.host):\(settings.port)"
    return "\(settings.certificate == nil ? "ws" : "wss")://\(authority)"
  }
}
