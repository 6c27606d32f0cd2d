import RoomCore
import Testing

/// RFC 4648 sections 5 and 10.
@Suite("Base64 for URLs")
struct Base64URLTests {
  @Test(
    "Bytes have one text, and it gives them back",
    arguments: [
      ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"),
      ("foobar", "Zm9vYmFy"), ("\u{fb}\u{ff}", "w7vDvw"), ("???>>>", "Pz8_Pj4-"),
    ])
  func vectors(bytes: String, text: String) {
    #expect(Base64URL.text(of: bytes.utf8) == text)
    #expect(Base64URL.bytes(of: text) == Array(bytes.utf8))
  }

  @Test(
    "What is no text of bytes is taken for none",
    arguments: ["A", "Zg==", "Zh", "Zm9", "Pz8/Pj4+", "Zm 8", "Zm8\n", "é", "Zm8="])
  func refusals(text: String) { #expect(Base64URL.bytes(of: text) == nil) }

  @Test("All bytes, at each place, come back")
  func all() {
    for length in 0..<6 {
      for byte in 0...UInt8.max {
        let bytes = Array(repeating: byte, count: length)
        #expect(Base64URL.bytes(of: Base64URL.text(of: bytes)) == bytes)
      }
    }
  }
}
