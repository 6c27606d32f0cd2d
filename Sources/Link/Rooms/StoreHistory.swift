/// How a node tells its peers the history of its store: as one of its features.
package enum StoreHistory {
  private static let prefix = "history="

  package static func feature(_ history: String) -> String { prefix + history }

  /// - Returns: nil if the peer has no store, or does not say.
  static func named(in features: [String]) -> String? {
    features.first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
  }
}
