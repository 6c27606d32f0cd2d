import Crypto
import Dispatch
import Foundation
import RoomCore

/// What a client says before it is let in: a target in the first line, a token in the second, and the claims of a token
/// that is signed as it should be in the rest.
///
/// A target leads to one room or to none. A query is what its bytes say. A token that opens a room names the room, a
/// participant and an end.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let lines = bytes(start, count).split(separator: UInt8(ascii: "\n"), maxSplits: 2, omittingEmptySubsequences: false)
  let target = String(decoding: lines[0], as: UTF8.self)
  let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
  checkRoute(parts.first ?? "")
  if parts.count > 1 { checkQuery(parts[1]) }
  if lines.count > 1 { _ = verify(String(decoding: lines[1], as: UTF8.self)) }
  if lines.count > 2 { checkClaims(Array(lines[2])) }
  return 0
}

private func checkRoute(_ path: Substring) {
  let plain = RoomRoute(path: path, servesEcho: false)
  let withEcho = RoomRoute(path: path, servesEcho: true)
  promise(plain == withEcho || (plain == nil && withEcho == .echo), "\(path) leads elsewhere where there is an echo")
  promise(withEcho == nil || path.hasPrefix("/party/") || path.hasPrefix("/parties/"), "\(path) leads to a room")
  guard let plain else { return }
  guard case .room(let named) = plain else { fatalError("\(path) is an echo where there is none") }
  promise(RoomID(named.name) == named, "\(named) is no room's name")
  let paths = ["/party/\(named)", "/party/main/\(named)", "/parties/main/\(named)/more"]
  for path in paths {
    promise(RoomRoute(path: Substring(path), servesEcho: true) == plain, "\(path) is another room than \(named)")
  }
}

/// Reads the query once more, byte by byte.
private func checkQuery(_ text: Substring) {
  let query = Query(text)
  var expected: [String: String] = [:]
  for pair in Array(text.utf8).split(separator: UInt8(ascii: "&")) {
    let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
    guard let name = decoded(parts[0]) else { continue }
    let value = parts.count > 1 ? decoded(parts[1].map { $0 == UInt8(ascii: "+") ? UInt8(ascii: " ") : $0 }[...]) : ""
    if let value, expected[name] == nil { expected[name] = value }
  }
  for (name, value) in expected {
    promise(query[name] == value, "\(name) is \(query[name] ?? "nothing"), not \(value)")
  }
  for name in ["token", "since", "v", "_pk"] {
    promise(query[name] == expected[name], "\(name) is \(query[name] ?? "nothing")")
  }
}

/// - Returns: nil if a `%` is not followed by two hexadecimal digits, or if the bytes are not UTF-8.
private func decoded(_ text: ArraySlice<UInt8>) -> String? {
  var result: [UInt8] = []
  var rest = text
  while let byte = rest.popFirst() {
    guard byte == UInt8(ascii: "%") else {
      result.append(byte)
      continue
    }
    guard rest.count >= 2, let high = digit(rest.removeFirst()), let low = digit(rest.removeFirst()) else { return nil }
    result.append(high << 4 | low)
  }
  return String(validating: result, as: UTF8.self)
}

private func digit(_ byte: UInt8) -> UInt8? {
  Character(UnicodeScalar(byte)).isASCII ? Character(UnicodeScalar(byte)).hexDigitValue.map(UInt8.init) : nil
}

// MARK: - Tokens

private let secret = "a secret that is only for fuzzing"

private let tokens = must("making a verifier") { try wait { try await RoomTokens(secret: secret) }.get() }

private func verify(_ token: String) -> TokenIdentity? {
  try? wait { try await tokens.verify(token, for: room) }.get()
}

private func checkClaims(_ claims: [UInt8]) {
  let header = base64URL(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8))
  let signed = "\(header).\(base64URL(claims))"
  let code = HMAC<SHA256>.authenticationCode(for: Data(signed.utf8), using: SymmetricKey(data: Data(secret.utf8)))
  guard let identity = verify("\(signed).\(base64URL(Array(code)))") else { return }
  promise(identity.participant.isWellFormed, "a participant without a name")
  // It does not take all that the decoder takes: raw control characters in strings, for instance.
  guard let read = try? JSONSerialization.jsonObject(with: Data(claims)) as? [String: Any] else { return }
  promise(read["room"] as? String == room.name, "a token for \(read["room"] ?? "no room") opens \(room)")
  promise(read["sub"] as? String == identity.participant.value, "a token opens for \(identity.participant)")
  promise(read["tenant"] as? String == identity.tenant, "a token is for the tenant \(identity.tenant ?? "nobody")")
  promise((read["exp"] as? Double ?? 0) > 1_700_000_000, "a token without an end opens \(room)")
}

private func base64URL(_ bytes: [UInt8]) -> String {
  Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}

/// Waits for what is asynchronous: a run of the fuzzer is not.
private func wait<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) -> Result<Value, any Error> {
  let done = DispatchSemaphore(value: 0)
  let result = Outcome<Value>()
  Task {
    do { result.value = .success(try await body()) } catch { result.value = .failure(error) }
    done.signal()
  }
  done.wait()
  return result.value ?? .failure(CancellationError())
}

/// Written before the semaphore is signalled, and read after.
private final class Outcome<Value>: @unchecked Sendable {
  var value: Result<Value, any Error>?
}
