extension HostileMessage {
  /// Operations of whom they are not allowed to, or when they are not.
  static let permissions: [HostileMessage] =
    strangers + impostors + members + others + outOfTime + [
      operation(
        "a name that was used", "add_item", JSONFields.dish.text, opId: "setup-join", "operation_conflict",
        "opId was used before for another operation"),
      operation("of nothing", "finalize", in: .bare, "empty_order", "an order without items cannot be finalized"),
      operation(
        "of nothing", "undo", in: .bare, "nothing_to_undo",
        "there is no change of yours that still stands as you left it"),
      operation(
        "one too many", "add_item", JSONFields.dish.text, in: .full, "limit_exceeded",
        "the order has its 2 items already"),
      operation(
        "too much in all", "update_quantity", #"{"itemId":"dal","quantity":2}"#, in: .full, "limit_exceeded",
        "the order's total may not exceed 250.00 INR"),
      operation(
        "too much in all", "set_charges", #"{"tip":50.01}"#, in: .full, "limit_exceeded",
        "the order's total may not exceed 250.00 INR"),
    ]

  /// Each operation that is open to a participant, with nothing wrong about it.
  private static let deeds: [(type: String, data: String?)] = [
    ("add_item", JSONFields.dish.text), ("remove_item", #"{"itemId":"dal"}"#),
    ("update_quantity", #"{"itemId":"dal","quantity":0}"#), ("update_item", #"{"itemId":"dal","price":0}"#),
    ("update_split", #"{"splitType":"itemized"}"#), ("undo", nil),
  ]
  private static let movements: [(type: String, data: String?)] = [
    ("leave", nil), ("ready", nil),
  ]
  private static let ownersDeeds: [(type: String, data: String?, deed: String)] = [
    ("finalize", nil, "finalize the order"), ("lock", nil, "lock the order"), ("unlock", nil, "unlock the order"),
    ("cancel", nil, "cancel the order"), ("set_deadline", #"{"deadline":null}"#, "set the deadline"),
    ("set_limits", #"{"maxItems":3}"#, "set limits"), ("set_charges", #"{"tip":1}"#, "set charges"),
    ("remove_participant", #"{"participantId":"ravi"}"#, "remove participants"),
    ("transfer_ownership", #"{"participantId":"mina"}"#, "hand the order over"),
  ]

  private static let strangers: [HostileMessage] =
    (deeds + movements + ownersDeeds.map { ($0.type, $0.data) }).map { type, data in
      operation("before join", type, data, by: .stranger, "not_joined", "participantId must join the order first")
    } + [
      operation(
        "where there is no order", "add_item", JSONFields.dish.text, in: .none, by: .stranger, "not_joined",
        "participantId must join the order first")
    ]

  private static let impostors: [HostileMessage] =
    (deeds + movements + ownersDeeds.map { ($0.type, $0.data) } + [("join", nil)]).map { type, data in
      operation(
        "as the owner", type, data, as: "asha", by: .member, "identity_mismatch",
        "participantId is not the participant that this connection acts for")
    } + [
      operation(
        "the owner as another", "add_item", JSONFields.dish.text, as: "mina", "identity_mismatch",
        "participantId is not the participant that this connection acts for"),
      operation(
        "the owner as a stranger", "join", nil, as: "zoe", "identity_mismatch",
        "participantId is not the participant that this connection acts for"),
    ]

  private static let members: [HostileMessage] = ownersDeeds.map { type, data, deed in
    operation("by another than the owner", type, data, by: .member, "not_owner", "only the owner may \(deed)")
  }

  private static let others: [HostileMessage] = [
    ("remove_item", #"{"itemId":"dal"}"#), ("update_quantity", #"{"itemId":"naan","quantity":2}"#),
    ("update_item", #"{"itemId":"naan","price":0}"#),
  ].map { type, data in
    operation(
      "another's item", type, data, in: .own, by: .member, "not_your_item",
      "only the owner and the participant who added an item may change it")
  }

  private static let outOfTime: [HostileMessage] =
    deeds.map { type, data in
      operation("while locked", type, data, in: .locked, "order_locked", "the order is locked; its owner can unlock it")
    }
    + (deeds + movements + ownersDeeds.dropFirst().map { ($0.type, $0.data) }).map { type, data in
      operation("after the end", type, data, in: .finalized, "order_finalized", "the order is finalized")
    }
    + [
      operation(
        "once more, by another", "finalize", in: .finalized, by: .member, "order_finalized", "the order is finalized")
    ]
    + [("finalize", nil), ("cancel", nil), ("add_item", JSONFields.dish.text)].map { type, data in
      operation("after cancel", type, data, in: .cancelled, "order_cancelled", "the order is cancelled")
    }
    + [("finalize", nil), ("add_item", JSONFields.dish.text)].map { type, data in
      operation("after the deadline", type, data, in: .expired, "order_expired", "the order's deadline has passed")
    }
}
