extension HostileMessage {
  /// Joins, splits, charges, limits and deadlines that break a rule.
  static let rules: [HostileMessage] = joins + splits + ownersSettings + people

  private static func join(
    _ name: String, _ data: String?, called given: String? = nil, in scene: HostileScene = .none,
    code: String = "invalid_join", _ message: String
  ) -> HostileMessage {
    operation(name, "join", data, called: given, in: scene, by: .stranger, code, message)
  }

  private static func phone(_ phone: String, _ complaint: String) -> HostileMessage {
    join("phone \(phone)", #"{"tenantId":"t","circleId":"c","phone":\#(phone)}"#, "data.phone \(complaint)")
  }

  private static let joins: [HostileMessage] = [
    join("nothing given", nil, "data.tenantId is required to start an order"),
    join("no tenant", #"{"circleId":"c"}"#, "data.tenantId is required to start an order"),
    join("no circle", #"{"tenantId":"t"}"#, "data.circleId is required to start an order"),
    join("data is a list", "[]", "data must be an object"),
    join("tenant is a number", #"{"tenantId":1,"circleId":"c"}"#, "data.tenantId must be a string"),
    join("tenant is empty", #"{"tenantId":"","circleId":"c"}"#, "data.tenantId must have 1 to 120 characters"),
    join(
      "tenant is long", #"{"tenantId":\#(quoted(121)),"circleId":"c"}"#, "data.tenantId must have 1 to 120 characters"),
    join("tenant rings", #"{"tenantId":"\u0007","circleId":"c"}"#, "data.tenantId must not contain control characters"),
    join("circle is blank", #"{"tenantId":"t","circleId":" "}"#, "data.circleId must not be blank"),
    join("circle is an object", #"{"tenantId":"t","circleId":{}}"#, "data.circleId must be a string"),
    join("circle given twice", #"{"tenantId":"t","circleId":"c","circleId":"c"}"#, "data.circleId is given twice"),
    join(
      "empty name", #"{"tenantId":"t","circleId":"c"}"#, called: "", "participantName must have 1 to 120 characters"),
    join("blank name", "{}", called: "  ", in: .open, "participantName must not be blank"),
    join(
      "long name", "{}", called: String(repeating: "x", count: 121), in: .open,
      "participantName must have 1 to 120 characters"),
    join(
      "name with a line break", "{}", called: #"a\nb"#, in: .open, "participantName must not contain control characters"
    ),
    phone("9876543210", "must be a string, in quotes: a number would lose zeros"),
    phone(#""""#, "must not be empty"),
    phone(#""987654321""#, "must have exactly 10 digits, and has 9"),
    phone(#""98765432101""#, "must have exactly 10 digits, and has 11"),
    phone(#""98765 4321""#, "must have a digit as its character 6"),
    phone(#""+919876543210""#, "must have a digit as its character 1"),
    phone(#""９８７６５４３２１０""#, "must have a digit as its character 1"),
    phone("[1]", "must be a string, in quotes: a number would lose zeros"),
    join(
      "another tenant", #"{"tenantId":"other"}"#, in: .open, code: "wrong_tenant",
      "data.tenantId is not the tenant of this order"),
    join("another circle", #"{"circleId":"other"}"#, in: .open, "data.circleId is not the circle of this order"),
    join("a stranger", "{}", in: .locked, code: "order_locked", "the order is locked and takes no new participants"),
    join("one too many", "{}", in: .full, code: "limit_exceeded", "the order has its 3 participants already"),
  ]

  private static func split(_ data: String?, _ message: String) -> HostileMessage {
    operation(data ?? "no data", "update_split", data, "invalid_split", message)
  }

  private static let splits: [HostileMessage] = [
    split(nil, "data is missing"),
    split("{}", "data.splitType is missing"),
    split(#"{"splitType":1}"#, "data.splitType must be one of 'equal', 'itemized', 'custom', 'percentage', 'shares'"),
    split(#"{"splitType":"fair"}"#, "data.splitType must be one of…"),
    split(#"{"splitType":"percentage"}"#, "data.percentages is missing"),
    split(
      #"{"splitType":"percentage","percentages":[]}"#,
      "data.percentages must be an object that gives each participant, once, a number"),
    split(
      #"{"splitType":"percentage","percentages":{"asha":"100"}}"#, "data.percentages must be an object that gives…"),
    split(
      #"{"splitType":"percentage","percentages":{"asha":50,"asha":50}}"#,
      "data.percentages must be an object that gives…"),
    split(#"{"splitType":"percentage","percentages":{}}"#, "data.percentages must add up to 100; they come to 0.00"),
    split(
      #"{"splitType":"percentage","percentages":{"asha":99.99}}"#,
      "data.percentages must add up to 100; they come to 99.99"),
    split(
      #"{"splitType":"percentage","percentages":{"asha":100,"ravi":1}}"#,
      "data.percentages must add up to 100; they come to 101.00"),
    split(
      #"{"splitType":"percentage","percentages":{"asha":99.999,"ravi":0.001}}"#,
      "each of data.percentages must be from 0 to 100, with at most 2 decimals"),
    split(
      #"{"splitType":"percentage","percentages":{"asha":150,"ravi":-50}}"#,
      "each of data.percentages must be from 0 to 100…"),
    split(
      #"{"splitType":"percentage","percentages":{"asha":100,"ravi":-0}}"#,
      "each of data.percentages must be from 0 to 100…"),
    split(
      #"{"splitType":"percentage","percentages":{"asha":1e309}}"#, "each of data.percentages must be from 0 to 100…"),
    split(
      #"{"splitType":"percentage","percentages":{"zoe":100}}"#,
      "data.percentages may name participants of this order only"),
    split(#"{"splitType":"shares","shares":{"asha":0}}"#, "one of data.shares must be above 0"),
    split(
      #"{"splitType":"shares","shares":{"asha":1.5}}"#, "each of data.shares must be a whole number from 0 to 1000000"),
    split(
      #"{"splitType":"shares","shares":{"asha":-1,"ravi":2}}"#,
      "each of data.shares must be a whole number from 0 to 1000000"),
    split(
      #"{"splitType":"shares","shares":{"asha":1000001}}"#,
      "each of data.shares must be a whole number from 0 to 1000000"),
    split(#"{"splitType":"shares","amounts":{"asha":1}}"#, "data.shares is missing"),
    split(
      #"{"splitType":"custom","amounts":{"asha":200.01}}"#,
      "each of data.amounts must be from 0 to 200.00 INR, with at most 2 decimals"),
    split(
      #"{"splitType":"custom","amounts":{"asha":200.001}}"#,
      "each of data.amounts must be from 0 to 200.00 INR, with at most 2 decimals"),
    split(
      #"{"splitType":"custom","amounts":{"asha":-1,"ravi":201}}"#, "each of data.amounts must be from 0 to 200.00 INR…"),
    split(
      #"{"splitType":"custom","amounts":{"asha":150}}"#,
      "custom amounts must add up to the total of 200.00 INR; they come to 50.00 INR less"),
    split(
      #"{"splitType":"custom","amounts":{"asha":200},"splitDetails":[]}"#,
      "data.amounts and data.splitDetails cannot be given together"),
    split(
      #"{"splitType":"custom","splitDetails":{}}"#,
      "data.splitDetails must be an array of {participantId, amount | percentage | shares}, each participant once"),
    split(#"{"splitType":"custom","splitDetails":[1]}"#, "data.splitDetails must be an array…"),
    split(#"{"splitType":"custom","splitDetails":[{"amount":1}]}"#, "data.splitDetails.participantId is missing"),
    split(
      #"{"splitType":"custom","splitDetails":[{"participantId":"asha"}]}"#,
      "data.splitDetails must give each participant what data.splitType asks for"),
    split(
      #"{"splitType":"custom","splitDetails":[{"participantId":"asha","amount":1},{"participantId":"asha","amount":1}]}"#,
      "data.splitDetails must be an array…"),
  ]

  private static func owners(_ type: String, _ data: String?, _ code: String, _ message: String) -> HostileMessage {
    operation(data ?? "no data", type, data, code, message)
  }

  private static let ownersSettings: [HostileMessage] =
    ["-1", "-0", "0.001", "1e309", "10000000.01"].map {
      owners(
        "set_charges", #"{"tax":\#($0)}"#, "invalid_charge",
        "data.tax must be from 0 to 10000000.00 INR, with at most 2 decimals")
    }
    + [
      owners("set_charges", nil, "invalid_charge", "data is missing"),
      owners("set_charges", #"{"tip":"5"}"#, "invalid_charge", "data.tip must be a number or {amount, allocation}"),
      owners("set_charges", #"{"tip":{}}"#, "invalid_charge", "data.tip.amount is missing"),
      owners("set_charges", #"{"tip":{"amount":"5"}}"#, "invalid_charge", "data.tip.amount must be a number"),
      owners(
        "set_charges", #"{"tip":{"amount":5,"allocation":"mine"}}"#, "invalid_charge",
        "data.tip.allocation must be one of 'proportional', 'equal'"),
      owners(
        "set_charges", #"{"tip":5,"discount":-1}"#, "invalid_charge", "data.discount must be from 0 to 10000000.00 INR…"
      ),
      owners("set_limits", "[]", "invalid_limit", "data must be an object"),
      owners(
        "set_limits", #"{"maxItems":0}"#, "invalid_limit",
        "data.maxItems must be at least 2, and at most the tenant's 500"),
      owners(
        "set_limits", #"{"maxItems":1}"#, "invalid_limit",
        "data.maxItems must be at least 2, and at most the tenant's 500"),
      owners(
        "set_limits", #"{"maxItems":501}"#, "invalid_limit",
        "data.maxItems must be at least 2, and at most the tenant's 500"),
      owners(
        "set_limits", #"{"maxItems":2.5}"#, "invalid_limit",
        "data.maxItems must be an integer from 0 to 9223372036854775807"),
      owners(
        "set_limits", #"{"maxItems":-1}"#, "invalid_limit",
        "data.maxItems must be an integer from 0 to 9223372036854775807"),
      owners(
        "set_limits", #"{"maxParticipants":201}"#, "invalid_limit",
        "data.maxParticipants must be at least 3, and at most the tenant's 200"),
      owners("set_limits", #"{"maxParticipants":"9"}"#, "invalid_limit", "data.maxParticipants must be an integer…"),
      owners(
        "set_limits", #"{"maxTotal":199.99}"#, "invalid_limit",
        "data.maxTotal may not lie below the present total, 200.00 INR"),
      owners("set_limits", #"{"maxTotal":-1}"#, "invalid_limit", "data.maxTotal must be from 0 to…"),
      owners("set_limits", #"{"maxTotal":-0}"#, "invalid_limit", "data.maxTotal must be from 0 to…"),
      owners("set_limits", #"{"editing":"nobody"}"#, "invalid_limit", "data.editing must be one of 'everyone', 'own'"),
      owners("set_deadline", nil, "invalid_deadline", "data is missing"),
      owners(
        "set_deadline", "{}", "invalid_deadline", "data.deadline must be milliseconds since 1970, or null for none"),
      owners("set_deadline", #"{"deadline":"soon"}"#, "invalid_deadline", "data.deadline must be an integer…"),
      owners("set_deadline", #"{"deadline":-1}"#, "invalid_deadline", "data.deadline must be an integer…"),
      owners("set_deadline", #"{"deadline":0}"#, "invalid_deadline", "data.deadline must lie in the future"),
      owners(
        "set_deadline", #"{"deadline":1000000000000}"#, "invalid_deadline", "data.deadline must lie in the future"),
      owners(
        "set_deadline", #"{"deadline":9223372036854775807}"#, "invalid_deadline",
        "data.deadline may lie at most 30 days ahead"),
      owners("set_deadline", #"{"deadline":1e309}"#, "invalid_deadline", "data.deadline must be an integer…"),
    ]

  private static let people: [HostileMessage] = [
    owners("remove_participant", nil, "invalid_message", "data is missing"),
    owners("remove_participant", "{}", "invalid_message", "data.participantId is missing"),
    owners(
      "remove_participant", #"{"participantId":""}"#, "invalid_message",
      "data.participantId must be a string of 1 to 200 bytes without control characters"),
    owners(
      "remove_participant", #"{"participantId":"zoe"}"#, "participant_not_found",
      "data.participantId is no participant of this order"),
    owners(
      "remove_participant", #"{"participantId":"asha"}"#, "participant_not_found",
      "data.participantId must be somebody else's; use leave for oneself"),
    owners(
      "remove_participant", #"{"participantId":"ravi","removeItems":1}"#, "invalid_message",
      "data.removeItems must be true or false"),
    owners(
      "transfer_ownership", #"{"participantId":"zoe"}"#, "participant_not_found",
      "data.participantId is no participant of this order"),
    owners(
      "transfer_ownership", #"{"participantId":["ravi"]}"#, "invalid_message", "data.participantId must be a string of…"
    ),
    owners("ready", #"{"ready":"yes"}"#, "invalid_message", "data.ready must be true or false"),
    owners("ready", "1", "invalid_message", "data must be an object"),
    owners("leave", #"{"removeItems":"all"}"#, "invalid_message", "data.removeItems must be true or false"),
    owners("leave", #"{"removeItems":true,"removeItems":false}"#, "invalid_message", "data.removeItems is given twice"),
    owners("speaking", #"{"speaking":1}"#, "invalid_message", "data.speaking must be true or false"),
  ]
}
