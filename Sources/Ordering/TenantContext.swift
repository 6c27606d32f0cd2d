/// What a tenant says about orders, as it stood when a decision was made.
package struct TenantContext: Sendable, Equatable {
  package var currency: Currency
  package var limits: OrderLimits
  package var editing: EditingRule
  /// How long an order may lie untouched before it expires. Shorter frees memory and tables sooner; longer lets a
  /// family finish tomorrow.
  package var idleLimit: Duration
  /// How long after its start an order expires whatever happens; nil: never.
  package var deadlineAfterStart: Duration?
  /// What a phone number must look like.
  package var phoneRule: PhoneRule

  package init(
    currency: Currency = .inr, limits: OrderLimits = OrderLimits(), editing: EditingRule = .everyone,
    idleLimit: Duration = .seconds(24 * 3600), deadlineAfterStart: Duration? = nil,
    phoneRule: PhoneRule = .tenDigits
  ) {
    self.currency = currency
    self.limits = limits
    self.editing = editing
    self.idleLimit = idleLimit
    self.deadlineAfterStart = deadlineAfterStart
    self.phoneRule = phoneRule
  }
}
