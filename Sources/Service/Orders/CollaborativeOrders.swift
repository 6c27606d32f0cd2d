package import Directory
import JSONText
package import Link
package import Logging
package import Ordering
package import RoomCore
import Rooms
import Store

/// The collaborative orders of circles, over HTTP and for assistants: the records say who may take part, the order's room
/// says everything else.
///
/// What changes something is named, so that it may be sent again: it is done once.
package struct CollaborativeOrders: Sendable {
  let directory: Directory
  let link: any RoomLink<OrderCommand>
  let projector: Projector
  /// A name that no operation had before.
  private let makeName: @Sendable () -> String

  package init(
    directory: Directory, link: any RoomLink<OrderCommand>, projector: Projector,
    makeName: @escaping @Sendable () -> String
  ) {
    self.directory = directory
    self.link = link
    self.projector = projector
    self.makeName = makeName
  }

  // MARK: Coming in

  /// Starts the circle's order, or gives the one that runs; who asks is in it afterwards.
  ///
  /// - Throws: `RecordRejection`, `RefusalNotice`, `StoreError`.
  package func start(
    _ tenant: String, circle: String, by phone: PhoneNumber, kind: PlacedOrder.Kind = .dineIn
  ) async throws -> OrderSeat {
    let admission = try await directory.startOrder(tenant, circle: circle, by: phone, kind: kind)
    do {
      return try await enter(admission)
    } catch let notice as RefusalNotice where notice.isEndOfOrder {
      // It has ended, and the records have not heard: there is a new one to be started.
      try await projector.project(admission.order.room)
      return try await enter(try await directory.startOrder(tenant, circle: circle, by: phone, kind: kind))
    }
  }

  package func join(_ tenant: String, _ order: String, by phone: PhoneNumber) async throws -> OrderSeat {
    try await enter(try await directory.joinOrder(tenant, order, phone))
  }

  private func enter(_ admission: OrderAdmission) async throws -> OrderSeat {
    if !admission.isOpen { try await open(admission) }
    let view = try await ask(join(admission.guest, .membership, of: admission.order), admission.order)
    return OrderSeat(order: admission.order, guest: admission.guest, isNew: admission.isNew, view: view)
  }

  /// Has the order's room begin; it may have done so already.
  func open(_ admission: OrderAdmission) async throws {
    _ = try await ask(join(admission.initiator, .initiative, of: admission.order), admission.order)
    try await directory.opened(admission.order)
  }

  /// Has the rooms begin of orders that were started some time ago by somebody who did not come to it, until the task is
  /// cancelled.
  package func openLeftBehind(clock: some Clock<Duration>, now: @Sendable () -> Timestamp, logger: Logger) async {
    while !Task.isCancelled {
      do {
        let before = now().advanced(by: .zero - Self.patience)
        for admission in try await directory.unopenedOrders(before: before) {
          do {
            try await open(admission)
          } catch {
            logger.warning(
              "an order waits for its room", metadata: ["order": "\(admission.order.id)", "reason": "\(error)"])
          }
        }
      } catch {
        logger.warning("orders without rooms cannot be looked for", metadata: ["reason": "\(error)"])
      }
      do { try await clock.sleep(for: Self.patience) } catch { return }
    }
  }

  /// Whoever starts an order has its room begin within less.
  private static let patience = Duration.seconds(10)

  private func join(
    _ guest: SharedOrder.Guest, _ warrant: OrderCommand.Warrant, of order: SharedOrder
  ) -> Operation<OrderCommand> {
    let join = OrderCommand.Join(name: guest.name, tenant: order.tenant, circle: order.circle, warrant: warrant)
    return operation(.join(join), by: guest)
  }

  /// One that nobody will name again.
  private func operation(_ command: OrderCommand, by guest: SharedOrder.Guest) -> Operation<OrderCommand> {
    Operation(
      id: OperationID(participant: guest.participant, value: "records:\(makeName())"), after: .last, command: command)
  }

  // MARK: Taking part

  /// How an order stands, for somebody who takes part in it.
  package func view(_ tenant: String, _ order: String, by phone: PhoneNumber) async throws -> SharedOrderView {
    try await view(of: try await directory.admission(tenant, order, phone).order)
  }

  /// The same for the tenant itself.
  package func view(_ tenant: String, _ order: String) async throws -> SharedOrderView {
    try await view(of: try await directory.sharedOrder(tenant, order))
  }

  /// A room is deleted some time after its order has ended; the records keep how it did.
  private func view(of order: SharedOrder) async throws -> SharedOrderView {
    if order.status.isTerminal, let state = order.state {
      return SharedOrderView(order: order, sequence: nil, state: state)
    }
    return try await ask(nil, order)
  }

  /// Has somebody who takes part do something. When the order ends by it, the records show that before this returns.
  ///
  /// - Parameter operation: a name of the caller's choice, under which it is done once.
  package func perform(
    _ command: OrderCommand, _ tenant: String, _ order: String, by phone: PhoneNumber, operation: String
  ) async throws -> SharedOrderView {
    let admission = try await directory.admission(tenant, order, phone)
    let id = OperationID(participant: admission.guest.participant, value: "http:\(operation)")
    let view = try await ask(Operation(id: id, after: .last, command: command), admission.order)
    guard view.state.status.isTerminal else { return view }
    try await projector.project(admission.order.room)
    return SharedOrderView(
      order: try await directory.sharedOrder(tenant, order), sequence: view.sequence, state: view.state)
  }

  /// Who is no longer in the circle takes no part in what it orders now. To be called when the circle has changed, and,
  /// for all circles, before a customer is erased.
  package func dismiss(_ tenant: String, _ phone: PhoneNumber, from circle: String? = nil) async throws {
    for (order, guest) in try await directory.runningSeats(of: phone, in: circle, tenant) {
      do {
        _ = try await ask(operation(.leave(removeItems: false), by: guest), order)
      } catch let notice as RefusalNotice where notice.code == "not_joined" || notice.isEndOfOrder {
        // They have left themselves.
      }
    }
  }

  // MARK: The room

  private func ask(_ operation: Operation<OrderCommand>?, _ order: SharedOrder) async throws -> SharedOrderView {
    switch await link.ask(RoomQuestion(operation), of: order.room) {
    case .stands(let sequence, let text):
      let room: OrderRoom
      do throws(JSONError) {
        room = try JSONReader.read(text) { reader throws(JSONError) in try OrderRoom.read(from: &reader) }
      } catch {
        throw StoreError.corrupt("the state of room \(order.room) cannot be read: \(error.reason)")
      }
      guard let state = room.order else { throw RecordRejection(.orderNotFound, "the order has not begun") }
      return SharedOrderView(order: order, sequence: sequence, state: state)
    case .refused(let notice): throw notice
    case .unavailable: throw StoreError.unavailable("the order's room cannot be reached")
    }
  }
}

/// A collaborative order as it stands.
package struct SharedOrderView: Sendable {
  package let order: SharedOrder
  /// The position up to which the room's events are in `state`; nil if the records say so, of an order that has ended.
  package let sequence: SequenceNumber?
  package let state: CollaborativeOrder
}

/// Somebody's place in an order.
package struct OrderSeat: Sendable {
  package let order: SharedOrder
  package let guest: SharedOrder.Guest
  /// Whether the order was started at this moment.
  package let isNew: Bool
  package let view: SharedOrderView
}

extension SequenceNumber {
  /// Of an operation whose name was made only now.
  fileprivate static var last: SequenceNumber { SequenceNumber(.max) }
}

extension RefusalNotice {
  fileprivate var isEndOfOrder: Bool {
    ["order_finalized", "order_cancelled", "order_expired"].contains(code)
  }
}
