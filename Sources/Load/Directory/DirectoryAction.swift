/// The status of an order, as far as a driver brings one.
enum OrderStatus: String, CaseIterable {
  case pending, confirmed, preparing, ready, delivered

  /// Nil: it stays so.
  var next: OrderStatus? {
    switch self {
    case .pending: .confirmed
    case .confirmed: .preparing
    case .preparing: .ready
    case .ready: .delivered
    case .delivered: nil
    }
  }
}

/// An order that the server has told of.
struct KnownOrder: Equatable {
  var id: String
  var customer: Int
  var status: OrderStatus
}

/// What is asked of the records, with customers and circles by their numbers.
enum DirectoryAction: Equatable {
  /// Before the run, when nobody knows whether there is such a customer.
  case register(customer: Int)
  case makeCircle(number: Int)
  case getCustomer(Int)
  /// - atLeast: so many orders had been placed when it was asked for, or more than fill a page.
  case orderHistory(customer: Int, atLeast: Int)
  case getCircle(Int)
  case customerCircles(customer: Int)
  case rename(customer: Int, name: String)
  case placeOrder(customer: Int)
  case advance(KnownOrder, to: OrderStatus)
  case ordersByStatus(OrderStatus)
  case invite(customer: Int, circle: Int)
  case remove(customer: Int, circle: Int)

  /// What it counts as; nil if it belongs to no mix.
  var operation: DirectoryOperation? {
    switch self {
    case .register, .makeCircle: nil
    case .getCustomer: .getCustomer
    case .orderHistory: .orderHistory
    case .getCircle: .getCircle
    case .customerCircles: .customerCircles
    case .rename: .upsertCustomer
    case .placeOrder: .createOrder
    case .advance: .changeStatus
    case .ordersByStatus: .ordersByStatus
    case .invite, .remove: .changeMembers
    }
  }

  /// The status that an answer must have.
  var statuses: ClosedRange<Int> {
    switch self {
    case .register: 200...201
    case .makeCircle, .placeOrder: 201...201
    default: 200...200
    }
  }
}
