internal import RoomCore

/// What a store must say of itself before it is used.
struct StoreLabel {
  /// What the store is called in messages.
  let place: String
  let cluster: String
  /// The newest schema and the features that this program knows.
  let knownSchema: Int
  let knownFeatures: Int

  /// - Throws: `StoreError.refused` if the records are a newer program's.
  static func check(records version: Int, known: [RecordMigration], place: String) throws(StoreError) {
    // A program without records leaves them alone.
    guard let newest = known.last?.number, version > newest else { return }
    throw .refused("\(place) has records of version \(version), and this program knows no further than \(newest)")
  }

  /// - Parameters:
  ///   - schema: the store's.
  ///   - meta: reads one of the store's words about itself.
  /// - Throws: `StoreError.refused`, or what `meta` throws.
  func check(schema: Int, meta: (StaticString) throws -> String?) throws {
    guard schema <= knownSchema else {
      throw StoreError.refused(
        "\(place) has schema \(schema), and this program knows no further than \(knownSchema): use the newer program")
    }
    let features = try meta("feature_level").flatMap { Int($0) } ?? 0
    guard features <= knownFeatures else {
      throw StoreError.refused(
        "\(place) uses features of level \(features), and this program knows no further than "
          + "\(knownFeatures): use the newer program")
    }
    let owner = try meta("cluster") ?? ""
    guard owner == cluster else {
      throw StoreError.refused("\(place) belongs to the cluster \"\(owner)\", not to \"\(cluster)\"")
    }
    let slots = try meta("slots") ?? ""
    guard slots == "\(Slot.count)" else {
      throw StoreError.refused("\(place) was made with \(slots) slots, and this program has \(Slot.count)")
    }
  }
}
