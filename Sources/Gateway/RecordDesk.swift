package import Directory
package import Ordering
package import Service

/// What a gateway needs to serve records: those themselves, and the use cases that reach beyond them.
package struct RecordDesk: Sendable {
  let directory: Directory
  let orders: CollaborativeOrders
  let webhooks: Webhooks
  let assistant: Assistant
  /// What holds for all tenants.
  let tenant: TenantContext
  /// A name that nothing had before.
  let makeName: @Sendable () -> String

  package init(
    directory: Directory, orders: CollaborativeOrders, webhooks: Webhooks, assistant: Assistant,
    tenant: TenantContext,
    makeName: @escaping @Sendable () -> String
  ) {
    self.directory = directory
    self.orders = orders
    self.webhooks = webhooks
    self.assistant = assistant
    self.tenant = tenant
    self.makeName = makeName
  }
}
