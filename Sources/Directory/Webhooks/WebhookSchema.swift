import Store

/// The tables of endpoints and of what is delivered to them.
///
/// `due_at` is when a worker has to look at a delivery: its next attempt, or while one is under way the end of the lease that
/// `owner` holds. Nothing is due that is at its end, so that the index holds what waits and nothing else.
enum WebhookSchema {
  static let migration = RecordMigration(
    number: 4,
    sql: """
      CREATE TABLE webhook_endpoints (
        id text PRIMARY KEY,
        tenant text NOT NULL,
        url text NOT NULL,
        events text NOT NULL,
        secret text NOT NULL,
        old_secrets text NOT NULL,
        disabled_reason text,
        created_at int8 NOT NULL,
        updated_at int8 NOT NULL,
        version int8 NOT NULL
      );
      CREATE INDEX webhook_endpoints_by_tenant ON webhook_endpoints (tenant, created_at, id);

      CREATE TABLE webhook_deliveries (
        endpoint text NOT NULL,
        event text NOT NULL,
        type text NOT NULL,
        at int8 NOT NULL,
        data text NOT NULL,
        status text NOT NULL,
        due_at int8,
        owner text,
        tries int8 NOT NULL,
        attempt_count int8 NOT NULL,
        attempts text NOT NULL,
        ended_at int8,
        PRIMARY KEY (endpoint, event)
      );
      CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (endpoint, at, event);
      CREATE INDEX webhook_deliveries_by_status ON webhook_deliveries (endpoint, status, at, event);
      CREATE INDEX webhook_deliveries_by_due ON webhook_deliveries (due_at, endpoint, event) WHERE due_at IS NOT NULL;
      CREATE INDEX webhook_deliveries_by_end ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;
      """)
}
