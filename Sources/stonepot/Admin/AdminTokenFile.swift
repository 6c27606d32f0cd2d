import ArgumentParser
import Foundation

/// A file that holds an admin token and nothing else.
enum AdminTokenFile {
  static func read(_ path: String) throws -> String {
    do {
      return try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    } catch {
      throw ValidationError("the admin token cannot be read from \(path): \(error.localizedDescription)")
    }
  }
}
