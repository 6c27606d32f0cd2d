import Crypto
import Foundation

/// Makes the tokens that a server in token mode asks for, with the server's own secret: JSON Web Tokens with HS256
/// (RFC 7519), one for each connection.
package struct RoomTokenMaker: Sendable, Equatable {
  private let key: SymmetricKey
  /// Seconds since 1970.
  private let expiry: Int
  private static let header = base64URL(Data(#"{"alg":"HS256","typ":"JWT"}"#.utf8))

  /// - Parameter expiry: of all tokens, in seconds since 1970; it should lie behind the end of the run.
  package init(secret: String, expiry: Int) {
    key = SymmetricKey(data: Data(secret.utf8))
    self.expiry = expiry
  }

  /// - Parameters: names that need no escaping in JSON: those that drivers make.
  func token(for participant: String, in room: String) -> String {
    let claims = #"{"sub":"\#(participant)","room":"\#(room)","exp":\#(expiry)}"#
    let signed = Self.header + "." + Self.base64URL(Data(claims.utf8))
    let signature = HMAC<SHA256>.authenticationCode(for: Data(signed.utf8), using: key)
    return signed + "." + Self.base64URL(Data(signature))
  }

  /// RFC 4648 section 5, without padding.
  private static func base64URL(_ data: Data) -> String {
    data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }
}
