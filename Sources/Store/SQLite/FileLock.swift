internal import Foundation
internal import Synchronization

/// An advisory lock on a file beside the store's own, which the kernel lets go when the process ends, however it ends.
///
/// SQLite's own locks last for a transaction; this one lasts as long as the store is open, so that a second server on
/// the same file is refused at its start rather than found out by its writes. The file stays: deleting it would let
/// two processes hold locks on two files of one name.
final class FileLock: Sendable {
  enum Kind { case exclusive, shared }

  private static let noteBytes = 4096

  private let descriptor: Mutex<Int32>

  init(path: String, kind: Kind) throws(StoreError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw .unavailable("cannot create the lock file \(path): \(String(cString: strerror(errno)))")
    }
    do throws(StoreError) {
      try Self.lock(descriptor, path: path, kind: kind)
    } catch {
      Foundation.close(descriptor)
      throw error
    }
    self.descriptor = Mutex(descriptor)
  }

  func release() {
    descriptor.withLock { descriptor in
      guard descriptor >= 0 else { return }
      Foundation.close(descriptor)
      descriptor = -1
    }
  }

  deinit { release() }

  private static func lock(_ descriptor: Int32, path: String, kind: Kind) throws(StoreError) {
    // Sharers never ask for more than they need, not even for a moment: two that start at once would be in each
    // other's way.
    if flock(descriptor, (kind == .exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 {
      // The names of earlier holders go when they may, or when they are too many.
      if kind == .exclusive || lseek(descriptor, 0, SEEK_END) > noteBytes / 2 { ftruncate(descriptor, 0) }
      note(descriptor)
      return
    }
    let store = path.hasSuffix(".lock") ? String(path.dropLast(5)) : path
    throw .refused("\(store) is in use by \(holders(descriptor)); stop it")
  }

  private static func note(_ descriptor: Int32) {
    lseek(descriptor, 0, SEEK_END)
    let line = Array("\(getpid())\n".utf8)
    _ = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
  }

  private static func holders(_ descriptor: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: noteBytes)
    let count = buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    let pids = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).split(separator: "\n").compactMap {
      Int32($0)
    }
    let alive = Set(pids.filter { kill($0, 0) == 0 || errno == EPERM }).sorted()
    return switch alive.count {
    case 0: "another process"
    case 1: "the process \(alive[0])"
    default: "the processes \(alive.map(String.init).joined(separator: ", "))"
    }
  }
}
