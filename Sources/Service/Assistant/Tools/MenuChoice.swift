import Directory
import Ordering

/// Finds what a customer has named on a menu. Speech is written down in many ways: capitals and spaces do not count.
struct MenuChoice: Sendable {
  let menu: Menu

  /// - Throws: `dish_not_found` with the nearest names, `dish_unavailable`.
  func dish(_ name: String) throws(ToolFailure) -> Menu.Dish {
    let wanted = folded(name)
    guard
      let dish = menu.dishes.first(where: { $0.name == name })
        ?? menu.dishes.first(where: { folded($0.name) == wanted })
        ?? menu.dishes.first(where: { $0.id == name })
    else {
      let nearest = nearest(to: wanted)
      throw ToolFailure(
        "dish_not_found",
        nearest.isEmpty
          ? "This is not on the menu. Look with get_menu what there is."
          : "This is not on the menu. Ask whether \(enumeration(nearest, "or")) is meant.")
    }
    guard dish.isAvailable else {
      throw ToolFailure("dish_unavailable", "\(dish.name) cannot be had now. Offer something else.")
    }
    return dish
  }

  /// - Throws: `option_not_found` with all options of the dish.
  func option(_ name: String, of dish: Menu.Dish) throws(ToolFailure) -> Menu.Option {
    guard let option = dish.options.first(where: { folded($0.name) == folded(name) }) else {
      let names = enumeration(dish.options.map(\.name), "or")
      throw ToolFailure(
        "option_not_found",
        dish.options.isEmpty
          ? "\(dish.name) has no options. Put the wish into customization instead."
          : "\(dish.name) can be had with \(names) only. Put any other wish into customization.")
    }
    return option
  }

  /// Up to three available dishes that may be meant, the likeliest first.
  func nearest(to wanted: String) -> [String] {
    let words = Set(wanted.split(separator: " "))
    var found: [(name: String, distance: Int)] = []
    for dish in menu.dishes where dish.isAvailable {
      let name = folded(dish.name)
      let distance = Self.distance(Array(wanted.unicodeScalars.prefix(60)), Array(name.unicodeScalars.prefix(60)))
      let shared = words.intersection(name.split(separator: " ")).count
      // A word in common counts more than a name that merely looks alike.
      guard shared > 0 || distance <= max(2, wanted.unicodeScalars.count / 3) else { continue }
      found.append((dish.name, distance - shared * 10))
    }
    return found.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
  }

  /// How many characters must be put in, taken out or exchanged to make one of the other (Levenshtein).
  static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
    var row = Array(0...right.count)
    for (index, character) in left.enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for (column, other) in right.enumerated() {
        let exchanged = diagonal + (character == other ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(exchanged, row[column] + 1, diagonal + 1)
      }
    }
    return row[right.count]
  }
}

extension ToolCall {
  /// The tenant's menu; nil if there is none.
  func menu() async throws -> MenuChoice? {
    try await directory.menuIfAny(tenant).map { MenuChoice(menu: $0) }
  }
}
