import Synchronization

/// A value that one task sets and others wait for.
final class Promised<Value: Sendable>: Sendable {
  private struct State {
    var value: Value?
    var waiting: [UnsafeContinuation<Value, Never>] = []
  }

  private let state = Mutex(State())

  func fulfil(_ value: Value) {
    let waiting = state.withLock { state in
      guard state.value == nil else { return [UnsafeContinuation<Value, Never>]() }
      state.value = value
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume(returning: value) }
  }

  var isFulfilled: Bool { state.withLock { $0.value != nil } }

  var value: Value {
    get async {
      await withUnsafeContinuation { continuation in
        let value = state.withLock { state in
          if state.value == nil { state.waiting.append(continuation) }
          return state.value
        }
        if let value { continuation.resume(returning: value) }
      }
    }
  }
}

/// Lets a bounded number of tests through at a time: all of them at once would only stand in one another's way.
actor Turnstile {
  static let servers = Turnstile(4)
  static let processes = Turnstile(2)
  /// Those of one suite, which share a server.
  static let hostileCases = Turnstile(4)

  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  private init(_ count: Int) { free = count }

  func enter() async {
    if free > 0 {
      free -= 1
    } else {
      await withCheckedContinuation { waiting.append($0) }
    }
  }

  func leave() {
    if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
  }
}
