internal import Foundation

/// Who keeps the others from writing, as far as the kernel tells: for a message that says what to look at.
enum WriteLockHolder {
  /// Where a writer locks the index of the write-ahead log (https://www.sqlite.org/walformat.html#locks).
  private static let writeLockByte = "120"

  /// The process that holds the write lock of the file at `path`; nil if none does, or it cannot be seen.
  ///
  /// The index is not opened for it: closing any of a process's descriptors on a file lets go of all its locks on that
  /// file, SQLite's own among them.
  static func pid(of path: String) -> Int32? {
    var status = stat()
    guard stat(path + "-shm", &status) == 0, let text = FileManager.default.contents(atPath: "/proc/locks") else {
      return nil
    }
    let inode = ":\(status.st_ino)"
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
      // As in `1: POSIX  ADVISORY  WRITE 4711 fe:00:131 120 120`: process, device and inode, first and last byte.
      let words = line.split(separator: " ")
      guard words.count == 8, words[3] == "WRITE", words[5].hasSuffix(inode), words[6] == writeLockByte else {
        continue
      }
      if let pid = Int32(words[4]), pid > 0 { return pid }
    }
    return nil
  }
}
