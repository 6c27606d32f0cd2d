import JWTKit
import Ordering
package import RoomCore

/// Who a client is, as a token says.
package struct TokenIdentity: Sendable, Equatable {
  package let participant: ParticipantID
  package let tenant: String?

  /// The command as the identity may give it; nil if it is for another tenant.
  func admit(_ command: OrderCommand) -> OrderCommand? {
    guard let tenant, case .join(var join) = command else { return command }
    guard join.tenant == nil || join.tenant == tenant else { return nil }
    join.tenant = tenant
    return .join(join)
  }
}

/// Verifies room tokens: JSON Web Tokens (RFC 7519) with HS256.
///
/// Claims: `sub`, the participant; `room`, the one room that the token opens; `exp`, required; `tenant`, if the
/// participant may join only for that one.
package struct RoomTokens: Sendable {
  private let keys: JWTKeyCollection

  private struct Claims: JWTPayload {
    let sub: SubjectClaim
    let room: String
    let exp: ExpirationClaim
    let tenant: String?

    func verify(using algorithm: some JWTAlgorithm) async throws { try exp.verifyNotExpired() }
  }

  /// - Parameter secret: at least 32 bytes, as RFC 7518 section 3.2 asks for HS256.
  package init(secret: String) async throws(WeakSecret) {
    guard secret.utf8.count >= 32 else { throw WeakSecret() }
    keys = JWTKeyCollection()
    await keys.add(hmac: HMACKey(stringLiteral: secret), digestAlgorithm: .sha256)
  }

  package struct WeakSecret: Error, CustomStringConvertible {
    package var description: String { "the token secret must have at least 32 bytes" }
  }

  /// - Throws: why the token does not open the room.
  package func verify(_ token: String, for room: RoomID) async throws(TokenRefusal) -> TokenIdentity {
    let claims: Claims
    do {
      claims = try await keys.verify(token, as: Claims.self)
    } catch let error as JWTError where error.errorType == .claimVerificationFailure {
      throw .expired
    } catch {
      throw .invalid
    }
    guard claims.room == room.name else { throw .otherRoom }
    let participant = ParticipantID(claims.sub.value)
    guard participant.isWellFormed else { throw .invalid }
    return TokenIdentity(participant: participant, tenant: claims.tenant)
  }
}

/// Why a token does not open a room.
package enum TokenRefusal: Error, Equatable {
  case missing, invalid, expired, otherRoom

  var message: String {
    switch self {
    case .missing: "a room token is required"
    case .invalid: "the token is not valid"
    case .expired: "the token has expired"
    case .otherRoom: "the token is for another room"
    }
  }

  var status: UInt {
    switch self {
    case .missing, .invalid, .expired: 401
    case .otherRoom: 403
    }
  }
}
