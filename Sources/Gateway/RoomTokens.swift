import FoundationEssentials
import JSONText
import JWTKit
import Link
import Ordering
package import RoomCore

/// Who a client is, as a token says.
package struct TokenIdentity: Sendable, Equatable {
  package let participant: ParticipantID
  package let tenant: String?

  /// The command as the identity may give it; nil if it is for another tenant.
  func admit(_ command: OrderCommand) -> OrderCommand? {
    guard case .join(var join) = command else { return command }
    if let tenant {
      guard join.tenant == nil || join.tenant == tenant else { return nil }
      join.tenant = tenant
    } else {
      join.warrant = .room
    }
    return .join(join)
  }
}

/// Verifies and signs room tokens: JSON Web Tokens (RFC 7519) with HS256 or EdDSA.
///
/// Claims: `sub`, the participant; `room`, the one room that the token opens; `exp`, required; `tenant`, if the
/// participant may join only for that one. A token's `kid` names its key in the file of keys; one without a `kid` is
/// checked with the secret, and with nothing else.
package struct RoomTokens: Sendable {
  private let secret: TokenKey?
  /// The secret's, made once.
  private let collection: JWTKeyCollection?
  let keyFile: TokenKeyFile?

  private struct Claims: JWTPayload {
    let sub: SubjectClaim
    let room: String
    let exp: ExpirationClaim
    let tenant: String?

    func verify(using algorithm: some JWTAlgorithm) async throws { try exp.verifyNotExpired() }
  }

  /// - Parameters:
  ///   - secret: at least 32 bytes, as RFC 7518 section 3.2 asks for HS256; nil: all tokens name their keys.
  ///   - keys: nil: no token names one.
  package init(secret: String?, keys: TokenKeyFile? = nil) async throws(WeakSecret) {
    var own: TokenKey?
    if let secret { own = try TokenKey(secret: secret) }
    self.secret = own
    collection = await own?.collection()
    keyFile = keys
  }

  package struct WeakSecret: Error, CustomStringConvertible {
    package var description: String { "the token secret must have at least 32 bytes" }
  }

  /// Whether there is a file that may change.
  package var hasFile: Bool { keyFile != nil }

  /// The keys that anybody may have, as a JSON Web Key Set.
  var publicKeys: [UInt8] { (keyFile?.value ?? TokenKeySet()).publicText }

  /// - Throws: why the token does not open the room.
  package func verify(_ token: String, for room: RoomID) async throws(TokenRefusal) -> TokenIdentity {
    guard let header = TokenHeader(of: token) else { throw .invalid }
    let (key, known): (TokenKey?, JWTKeyCollection?) =
      if let name = header.key { (keyFile?.value[name], nil) } else { (secret, collection) }
    guard let key, key.algorithm.rawValue == header.algorithm else { throw .invalid }
    let claims: Claims
    do {
      let collection = if let known { known } else { await key.collection() }
      claims = try await collection.verify(token, as: Claims.self)
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

  /// No key can sign.
  package struct NoSigner: Error, CustomStringConvertible {
    package var description: String { "no token key can sign" }
  }

  /// A token of this server's own, by the first key in the file that can sign, or by the secret.
  ///
  /// - Throws: `NoSigner`.
  package func sign(
    participant: ParticipantID, room: RoomID, tenant: String?, expiresAt: Timestamp
  ) async throws -> String {
    let claims = Claims(
      sub: SubjectClaim(value: participant.value), room: room.name,
      exp: ExpirationClaim(value: Date(timeIntervalSince1970: Double(expiresAt.millis / 1000))), tenant: tenant)
    if let key = keyFile?.value.signer {
      return try await key.collection().sign(claims, kid: JWKIdentifier(string: key.name))
    }
    guard let collection else { throw NoSigner() }
    return try await collection.sign(claims)
  }
}

/// What a token says of its own key, before anything in it is believed.
private struct TokenHeader {
  private(set) var algorithm = ""
  private(set) var key: String?

  /// - Returns: nil if it is none, or has rules that are not kept here (RFC 7515 section 4.1.11). A token can be written in
  ///   one way only, so that the same is never two.
  init?(of token: String) {
    let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      .map { Base64URL.bytes(of: Substring($0)) }
    guard parts.count == 3, parts[1] != nil, parts[2] != nil, let text = parts[0] else { return nil }
    do throws(JSONError) {
      try JSONReader.read(text) { reader throws(JSONError) in
        var seen: Set<String> = []
        try reader.beginObject()
        while let name = try reader.nextKey() {
          guard seen.insert(try name.string()).inserted else { throw reader.failure("a field is given twice") }
          switch name {
          case "alg": algorithm = try reader.string()
          case "kid": key = try reader.string()
          case "crit": throw reader.failure("no extension is known")
          default: try reader.skip()
          }
        }
      }
    } catch {
      return nil
    }
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
