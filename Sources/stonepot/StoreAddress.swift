import ArgumentParser
import Directory
import Foundation
import RoomCore
import Store

/// Where the rooms live, as `--store` says it.
enum StoreAddress: CustomStringConvertible {
  case sqlite(path: String)
  case postgres(url: String)

  static let form = "sqlite:PATH or postgres://…"

  init(_ text: String) throws {
    let sqlite = "sqlite:"
    if text.hasPrefix(sqlite), text.count > sqlite.count {
      self = .sqlite(path: String(text.dropFirst(sqlite.count)))
    } else if text.hasPrefix("postgres://") || text.hasPrefix("postgresql://") {
      self = .postgres(url: text)
    } else {
      throw ValidationError("--store must be \(Self.form)")
    }
  }

  /// As it may be shown to others.
  var description: String {
    switch self {
    case .sqlite(let path): path
    case .postgres(let url): Self.masking(url)
    }
  }

  /// The same text without its passwords, whatever else is wrong with it.
  static func masking(_ text: String) -> String {
    guard let start = text.range(of: "://")?.upperBound else { return text }
    var text = text
    // Up to the last `@`: a password may have one that nobody has escaped.
    let authority = text[start...].prefix { $0 != "/" && $0 != "?" }
    if let at = authority.lastIndex(of: "@"), let colon = authority[..<at].firstIndex(of: ":") {
      text.replaceSubrange(text.index(after: colon)..<at, with: "********")
    }
    return text.replacing(/(?i)([?&](?:ssl)?password=)[^&]*/) { "\($0.output.1)********" }
  }

  /// Opens the store, and makes it if it is not there.
  ///
  /// - Parameter isShared: whether other nodes of the cluster use the same file.
  func open(
    cluster: String, isShared: Bool, historyChanged: @escaping @Sendable (StoreIdentity) -> Void
  ) async throws -> any RoomStore & RecordStore {
    switch self {
    case .sqlite(let path):
      let directory = URL(fileURLWithPath: path).deletingLastPathComponent()
      do {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
      } catch {
        throw StartFailure(message: "the folder \(directory.path) cannot be made: \(error.localizedDescription)")
      }
      var configuration = SQLiteConfiguration(
        path: path, cluster: cluster, history: randomName(), mode: isShared ? .shared : .exclusive)
      configuration.records = DirectorySchema.migrations
      return try await SQLiteStore.open(configuration)
    case .postgres(let url):
      var configuration = PostgresConfiguration(url: url, cluster: cluster, history: randomName())
      configuration.historyChanged = historyChanged
      configuration.records = DirectorySchema.migrations
      return try await PostgresStore.open(configuration)
    }
  }

  /// Opens the store for looking in, which changes nothing, or for writing while no server runs.
  func open(cluster: String, forWriting isWriter: Bool) async throws(StoreError) -> any RoomStore {
    switch self {
    case .sqlite(let path):
      return try await SQLiteStore.open(
        SQLiteConfiguration(
          path: path, cluster: cluster, history: randomName(), mode: isWriter ? .exclusive : .readOnly))
    case .postgres(let url):
      var configuration = PostgresConfiguration(url: url, cluster: cluster, history: randomName())
      configuration.migrates = isWriter
      return try await PostgresStore.open(configuration)
    }
  }
}
