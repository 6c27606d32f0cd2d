import Link
import Ordering
import RoomCore
import Rooms
import Store
import Synchronization
import Wire

/// Several nodes in this process, of which one at a time owns all slots, and what their gateway has heard of it.
final class TestOwners: RouteFinder {
  private struct State {
    /// Nil: the gateway knows of none.
    var heard: Int? = 0
    var misled = 0
    var onNews: @Sendable () -> Void = {}
  }

  private let registries: [RoomRegistry<OrderVoice>]
  private let carriers: [LocalCarrier<OrderVoice>]
  private let store: any RoomStore
  private let state = Mutex(State())

  init(_ registries: [RoomRegistry<OrderVoice>], in store: any RoomStore) {
    self.registries = registries
    self.store = store
    carriers = registries.map { LocalCarrier(to: $0) }
  }

  // MARK: What the gateway knows

  func carrier(for room: RoomID) -> (any RoomCarrier<OrderCommand>)? {
    state.withLock { $0.heard }.map { carriers[$0] }
  }

  func misled(about room: RoomID) { state.withLock { $0.misled += 1 } }

  /// How often the gateway found a room elsewhere than where it was said to be.
  var misledCount: Int { state.withLock { $0.misled } }

  /// Lets the gateway hear who the owner is.
  func tell(_ owner: Int?) {
    let onNews = state.withLock { state in
      state.heard = owner
      return state.onNews
    }
    onNews()
  }

  func onNews(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onNews = body } }

  // MARK: What happens

  /// Takes all slots, whoever has them; the last owner is not told.
  func claim(for node: Int) async throws {
    let claims = try await store.slots().map { SlotClaim(slot: $0.slot, expected: $0.epoch) }
    registries[node].gain(try await store.claim(claims, for: NodeID("node-\(node)")))
  }

  /// Lets go of all slots, in good order, and has another node claim them.
  func handOff(from old: Int, to new: Int) async throws {
    let given = await registries[old].handOff(Set(Slot.all)).epochs
    try await store.release(given)
    try await claim(for: new)
  }
}
