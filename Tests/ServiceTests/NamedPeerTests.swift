import Testing

@testable import Service

@Suite("Names in certificates")
struct NamedPeerTests {
  @Test(
    "a name is its own, whatever its case, and a star stands for one label",
    arguments: [
      ("hooks.test", "hooks.test"), ("HOOKS.test", "hooks.TEST"), ("hooks.test", "hooks.test."),
      ("*.a.test", "x.a.test"),
      ("*.A.test", "X.a.test"),
    ])
  func same(pattern: String, host: String) { #expect(NamedPeer.isName(pattern, of: host)) }

  @Test(
    "another name is another's",
    arguments: [
      ("hooks.test", "hook.test"), ("hooks.test", "a.hooks.test"), ("*.a.test", "a.test"), ("*.a.test", "y.x.a.test"),
      ("*.test", "hooks.test"), ("*", "test"), ("*.", "test."), ("h*.a.test", "hooks.a.test"), ("", "hooks.test"),
      ("*.a.test", ".a.test"), ("a.test\0", "a.test"),
    ])
  func other(pattern: String, host: String) { #expect(!NamedPeer.isName(pattern, of: host)) }
}
