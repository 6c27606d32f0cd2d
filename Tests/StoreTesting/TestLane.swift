internal import Dispatch
internal import Store
internal import Synchronization

/// A lane that runs what is posted on a serial queue, and counts the posts.
package final class TestLane: CompletionLane {
  private static let key = DispatchSpecificKey<ObjectIdentifier>()

  private let queue = DispatchQueue(label: "test lane")
  private let count = Atomic<Int>(0)
  private let isTelling = Atomic<Bool>(false)
  private let tellingCount = Atomic<Int>(0)

  package init() {
    queue.setSpecific(key: Self.key, value: ObjectIdentifier(self))
  }

  package var posts: Int { count.load(ordering: .sequentiallyConsistent) }

  /// The posts in which `tell` was called; a store may have other uses for posts.
  package var tellingPosts: Int { tellingCount.load(ordering: .sequentiallyConsistent) }

  /// Called on the lane by whoever is told an outcome.
  package func tell() { isTelling.store(true, ordering: .sequentiallyConsistent) }

  /// Whether the caller runs on this lane.
  package var isCurrent: Bool { DispatchQueue.getSpecific(key: Self.key) == ObjectIdentifier(self) }

  package func post(_ work: @escaping @Sendable () -> Void) {
    count.add(1, ordering: .sequentiallyConsistent)
    queue.async {
      work()
      if self.isTelling.exchange(false, ordering: .sequentiallyConsistent) {
        self.tellingCount.add(1, ordering: .sequentiallyConsistent)
      }
    }
  }
}
