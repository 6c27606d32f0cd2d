internal import Foundation

/// The path of a file in a directory of its own, which goes when the test does.
package final class TemporaryFile: Sendable {
  package let directory: String
  package var path: String { directory + "/rooms.sqlite" }

  package init() throws {
    directory = FileManager.default.temporaryDirectory.path + "/stonepot-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  deinit {
    do {
      try FileManager.default.removeItem(atPath: directory)
    } catch {
      print("\(directory) stays behind: \(error)")
    }
  }
}
