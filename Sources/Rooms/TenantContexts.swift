/// What tenants say at the moment, as a room asks for it at each decision.
public struct TenantContexts<Context: Sendable>: Sendable {
  /// Nil: it has to be fetched before anything is decided for this tenant. A room that is nobody's yet has no tenant.
  let known: @Sendable (_ tenant: String?) -> Context?
  /// Afterwards it is known, unless it could not be had.
  let fetch: @Sendable (_ tenant: String?) async -> Void

  public init(
    known: @escaping @Sendable (_ tenant: String?) -> Context?,
    fetch: @escaping @Sendable (_ tenant: String?) async -> Void
  ) {
    self.known = known
    self.fetch = fetch
  }

  /// One for all, that is always known.
  public init(_ context: @escaping @Sendable () -> Context) {
    self.init(known: { _ in context() }, fetch: { _ in })
  }
}
