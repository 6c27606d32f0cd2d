import NIOCore
import Service
import Testing

@Suite("Where webhooks may be sent")
struct AddressKindTests {
  private func kind(_ text: String) throws -> AddressKind {
    AddressKind(try #require(try SocketAddress(ipAddress: text, port: 0).addressBytes))
  }

  @Test(
    "what is reachable for everybody is global",
    arguments: [
      "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
      "128.0.0.0",
      "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0",
      "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2a00::1", "2001:200::1", "2001:db7::1",
      "2400:cb00::1", "::ffff:1.1.1.1", "64:ff9b::8.8.8.8", "2002:0808:0808::1",
    ])
  func global(text: String) throws { #expect(try kind(text) == .global) }

  @Test(
    "what is somebody's own is local, in whatever clothes it comes",
    arguments: [
      "10.0.0.0", "10.255.255.255", "127.0.0.1", "127.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.1",
      "192.168.255.255", "100.64.0.0", "100.127.255.255", "198.18.0.1", "198.19.255.255", "::1", "fc00::1", "fd12::1",
      "fdff:ffff::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:100.64.0.1", "64:ff9b::10.0.0.1",
      "64:ff9b::127.0.0.1", "2002:7f00:0001::", "2002:0a00:0001::1", "2002:c0a8:0101::1",
    ])
  func local(text: String) throws { #expect(try kind(text) == .local) }

  @Test(
    "what is nobody's, everybody's or the machine's own keeper's is unusable",
    arguments: [
      "0.0.0.0", "0.1.2.3", "169.254.0.1", "169.254.169.254", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.51.100.7",
      "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::2", "::7f00:1",
      "fe80::1", "febf::1", "fec0::1", "ff02::1", "ff0e::1", "2001::1", "2001:2::1", "2001:10::1", "2001:db8::1",
      "3fff::1", "100::1", "5f00::1", "64:ff9b:1::10.0.0.1", "::ffff:0.0.0.0", "::ffff:169.254.169.254",
      "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1", "2002:e000:0001::1", "4000::1", "e000::1",
    ])
  func unusable(text: String) throws { #expect(try kind(text) == .unusable) }
}
