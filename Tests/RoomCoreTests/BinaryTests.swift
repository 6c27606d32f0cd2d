import RoomCore
import Testing

@Suite("Bytes between processes")
struct BinaryTests {
  @Test(
    "a whole number comes back, in as few bytes as can be",
    arguments: [
      (0, 1), (1, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (UInt64(UInt32.max), 5), (.max >> 1, 9), (.max, 10),
    ] as [(UInt64, Int)])
  func unsigned(value: UInt64, sizeBytes: Int) throws {
    var writer = BinaryWriter()
    writer.write(value)
    #expect(writer.bytes.count == sizeBytes)
    var reader = BinaryReader(writer.bytes)
    #expect(try reader.unsigned() == value)
    try reader.end()
  }

  @Test("a signed number comes back", arguments: [0, -1, 1, -64, 64, .min, .max] as [Int64])
  func signed(value: Int64) throws {
    var writer = BinaryWriter()
    writer.write(signed: value)
    var reader = BinaryReader(writer.bytes)
    #expect(try reader.signed() == value)
  }

  @Test("everything else comes back, and nothing is left")
  func rest() throws {
    var writer = BinaryWriter()
    writer.write("zwölf")
    writer.write(bytes: [1, 2, 3])
    writer.write(true)
    writer.write(optional: "there") { $0.write($1) }
    writer.write(optional: nil as String?) { $0.write($1) }
    var reader = BinaryReader(writer.bytes)
    #expect(try reader.text() == "zwölf")
    #expect(try reader.content() == [1, 2, 3])
    #expect(try reader.flag())
    #expect(try reader.optional { (reader) throws(BinaryError) in try reader.text() } == "there")
    #expect(try reader.optional { (reader) throws(BinaryError) in try reader.text() } == nil)
    try reader.end()

    // Cut anywhere, it is an error and no crash.
    for length in 0..<writer.bytes.count {
      var reader = BinaryReader(writer.bytes.prefix(length))
      #expect(throws: BinaryError.self) {
        _ = try reader.text()
        _ = try reader.content()
        _ = try reader.flag()
        for _ in 0..<2 { _ = try reader.optional { (reader) throws(BinaryError) in try reader.text() } }
      }
    }
  }

  @Test("a length can be written when it is known, and what is last needs none")
  func openEnd() throws {
    var writer = BinaryWriter()
    for _ in 0..<5 { writer.write(byte: 9) }
    writer.overwrite(at: 1, bigEndian: 0x0102_03FF)
    writer.append([7, 8])
    #expect(writer.bytes == [9, 1, 2, 3, 0xFF, 7, 8])
    var reader = BinaryReader(writer.bytes)
    for _ in 0..<5 { _ = try reader.byte() }
    #expect(reader.remainder() == [7, 8])
    #expect(reader.remainder() == [])
    try reader.end()
  }

  @Test("what no writer writes is an error")
  func hostile() {
    func refuses(_ bytes: [UInt8], _ read: (inout BinaryReader) throws -> Void) {
      var reader = BinaryReader(bytes)
      #expect(throws: BinaryError.self, "\(bytes)") { try read(&reader) }
    }
    refuses([0x80, 0x00]) { _ = try $0.unsigned() }
    refuses(Array(repeating: 0xFF, count: 10)) { _ = try $0.unsigned() }
    refuses(Array(repeating: 0x80, count: 20)) { _ = try $0.unsigned() }
    refuses([2]) { _ = try $0.flag() }
    refuses([5, 1, 2]) { _ = try $0.content() }
    refuses([3, 1, 2, 3]) { _ = try $0.content(maxBytes: 2) }
    refuses([1, 0xFF]) { _ = try $0.text() }
    refuses([200, 1, 0]) { _ = try $0.count() }
    refuses([7]) { _ = try $0.int(in: 0...6) }
    refuses([0]) { try $0.end() }
  }
}
