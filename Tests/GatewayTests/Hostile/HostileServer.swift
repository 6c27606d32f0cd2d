import Testing

/// One server for all cases of a suite, which come at it several at a time, with a room in it that must not notice.
struct HostileServer: SuiteTrait, TestScoping {
  @TaskLocal private static var current: TestServer?

  /// Runs a case when it is its turn.
  static func visit(_ body: (TestServer) async throws -> Void) async throws {
    let server = try #require(current)
    await Turnstile.hostileCases.enter()
    let result: Result<Void, any Error>
    do { result = .success(try await body(server)) } catch { result = .failure(error) }
    await Turnstile.hostileCases.leave()
    try result.get()
  }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    try await withServer { server async throws in
      let canary = try await Canary(port: server.port)
      let singing = Task { try await canary.sing() }
      try await Self.$current.withValue(server) { try await function() }
      canary.stop()
      let song = try await singing.value
      try await canary.expectUnharmed(by: song)
      print("the canary of '\(test.displayName ?? test.name)': \(song)")
    }
  }
}

extension Trait where Self == HostileServer {
  static var hostileServer: HostileServer { HostileServer() }
}
