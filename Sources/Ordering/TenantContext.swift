/// What a tenant says about orders, as it stood when a decision was made.
public struct TenantContext: Sendable, Equatable {
  public var currency: Currency
  public var limits: OrderLimits
  public var editing: EditingRule
  /// How long an order may lie untouched before it expires. Shorter frees memory and tables sooner; longer lets a
  /// family finish tomorrow.
  public var idleLimit: Duration
  /// How long after its start an order expires whatever happens; nil: never.
  public var deadlineAfterStart: Duration?
  /// What a phone number must look like.
  public var phoneRule: PhoneRule
  /// What dishes there are, and what they cost; nil: what clients say.
  public var menu: Menu?

  public init(
    currency: Currency = .inr, limits: OrderLimits = OrderLimits(), editing: EditingRule = .everyone,
    idleLimit: Duration = .seconds(24 * 3600), deadlineAfterStart: Duration? = nil,
    phoneRule: PhoneRule = .tenDigits, menu: Menu? = nil
  ) {
    self.currency = currency
    self.limits = limits
    self.editing = editing
    self.idleLimit = idleLimit
    self.deadlineAfterStart = deadlineAfterStart
    self.phoneRule = phoneRule
    self.menu = menu
  }
}
