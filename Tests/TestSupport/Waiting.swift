internal import Foundation

/// How long anything may take before a test gives up: 20 s, or as many as STONEPOT_TEST_PATIENCE says. No test asks
/// whether something was quick.
package let patience = Duration.seconds(
  ProcessInfo.processInfo.environment["STONEPOT_TEST_PATIENCE"].flatMap { Int($0) } ?? 20)

package struct GaveUp: Error, CustomStringConvertible {
  package let what: String

  package init(what: String) { self.what = what }

  package var description: String { "gave up waiting for \(what)" }
}

/// Waits for something that has no event to wait for, by looking again and again.
package func eventually(_ what: String, _ isSo: () async throws -> Bool) async throws {
  let deadline = ContinuousClock.now.advanced(by: patience)
  while try await !isSo() {
    guard ContinuousClock.now < deadline else { throw GaveUp(what: what) }
    try await Task.sleep(for: .milliseconds(2))
  }
}
