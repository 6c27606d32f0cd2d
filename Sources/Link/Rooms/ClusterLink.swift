import CoreMetrics
public import RoomCore
public import Rooms
import Synchronization

/// The way to rooms that move between nodes.
///
/// For each room in which this gateway has sessions there is a route, and for each owner that the room has had since, a
/// leg of it. What an owner says comes through its leg, and passes only while that leg is the last: a deposed owner, or
/// one whose connection is slow to die, is not heard any more. When the owner is lost, the route looks for the next one,
/// and the sessions are told to open again. From then until a session has done so, whatever else it sends is dropped
/// here: it keeps its operations until they are settled, and sends them again behind its opening.
///
/// So nothing is kept here but who is where. What was seen, and what has had no answer, is each session's to know.
///
/// What was seen is worth something within one history of the store only. If the next owner's store has another one, the
/// sessions are closed, and their clients come back for the whole state.
public final class ClusterLink<Command: RoomCommand>: RoomLink {
  fileprivate final class Route: Sendable {
    struct State {
      /// Sessions in the room, and whether each has opened on the present leg.
      var sessions: [SessionNumber: Bool] = [:]
      var leg: Leg<Command>?
      /// The history of the store at the last leg that there was.
      var history: String?
      /// Looks since a session last stood on firm ground.
      var attempts = 0
      /// Whether a look is due. There is no leg then.
      var isLooking = false

      /// Takes the leg away, and every session with it.
      ///
      /// - Returns: who was open on it.
      mutating func loseLeg() -> [SessionNumber] {
        let open = sessions.filter(\.value).map(\.key)
        history = leg?.history ?? history
        leg = nil
        for session in open { sessions[session] = false }
        return open
      }
    }

    let room: RoomID
    let audience: any RoomSubscriber
    let state = Mutex(State())
    /// The number of the leg that is heard. Held while something is passed on, so that nothing of an old leg comes behind
    /// the word that it is over. What is said under it may send, but must not look for an owner or give up on the spot.
    let heard = Mutex(0)

    init(room: RoomID, audience: any RoomSubscriber) {
      self.room = room
      self.audience = audience
    }
  }

  private let finder: any RouteFinder<Command>
  private let scheduler: any LinkScheduler
  private let settings: LinkSettings
  private let metrics = LinkMetrics()
  private let routes = Mutex(RoomTable<Route>())

  public init(
    finder: any RouteFinder<Command>, scheduler: any LinkScheduler, settings: LinkSettings = LinkSettings()
  ) {
    self.finder = finder
    self.scheduler = scheduler
    self.settings = settings
  }

  public var movesRooms: Bool { true }

  // MARK: - From sessions to rooms

  public func open(_ opening: SessionOpening, in room: RoomID, from audience: any RoomSubscriber) -> Int {
    let route = route(to: room, for: audience, opening: opening.session)
    let leg = route.state.withLock { state -> Leg<Command>? in
      guard let leg = state.leg else { return nil }
      state.sessions[opening.session] = true
      return leg
    }
    guard let leg else {
      look(for: route)
      return 0
    }
    _ = leg.send(.open(opening.valid(in: leg.history)))
    return leg.number
  }

  public func send(
    _ request: RoomRequest<Command>, to room: RoomID, from audience: any RoomSubscriber
  ) -> Admission {
    switch request {
    case .open(let opening):
      _ = open(opening, in: room, from: audience)
      return .taken
    case .close(let session): return close(session, request, in: room)
    case .operation(_, let session, _), .relay(_, _, let session), .resync(let session):
      guard let leg = route(to: room)?.leg(openFor: session) else { return .taken }
      return leg.send(request)
    }
  }

  private func close(_ session: SessionNumber, _ request: RoomRequest<Command>, in room: RoomID) -> Admission {
    let leg = routes.withLock { routes -> Leg<Command>? in
      guard let route = routes[room] else { return nil }
      return route.state.withLock { state in
        let wasOpen = state.sessions.removeValue(forKey: session) ?? false
        if state.sessions.isEmpty { routes[room] = nil }
        return wasOpen ? state.leg : nil
      }
    }
    return leg?.send(request) ?? .taken
  }

  private func route(to room: RoomID) -> Route? { routes.withLock { $0[room] } }

  /// The room's route, with the session on it.
  private func route(to room: RoomID, for audience: any RoomSubscriber, opening session: SessionNumber) -> Route {
    routes.withLock { routes in
      let route: Route
      if let known = routes[room], known.audience === audience {
        route = known
      } else {
        route = Route(room: room, audience: audience)
        routes[room] = route
      }
      route.state.withLock { $0.sessions[session] = $0.sessions[session] ?? false }
      return route
    }
  }

  // MARK: - From rooms to sessions

  /// Passes on what an owner says, if it is the one that is listened to.
  fileprivate func deliver(_ output: RoomOutput, from leg: Leg<Command>) {
    guard let route = leg.route else { return }
    var items = output.items[...]
    var ending: RoomEnding?
    if case .ended(let reason)? = items.last {
      ending = reason
      items.removeLast()
    }
    if !items.isEmpty {
      route.heard.withLock { number in
        if number == leg.number {
          route.audience.deliver(RoomOutput(epoch: output.epoch, items: Array(items), owner: number))
        }
      }
      if ending == nil, items.contains(where: { $0.openedSession != nil }) { route.state.withLock { $0.attempts = 0 } }
    }
    guard let ending, route.state.withLock({ $0.leg === leg }) else { return }
    switch ending {
    case .crowded: scheduler.run(after: .zero) { self.giveUp(route, .crowded) }
    case .moved:
      finder.misled(about: route.room)
      lose(leg)
    // It is where it should be, and cannot be served now.
    case .unavailable: lose(leg)
    }
  }

  /// The node that a leg leads to does not serve the room, or cannot be reached any more.
  fileprivate func lose(_ leg: Leg<Command>) {
    guard let route = leg.route else { return }
    let isPresent = route.state.withLock { state in
      guard state.leg === leg else { return false }
      _ = state.loseLeg()
      return true
    }
    guard isPresent else { return }
    metrics.losses.increment()
    look(for: route)
  }

  /// All that leads through a carrier is lost.
  public func lost(_ carrier: any RoomCarrier<Command>) {
    let legs = routes.withLock { routes in
      routes.values.compactMap { route in route.state.withLock { $0.leg } }.filter { $0.carrier === carrier }
    }
    for leg in legs { lose(leg) }
  }

  /// Something about the owners of these slots has changed: whoever looks for one need not wait, and whoever is at another
  /// goes to the present one. The old owner would say so, too; but it may be cut off, or wait for a store that it does
  /// not reach.
  public func ownersChanged(in slots: some Sequence<Slot> = Slot.all) {
    let concerned = routes.withLock { $0.values(in: slots) }
    for route in concerned {
      let (isLooking, leg) = route.state.withLock { ($0.isLooking, $0.leg) }
      if isLooking {
        scheduler.run(after: .zero) { self.find(route, isExtra: true) }
      } else if let leg, let carrier = finder.carrier(for: route.room), carrier !== leg.carrier {
        lose(leg)
      }
    }
  }

  // MARK: - Looking for owners

  private func look(for route: Route) {
    let delay = route.state.withLock { state -> Duration? in
      guard state.leg == nil, !state.isLooking else { return nil }
      state.isLooking = true
      return settings.delay(before: state.attempts)
    }
    if let delay { scheduler.run(after: delay) { self.find(route) } }
  }

  /// - Parameter isExtra: whether another look is due all the same.
  private func find(_ route: Route, isExtra: Bool = false) {
    guard routes.withLock({ $0[route.room] === route }) else { return }
    let carrier = finder.carrier(for: route.room)
    if carrier == nil, isExtra { return }
    let attempts = route.state.withLock { state -> Int? in
      guard state.isLooking else { return nil }
      if carrier == nil { state.attempts += 1 }
      return state.attempts
    }
    guard let attempts else { return }
    if attempts > settings.maxAttempts { return giveUp(route, .unavailable) }
    guard let carrier else {
      scheduler.run(after: settings.delay(before: attempts)) { self.find(route) }
      return
    }
    // What the new leg brings has to wait until all have been told of it: a session that is still at the last owner must
    // not see a change of the next one before it has gone there.
    route.heard.withLock { number in
      let leg = Leg(number: number + 1, to: carrier, on: route, of: self)
      let finding = route.state.withLock { state -> Finding in
        guard state.isLooking else { return .late }
        state.isLooking = false
        if let known = state.history, let next = leg.history, known != next {
          // For sessions that come from now on.
          state.history = next
          state.attempts = 0
          return .otherHistory
        }
        state.leg = leg
        state.attempts += 1
        return .found
      }
      switch finding {
      case .late: break
      case .found:
        metrics.moves.increment()
        number = leg.number
        route.audience.deliver(RoomOutput(epoch: .zero, items: [.rehoming(number)]))
      case .otherHistory:
        number = leg.number
        route.audience.deliver(RoomOutput(epoch: .zero, items: [.ended(.moved)]))
      }
    }
  }

  private enum Finding {
    /// Somebody else has found it.
    case late
    case found
    /// It is of a store with another past than the sessions know.
    case otherHistory
  }

  private func giveUp(_ route: Route, _ ending: RoomEnding) {
    metrics.failures.increment()
    let (leg, sessions) = route.state.withLock { state in
      let leg = state.leg
      state.isLooking = false
      state.attempts = 0
      return (leg, state.loseLeg())
    }
    // Their gateway closes them, and finds no leg to say so.
    for session in sessions { _ = leg?.send(.close(session)) }
    route.heard.withLock { number in
      number += 1
      route.audience.deliver(RoomOutput(epoch: .zero, items: [.ended(ending)]))
    }
  }

  // MARK: - Asking once

  public func read(_ room: RoomID) async -> RoomReading {
    await atOwner(of: room, attempts: settings.readAttempts) { await $0.read(room) } ?? .unavailable
  }

  public func ask(_ question: RoomQuestion<Command>, of room: RoomID) async -> RoomReply {
    let reply = await atOwner(of: room, attempts: settings.askAttempts) { carrier in
      let reply = await carrier.ask(question, of: room)
      return reply == .unavailable ? nil : reply
    }
    return reply ?? .unavailable
  }

  /// - Parameter body: gives nothing where the room is not served.
  private func atOwner<Answer>(
    of room: RoomID, attempts: Int, _ body: (any RoomCarrier<Command>) async -> Answer?
  ) async -> Answer? {
    for attempt in 0..<attempts {
      if let carrier = finder.carrier(for: room) {
        if let answer = await body(carrier) { return answer }
        finder.misled(about: room)
      }
      await withUnsafeContinuation { continuation in
        scheduler.run(after: settings.delay(before: attempt + 1)) { continuation.resume() }
      }
    }
    return nil
  }

  public func canOpen(_ room: RoomID) -> Bool { finder.carrier(for: room)?.canOpen(room) ?? true }

  /// Rooms in which this gateway has sessions.
  public var routeCount: Int { routes.withLock { $0.count } }
}

extension ClusterLink.Route {
  fileprivate func leg(openFor session: SessionNumber) -> Leg<Command>? {
    state.withLock { $0.sessions[session] == true ? $0.leg : nil }
  }
}

/// One owner that a room has, or had.
private final class Leg<Command: RoomCommand>: RoomSubscriber {
  let number: Int
  let carrier: any RoomCarrier<Command>
  let history: String?
  let link: ClusterLink<Command>
  private let room: RoomID
  private let weakRoute: Weak<ClusterLink<Command>.Route>

  init(
    number: Int, to carrier: any RoomCarrier<Command>, on route: ClusterLink<Command>.Route,
    of link: ClusterLink<Command>
  ) {
    self.number = number
    self.carrier = carrier
    history = carrier.history
    self.link = link
    room = route.room
    weakRoute = Weak(route)
  }

  var route: ClusterLink<Command>.Route? { weakRoute.value }
  var keepsOperations: Bool { true }

  func send(_ request: RoomRequest<Command>) -> Admission { carrier.send(request, to: room, from: self) }
  func deliver(_ output: RoomOutput) { link.deliver(output, from: self) }
}

/// A route holds its leg, and a room may hold a leg for long after its route has gone.
private final class Weak<Value: AnyObject & Sendable>: Sendable {
  private let reference: Mutex<Reference>

  private struct Reference: ~Copyable {
    weak var value: Value?
  }

  init(_ value: Value) { reference = Mutex(Reference(value: value)) }

  var value: Value? { reference.withLock { $0.value } }
}
