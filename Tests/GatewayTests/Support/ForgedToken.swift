import Crypto
import Foundation
import Gateway
import Link
import RoomCore

/// A JSON Web Token of any header and claims, signed in any way: what no library would make.
struct ForgedToken {
  var header: String
  var claims = #"{"sub":"asha","room":"room","exp":4102444800}"#

  static func text(of text: String) -> String { Base64URL.text(of: text.utf8) }

  private var signed: String { Self.text(of: header) + "." + Self.text(of: claims) }

  func signed(_ signature: (Data) throws -> some Sequence<UInt8>) rethrows -> String {
    signed + "." + Base64URL.text(of: try signature(Data(signed.utf8)))
  }

  func signed(secret: some Sequence<UInt8>) -> String {
    signed { HMAC<SHA256>.authenticationCode(for: $0, using: SymmetricKey(data: Array(secret))) }
  }

  func signed(by key: Curve25519.Signing.PrivateKey) throws -> String { try signed { try key.signature(for: $0) } }

  var unsigned: String { signed + "." }
}

/// Token keys whose secrets the test knows, in a file.
struct TestTokenKeys {
  let path: String
  let pair = Curve25519.Signing.PrivateKey()
  /// In the file for checking only.
  let retired = Curve25519.Signing.PrivateKey()
  let secret = Array("a secret of thirty-two bytes, or more".utf8)

  init(in directory: TemporaryDirectory) throws {
    path = directory.file("keys.json")
    try write([ed, hs, old])
  }

  var x: String { Base64URL.text(of: pair.publicKey.rawRepresentation) }

  var ed: String {
    let d = Base64URL.text(of: pair.rawRepresentation)
    return #"{"kty":"OKP","crv":"Ed25519","kid":"ed","alg":"EdDSA","x":"\#(x)","d":"\#(d)"}"#
  }

  var hs: String { #"{"kty":"oct","kid":"hs","alg":"HS256","k":"\#(Base64URL.text(of: secret))"}"# }

  var old: String {
    let x = Base64URL.text(of: retired.publicKey.rawRepresentation)
    return #"{"kty":"OKP","crv":"Ed25519","kid":"old","alg":"EdDSA","x":"\#(x)"}"#
  }

  func write(_ keys: [String]) throws {
    try "{\"keys\":[\(keys.joined(separator: ","))]}".write(toFile: path, atomically: true, encoding: .utf8)
  }

  func load() throws -> TokenKeyFile { try TokenKeyFile(keySet: path) }
}
