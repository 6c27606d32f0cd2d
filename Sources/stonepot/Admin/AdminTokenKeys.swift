import ArgumentParser
import Foundation
import Gateway
import Link
import SystemPackage

/// `admin token-keys`: works on a file, and asks nobody.
struct AdminTokenKeys: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token-keys", abstract: "Make and rotate the keys of room tokens, in a file for --token-keys.",
    discussion: """
      To rotate: have a new key in all processes' files, behind the others (new --file); then before them, so that it \
      signs (use); and when the last token of the old key has expired, take that one out (remove).

      Example: stonepot admin token-keys new --alg EdDSA --kid 2027-01 --file token-keys.json
      """,
    subcommands: [NewTokenKey.self, UseTokenKey.self, RemoveTokenKey.self])
}

extension TokenKey.Algorithm: ExpressibleByArgument {}

private struct NewTokenKey: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "Draw a key, and print a set with it, or add it to a file.",
    discussion: "Example: stonepot admin token-keys new --alg EdDSA --kid 2027-01 > token-keys.json")

  @Option(help: "EdDSA: whoever checks needs no secret; HS256: one secret for both.")
  var alg: TokenKey.Algorithm

  @Option(help: "The key's name.")
  var kid: String

  @Option(help: ArgumentHelp("Add it to this file, which is made if it is not there.", valueName: "path"))
  var file: String?

  @Flag(help: "Put it before the others, so that it signs.")
  var first = false

  func run() throws {
    let key = try TokenKey(drawing: alg, name: kid)
    guard let file else {
      var set = TokenKeySet()
      try set.add(key)
      return print(String(decoding: set.text, as: UTF8.self))
    }
    try KeySetFile(path: file).change(mayBeNew: true) { set in try set.add(key, isFirst: first) }
  }
}

private struct UseTokenKey: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "use", abstract: "Put a key before the others, so that it signs.",
    discussion: "Example: stonepot admin token-keys use --kid 2027-01 --file token-keys.json")

  @Option(help: "The key's name.")
  var kid: String

  @Option(help: ArgumentHelp("The file.", valueName: "path"))
  var file: String

  func run() throws {
    try KeySetFile(path: file).change { set in
      guard let key = set[kid], set.remove(kid) else { throw StartFailure(message: "there is no key \(kid)") }
      guard key.canSign else { throw StartFailure(message: "the key \(kid) cannot sign") }
      try set.add(key, isFirst: true)
    }
  }
}

private struct RemoveTokenKey: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Take a key out: its tokens are good no more.",
    discussion: "Example: stonepot admin token-keys remove --kid 2026-07 --file token-keys.json")

  @Option(help: "The key's name.")
  var kid: String

  @Option(help: ArgumentHelp("The file.", valueName: "path"))
  var file: String

  func run() throws {
    try KeySetFile(path: file).change { set in
      guard set.remove(kid) else { throw StartFailure(message: "there is no key \(kid)") }
      guard !set.keys.isEmpty else { throw StartFailure(message: "\(kid) is the last key: add another one before") }
    }
  }
}

/// A file of token keys that is changed as a whole: whoever reads it sees it before, or afterwards.
private struct KeySetFile {
  let path: String

  func change(mayBeNew: Bool = false, _ body: (inout TokenKeySet) throws -> Void) throws {
    let url = URL(fileURLWithPath: path)
    var set = TokenKeySet()
    var mode: Any = 0o600
    if FileManager.default.fileExists(atPath: path) {
      set = try TokenKeySet(Array(try Data(contentsOf: url)))
      mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] ?? mode
    } else if !mayBeNew {
      throw StartFailure(message: "there is no file \(path)")
    }
    try body(&set)
    let new = url.deletingLastPathComponent().appendingPathComponent(".\(url.lastPathComponent).\(randomName())")
    // Nobody else may read it at any time, nor before it has the rights of the one that it replaces.
    let descriptor = try FileDescriptor.open(
      FilePath(new.path), .writeOnly, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
    _ = try descriptor.closeAfter { try descriptor.writeAll(set.text + Array("\n".utf8)) }
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: new.path)
    guard rename(new.path, path) == 0 else {
      let reason = String(cString: strerror(errno))
      try FileManager.default.removeItem(at: new)
      throw StartFailure(message: "\(path) cannot be replaced: \(reason)")
    }
  }
}
