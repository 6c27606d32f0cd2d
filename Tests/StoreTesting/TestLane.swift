internal import Dispatch
internal import Store
internal import Synchronization

/// A lane that runs what is posted on a serial queue, and counts the posts.
package final class TestLane: CompletionLane {
  private static let key = DispatchSpecificKey<ObjectIdentifier>()

  private let queue = DispatchQueue(label: "test lane")
  private let count = Atomic<Int>(0)

  package init() {
    queue.setSpecific(key: Self.key, value: ObjectIdentifier(self))
  }

  package var posts: Int { count.load(ordering: .sequentiallyConsistent) }

  /// Whether the caller runs on this lane.
  package var isCurrent: Bool { DispatchQueue.getSpecific(key: Self.key) == ObjectIdentifier(self) }

  package func post(_ work: @escaping @Sendable () -> Void) {
    count.add(1, ordering: .sequentiallyConsistent)
    queue.async(execute: work)
  }
}
