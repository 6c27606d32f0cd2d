extension HostileMessage {
  /// Dishes as no menu has them.
  static let items: [HostileMessage] = quantities + prices + texts + changes

  private static func dish(
    _ name: String, _ value: String?, _ code: String, _ message: String
  ) -> HostileMessage {
    operation("\(name) is \(shown(value))", "add_item", JSONFields.dish.with(name, value), code, message)
  }

  private static func shown(_ value: String?) -> String {
    value.map { $0.count > 30 ? "\($0.prefix(30))…" : $0 } ?? "absent"
  }

  /// What some programs write for numbers, and JSON has not.
  private static let noNumbers = ["NaN", "Infinity", "-Infinity", "+1", ".5", "0x10", "01", "1.", "1e", "1_000", "--1"]

  private static let quantities: [HostileMessage] =
    [
      "0", "-1", "1.5", "0.999", "100", "1e2", "1e309", "-1e309", "1e-309", "-0", "-0.0", "9223372036854775808",
      "99999999999999999999999999999999999999",
    ].map { dish("quantity", $0, "invalid_quantity", "data.quantity must be a whole number from 1 to 99") }
    + [#""2""#, "true", "[1]", "{}"].map { dish("quantity", $0, "invalid_quantity", "data.quantity must be a number") }
    + [nil, "null"].map { dish("quantity", $0, "invalid_quantity", "data.quantity is missing") }
    + noNumbers.map { number in
      text(
        "quantity is \(number)", JSONFields.envelope.with("data", JSONFields.dish.with("quantity", number)),
        opId: "hostile", "invalid_json", "the message is no valid JSON: …")
    }

  private static let prices: [HostileMessage] =
    [
      "-1", "-0.01", "0.001", "299.005", "0.00000000000000000001", "10000000.01", "1e8", "1e309", "-0", "-0.00", "-0e5",
      "123456789012345678901234567890",
    ].map {
      dish("price", $0, "invalid_price", "data.price must be from 0 to 10000000.00 INR, with at most 2 decimals")
    }
    + [#""299""#, "false", "[]", #"{"amount":1}"#].map {
      dish("price", $0, "invalid_price", "data.price must be a number")
    }
    + [nil, "null"].map { dish("price", $0, "invalid_price", "data.price is missing") }

  private static let texts: [HostileMessage] =
    [#""""#, quoted(121), quoted(60_000)].map {
      dish("dishName", $0, "invalid_item", "data.dishName must have 1 to 120 characters")
    }
    + [#""a\u0000""#, #""\u0007""#, #""a\nb""#, #""\u001b[31m""#, #""a\u007f""#, #""\u0085""#].map {
      dish("dishName", $0, "invalid_item", "data.dishName must not contain control characters")
    }
    + [#""   ""#, #""\u00a0\u2003""#].map { dish("dishName", $0, "invalid_item", "data.dishName must not be blank") }
    + ["1", "[]", "{}", "true"].map { dish("dishName", $0, "invalid_item", "data.dishName must be a string") }
    + [nil, "null"].map { dish("dishName", $0, "invalid_item", "data.dishName is missing") }
    + [#""vegan""#, #""""#, #""VEG""#, "1"].map {
      dish("dishType", $0, "invalid_item", "data.dishType must be one of 'veg', 'non-veg'")
    }
    + [dish("dishType", nil, "invalid_item", "data.dishType is missing")]
    + [
      dish("customization", quoted(501), "invalid_item", "data.customization must have 1 to 500 characters"),
      dish("customization", #""a\u0000b""#, "invalid_item", "data.customization must not contain control characters"),
      dish("customization", #""\n\t""#, "invalid_item", "data.customization must not be blank"),
      dish("customization", "5", "invalid_item", "data.customization must be a string"),
      dish("id", #""""#, "invalid_item", "data.id must have 1 to 120 characters"),
      dish("id", quoted(121), "invalid_item", "data.id must have 1 to 120 characters"),
      dish("id", #""\u0001""#, "invalid_item", "data.id must not contain control characters"),
      dish("id", "7", "invalid_item", "data.id must be a string"),
    ]

  private static func change(
    _ type: String, _ data: String?, _ code: String, _ message: String
  ) -> HostileMessage {
    operation(shown(data), type, data, code, message)
  }

  private static let changes: [HostileMessage] =
    [
      change("remove_item", nil, "invalid_item", "data is missing"),
      change("remove_item", "{}", "invalid_item", "data.itemId is missing"),
      change("remove_item", #"{"itemId":1}"#, "invalid_item", "data.itemId must be a string"),
      change("remove_item", #"{"itemId":""}"#, "item_not_found", "data.itemId is no item of this order"),
      change("remove_item", #"{"itemId":"DAL"}"#, "item_not_found", "data.itemId is no item of this order"),
      change(
        "remove_item", #"{"itemId":\#(quoted(60_000))}"#, "item_not_found", "data.itemId is no item of this order"),
      change("update_quantity", nil, "invalid_quantity", "data is missing"),
      change("update_quantity", "7", "invalid_quantity", "data must be an object"),
      change("update_quantity", #"{"quantity":1}"#, "invalid_item", "data.itemId is missing"),
      change("update_quantity", #"{"itemId":"dal"}"#, "invalid_quantity", "data.quantity is missing"),
      change(
        "update_quantity", #"{"itemId":"none","quantity":1}"#, "item_not_found", "data.itemId is no item of this order"),
      change("update_item", nil, "invalid_item", "data is missing"),
      change("update_item", #"{"price":1}"#, "invalid_item", "data.itemId is missing"),
      change("update_item", #"{"itemId":"none"}"#, "item_not_found", "data.itemId is no item of this order"),
      change(
        "update_item", #"{"itemId":"dal","dishName":""}"#, "invalid_item", "data.dishName must have 1 to 120 characters"
      ),
      change("update_item", #"{"itemId":"dal","dishType":"fish"}"#, "invalid_item", "data.dishType must be one of…"),
      change(
        "update_item", #"{"itemId":"dal","quantity":0}"#, "invalid_quantity",
        "data.quantity must be a whole number from 1 to 99"),
      change(
        "update_item", #"{"itemId":"dal","price":-1}"#, "invalid_price", "data.price must be from 0 to 10000000.00 INR…"
      ),
      change(
        "update_item", #"{"itemId":"dal","price":1.005}"#, "invalid_price",
        "data.price must be from 0 to 10000000.00 INR…"),
      change(
        "update_item", #"{"itemId":"dal","customization":"\u0000"}"#, "invalid_item",
        "data.customization must not contain…"),
      // One wrong field is enough: the others do not count.
      change(
        "update_item", #"{"itemId":"dal","dishName":"Tea","quantity":3,"price":1e309}"#, "invalid_price",
        "data.price must be from 0 to 10000000.00 INR, with at most 2 decimals"),
    ]
    + ["-1", "-0", "1.5", "100", "1e309", "1e999999999999"].map { quantity in
      change(
        "update_quantity", #"{"itemId":"dal","quantity":\#(quantity)}"#, "invalid_quantity",
        "data.quantity must be a whole number from 0 to 99")
    }
}
