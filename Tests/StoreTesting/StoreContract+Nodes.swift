internal import RoomCore
internal import Store
internal import Testing

extension StoreContract {
  static let nodes = [
    Sentence("a node that beats is found by all handles, with what it last said of itself") { harness in
      let (store, other) = (try await harness.open(), try await harness.open())
      #expect(try await store.nodes() == [])
      try await store.beat(NodeID("b"), address: "127.0.0.1:7001", pid: 4711)
      try await other.beat(NodeID("a"), address: "[::1]:7002", pid: 4712)
      try await other.beat(NodeID("Z"), address: "", pid: 1)
      for handle in [store, other] {
        let nodes = try await handle.nodes()
        #expect(nodes.map(\.node) == ["Z", "a", "b"].map { NodeID($0) })
        #expect(nodes.map(\.address) == ["", "[::1]:7002", "127.0.0.1:7001"])
        #expect(nodes.map(\.pid) == [1, 4712, 4711])
      }
      try await other.beat(NodeID("b"), address: "127.0.0.1:7009", pid: 4713)
      let again = try #require(try await store.nodes().last)
      #expect(again.address == "127.0.0.1:7009" && again.pid == 4713)
      for handle in [store, other] { await handle.close() }
    },
    Sentence("a node's age grows by the store's clock, and a heartbeat makes it small again") { harness in
      let store = try await harness.open()
      let (old, new) = (NodeID("old"), NodeID("new"))
      func ages() async throws -> [NodeID: Duration] {
        try await store.nodes().reduce(into: [:]) { $0[$1.node] = $1.age }
      }
      try await store.beat(old, address: "a", pid: 1)
      while try await ages()[old] ?? .zero < .milliseconds(30) { await Task.yield() }
      try await store.beat(new, address: "a", pid: 1)
      var found = try await ages()
      // Read in one statement, so the order of the heartbeats is that of the ages, however slow the machine.
      #expect(try #require(found[old]) >= #require(found[new]))
      #expect(found.values.allSatisfy { $0 >= .zero && $0 < .seconds(3600) })
      try await store.beat(old, address: "a", pid: 1)
      found = try await ages()
      #expect(try #require(found[old]) <= #require(found[new]))
      await store.close()
    },
    Sentence("a node that is forgotten is gone, and comes back with its next heartbeat") { harness in
      let store = try await harness.open()
      for name in ["a", "b"] { try await store.beat(NodeID(name), address: name, pid: 1) }
      try await store.forget(NodeID("a"))
      try await store.forget(NodeID("none"))
      #expect(try await store.nodes().map(\.node) == [NodeID("b")])
      try await store.beat(NodeID("a"), address: "a", pid: 2)
      #expect(try await store.nodes().map(\.pid) == [2, 1])
      await store.close()
    },
  ]
}
