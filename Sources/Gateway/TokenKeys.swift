import Crypto
import JSONText
import JWTKit
package import Link
import RoomCore

/// A key that room tokens are checked with, and perhaps signed: one of a JSON Web Key Set (RFC 7517).
package struct TokenKey: Sendable {
  /// The word in `alg`; a key has one, and its tokens have no other. So a public key, which anybody may have, is never
  /// taken for a secret (RFC 8725 section 3.1).
  package enum Algorithm: String, Sendable, CaseIterable {
    /// Ed25519 (RFC 8037): whoever checks need not be able to sign.
    case edDSA = "EdDSA"
    case hs256 = "HS256"
  }

  private enum Material: Sendable {
    case signing(Curve25519.Signing.PrivateKey)
    case verifying(Curve25519.Signing.PublicKey)
    case secret([UInt8])
  }

  /// Its `kid`.
  package let name: String
  private let material: Material
  /// Whether it is to check tokens only.
  private let isRetired: Bool

  private init(name: String, material: Material, isRetired: Bool) {
    self.name = name
    self.material = material
    self.isRetired = isRetired
  }

  /// As RFC 7518 section 3.2 asks for HS256.
  static let minSecretBytes = 32
  private static let maxNameBytes = 128

  package init(drawing algorithm: Algorithm, name: String) throws(UnusableFiles) {
    guard name.isName(maxBytes: Self.maxNameBytes) else { throw Self.badName }
    let material: Material =
      switch algorithm {
      case .edDSA: .signing(Curve25519.Signing.PrivateKey())
      case .hs256: .secret(SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) })
      }
    self.init(name: name, material: material, isRetired: false)
  }

  /// A secret that stands in no file, and has no name.
  init(secret: String) throws(RoomTokens.WeakSecret) {
    guard secret.utf8.count >= Self.minSecretBytes else { throw RoomTokens.WeakSecret() }
    self.init(name: "", material: .secret(Array(secret.utf8)), isRetired: false)
  }

  package var algorithm: Algorithm { if case .secret = material { .hs256 } else { .edDSA } }

  package var canSign: Bool { if case .verifying = material { false } else { !isRetired } }

  /// What verifies and signs with this key and no other.
  func collection() async -> JWTKeyCollection {
    let keys = JWTKeyCollection()
    switch material {
    case .signing(let key): await keys.add(eddsa: EdDSA.PrivateKey(backing: key))
    case .verifying(let key): await keys.add(eddsa: EdDSA.PublicKey(backing: key))
    case .secret(let bytes): await keys.add(hmac: HMACKey(from: bytes), digestAlgorithm: .sha256)
    }
    return keys
  }

  private static var badName: UnusableFiles { UnusableFiles("kid must have 1 to \(maxNameBytes) bytes") }
}

// MARK: - As JSON

extension TokenKey {
  fileprivate init(from reader: inout JSONReader) throws(JSONError) {
    var fields: [String: String] = [:]
    var operations: [String]?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "kty", "crv", "kid", "alg", "use", "x", "d", "k":
        guard fields.updateValue(try reader.string(), forKey: try key.string()) == nil else {
          throw reader.failure("a field is given twice")
        }
      case "key_ops":
        operations = []
        try reader.beginArray()
        while try reader.nextElement() { operations?.append(try reader.string()) }
      default: try reader.skip()
      }
    }
    guard let name = fields["kid"], name.isName(maxBytes: Self.maxNameBytes) else {
      throw reader.failure("a key needs a kid of 1 to \(Self.maxNameBytes) bytes")
    }
    let use = fields["use"] ?? "sig"
    guard ["sig", "verify"].contains(use) else { throw reader.failure("use must be sig, or verify") }
    let material: Material
    switch fields["kty"] {
    case "OKP":
      guard fields["crv"] == "Ed25519" else { throw reader.failure("crv must be Ed25519") }
      material = try Self.pair(fields, reader)
    case "oct":
      guard let bytes = fields["k"].flatMap({ Base64URL.bytes(of: $0) }), bytes.count >= Self.minSecretBytes else {
        throw reader.failure("k must be at least \(Self.minSecretBytes) bytes in base64url")
      }
      material = .secret(bytes)
    default: throw reader.failure("kty must be OKP or oct")
    }
    self.init(
      name: name, material: material,
      isRetired: use == "verify" || operations.map { !$0.contains("sign") } ?? false)
    guard fields["alg"] == algorithm.rawValue else { throw reader.failure("alg must be \(algorithm.rawValue)") }
  }

  private static func pair(_ fields: [String: String], _ reader: JSONReader) throws(JSONError) -> Material {
    guard let x = fields["x"].flatMap({ Base64URL.bytes(of: $0) }),
      let key = try? Curve25519.Signing.PublicKey(rawRepresentation: x)
    else { throw reader.failure("x must be 32 bytes in base64url") }
    guard let text = fields["d"] else { return .verifying(key) }
    guard let d = Base64URL.bytes(of: text),
      let own = try? Curve25519.Signing.PrivateKey(rawRepresentation: d),
      own.publicKey.rawRepresentation == key.rawRepresentation
    else { throw reader.failure("d must be the private key of x") }
    return .signing(own)
  }

  /// - Parameter isPublic: without what signs. Nothing, if that is all that there is.
  fileprivate func write(to writer: inout JSONWriter, isPublic: Bool) {
    let x: Curve25519.Signing.PublicKey
    switch material {
    case .secret(let bytes):
      if isPublic { return }
      writer.beginObject()
      writer.field("kty", word: "oct")
      writer.field("k", Base64URL.text(of: bytes))
      return finish(&writer, isPublic: isPublic)
    case .signing(let key): x = key.publicKey
    case .verifying(let key): x = key
    }
    writer.beginObject()
    writer.field("kty", word: "OKP")
    writer.field("crv", word: "Ed25519")
    writer.field("x", Base64URL.text(of: x.rawRepresentation))
    if !isPublic, case .signing(let key) = material { writer.field("d", Base64URL.text(of: key.rawRepresentation)) }
    finish(&writer, isPublic: isPublic)
  }

  private func finish(_ writer: inout JSONWriter, isPublic: Bool) {
    writer.field("kid", name)
    writer.field("alg", algorithm.rawValue)
    if isPublic { writer.field("use", word: "sig") } else if isRetired { writer.field("use", word: "verify") }
    writer.endObject()
  }
}

/// All keys of a JSON Web Key Set, in its order.
package struct TokenKeySet: Sendable {
  package private(set) var keys: [TokenKey]

  package init() { keys = [] }

  /// - Throws: what is wrong with the text. A key that cannot be used makes all of it unusable: else tokens would be
  ///   refused for a typing error, and nobody would know why.
  package init(_ text: [UInt8]) throws(UnusableFiles) {
    do throws(JSONError) {
      keys = try JSONReader.read(text) { reader throws(JSONError) in
        var keys: [TokenKey]?
        try reader.beginObject()
        while let key = try reader.nextKey() {
          switch key {
          case "keys" where keys == nil:
            var read: [TokenKey] = []
            try reader.beginArray()
            while try reader.nextElement() {
              let key = try TokenKey(from: &reader)
              guard !read.contains(where: { $0.name == key.name }) else {
                throw reader.failure("two keys have the kid \(key.name)")
              }
              read.append(key)
            }
            keys = read
          default: try reader.skip()
          }
        }
        guard let keys, !keys.isEmpty else { throw reader.failure("there are no keys") }
        return keys
      }
    } catch {
      throw UnusableFiles("this is no set of token keys: \(error.reason)")
    }
  }

  package subscript(name: String) -> TokenKey? { keys.first { $0.name == name } }

  package var names: [String] { keys.map(\.name) }

  /// The first that can sign does.
  package var signer: TokenKey? { keys.first { $0.canSign } }

  /// - Parameter isFirst: then it signs from now on, if it can.
  package mutating func add(_ key: TokenKey, isFirst: Bool = false) throws(UnusableFiles) {
    guard self[key.name] == nil else { throw UnusableFiles("there is a key \(key.name) already") }
    keys.insert(key, at: isFirst ? 0 : keys.count)
  }

  /// - Returns: whether it was there.
  package mutating func remove(_ name: String) -> Bool {
    let count = keys.count
    keys.removeAll { $0.name == name }
    return keys.count < count
  }

  /// With all secrets.
  package var text: [UInt8] { text(isPublic: false) }

  /// For everybody: what checks, and nothing that signs.
  package var publicText: [UInt8] { text(isPublic: true) }

  private func text(isPublic: Bool) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("keys")
    writer.beginArray()
    for key in keys { key.write(to: &writer, isPublic: isPublic) }
    writer.endArray()
    writer.endObject()
    return writer.bytes
  }
}

/// A file of token keys, which may be replaced while the process runs.
package typealias TokenKeyFile = ReplaceableFiles<TokenKeySet>

extension TokenKeyFile {
  package convenience init(keySet path: String) throws(UnusableFiles) {
    try self.init([path]) { contents throws(UnusableFiles) in
      do throws(UnusableFiles) {
        return try TokenKeySet(contents[0])
      } catch {
        throw UnusableFiles("\(path) cannot be used: \(error)")
      }
    }
  }
}
