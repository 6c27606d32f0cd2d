import Foundation
import ServiceTesting
import TestSupport
import Testing

/// A folder that goes when its last user does.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/service-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      print("\(path) stays behind: \(error)")
    }
  }

  func file(_ name: String) -> String { path + "/" + name }
}

/// What a program that ends soon writes.
func output(of path: String, _ arguments: [String]) async throws -> String {
  let program = try Program(path, arguments)
  let (exit, output, errors) = await withCheckedContinuation { continuation in
    Thread.detachNewThread {
      let output = program.output.readDataToEndOfFile()
      let errors = program.errors.readDataToEndOfFile()
      continuation.resume(returning: (program.wait(), output, errors))
    }
  }
  try #require(exit == .code(0), "\(path): \(String(decoding: errors, as: UTF8.self))")
  return String(decoding: output, as: UTF8.self)
}

/// Signatures, computed by a program that shares no code with what made them.
enum SignatureCheck {
  private static let script = """
    import base64, hashlib, hmac, json, sys
    for line in open(sys.argv[1]):
        request = json.loads(line)
        body = base64.b64decode(request["body"])
        signed = (request["id"] + "." + request["timestamp"] + ".").encode() + body
        keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in request["secrets"]]
        wanted = ["v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
        print("good" if request["signature"].split(" ") == wanted else "bad")
    """

  /// - Parameter secrets: those that each request must be signed with, in order, and no others.
  static func allGood(_ requests: [Receiver.Request], _ secrets: [String]) async throws -> Bool {
    let folder = try TemporaryFolder()
    var lines = Data()
    for request in requests {
      let fields: [String: Any] = [
        "id": request.headers["webhook-id"] ?? "", "timestamp": request.headers["webhook-timestamp"] ?? "",
        "signature": request.headers["webhook-signature"] ?? "", "body": Data(request.body).base64EncodedString(),
        "secrets": secrets,
      ]
      lines += try JSONSerialization.data(withJSONObject: fields) + Data("\n".utf8)
    }
    try lines.write(to: URL(fileURLWithPath: folder.file("requests")))
    let verdicts = try await output(of: "/usr/bin/python3", ["-c", script, folder.file("requests")]).split(
      separator: "\n")
    return verdicts.count == requests.count && verdicts.allSatisfy { $0 == "good" }
  }
}

/// An authority, and certificates that it has signed.
struct TestAuthority: Sendable {
  private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

  private let folder: TemporaryFolder
  var file: String { folder.file("ca.pem") }

  static func make() async throws -> TestAuthority {
    let made = TestAuthority(folder: try TemporaryFolder())
    _ = try await output(
      of: "/usr/bin/openssl",
      ["req", "-x509"] + newKey
        + ["-days", "2", "-keyout", made.folder.file("ca.key"), "-out", made.file, "-subj", "/CN=authority"])
    return made
  }

  /// - Parameter name: as `DNS:hooks.test`.
  func certificate(for name: String) async throws -> (certificate: String, key: String) {
    let word = name.replacing(":", with: "-")
    let (request, names) = (folder.file("\(word).csr"), folder.file("\(word).ext"))
    let (certificate, key) = (folder.file("\(word).pem"), folder.file("\(word).key"))
    try "subjectAltName=\(name)\n".write(toFile: names, atomically: true, encoding: .utf8)
    _ = try await output(
      of: "/usr/bin/openssl", ["req"] + Self.newKey + ["-keyout", key, "-out", request, "-subj", "/CN=receiver"])
    _ = try await output(
      of: "/usr/bin/openssl",
      [
        "x509", "-req", "-in", request, "-CA", file, "-CAkey", folder.file("ca.key"), "-CAcreateserial", "-days", "2",
        "-extfile", names, "-out", certificate,
      ])
    return (certificate, key)
  }
}
