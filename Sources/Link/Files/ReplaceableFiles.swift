import Foundation
import Synchronization

/// Why files cannot be used.
package struct UnusableFiles: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

/// What became of a look at files.
package enum FileReloading: Equatable, Sendable {
  /// They are as they were when they were last looked at, usable or not.
  case unchanged
  case replaced
  /// What there was before is used on.
  case refused(UnusableFiles)
}

/// What is made of files that may be replaced while the process runs: certificates, secrets.
///
/// Reading and parsing block: make one, and reload it, off the event loops.
package final class ReplaceableFiles<Value: Sendable>: Sendable {
  private let paths: [String]
  private let parse: @Sendable ([[UInt8]]) throws(UnusableFiles) -> Value
  private let current: Mutex<Value>
  /// Locked while files are read and parsed, so that two reloads cannot overtake one another.
  private let seen: Mutex<Result<[[UInt8]], UnusableFiles>>

  /// - Parameter parse: is given what is in each file.
  package init(
    _ paths: [String], parse: @escaping @Sendable ([[UInt8]]) throws(UnusableFiles) -> Value
  ) throws(UnusableFiles) {
    self.paths = paths
    self.parse = parse
    let contents = try Self.read(paths)
    current = Mutex(try parse(contents))
    seen = Mutex(.success(contents))
  }

  /// Of what was last there that could be used.
  package var value: Value { current.withLock { $0 } }

  /// Looks at the files, and uses what is new in them if it can be used.
  package func reload() -> FileReloading {
    seen.withLock { seen in
      let contents = Result { () throws(UnusableFiles) in try Self.read(paths) }
      guard contents != seen else { return .unchanged }
      seen = contents
      do throws(UnusableFiles) {
        let new = try parse(try contents.get())
        current.withLock { $0 = new }
        return .replaced
      } catch {
        return .refused(error)
      }
    }
  }

  private static func read(_ paths: [String]) throws(UnusableFiles) -> [[UInt8]] {
    var contents: [[UInt8]] = []
    for path in paths {
      do {
        contents.append([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
      } catch {
        throw UnusableFiles("\(path) cannot be read: \(error.localizedDescription)")
      }
    }
    return contents
  }
}
