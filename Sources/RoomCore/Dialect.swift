/// How a connection is spoken to.
public enum Dialect: Int, Sendable, CaseIterable {
  /// The first one: each change carries the whole order.
  case full = 1
  /// Each change carries what changed, and can be read again from the journal.
  case delta = 2
}
