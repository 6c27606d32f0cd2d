public import Store

/// The tables of the records, for both engines.
///
/// Times are milliseconds since 1970; amounts are minor units; what has parts of its own is JSON. `version` counts the
/// changes of a record, for whoever may only change what they have seen.
public enum DirectorySchema {
  public static let migrations = [
    RecordMigration(
      number: 1,
      sql: """
        CREATE TABLE customers (
          tenant text NOT NULL,
          phone text NOT NULL,
          name text NOT NULL,
          email text,
          addresses text NOT NULL,
          is_verified int8 NOT NULL,
          created_at int8 NOT NULL,
          updated_at int8 NOT NULL,
          version int8 NOT NULL,
          PRIMARY KEY (tenant, phone)
        );

        CREATE TABLE circles (
          id text PRIMARY KEY,
          tenant text NOT NULL,
          name text NOT NULL,
          type text NOT NULL,
          created_by text NOT NULL,
          status text NOT NULL,
          created_at int8 NOT NULL,
          updated_at int8 NOT NULL,
          version int8 NOT NULL
        );
        CREATE INDEX circles_by_status ON circles (tenant, status, created_by);

        CREATE TABLE circle_members (
          circle text NOT NULL,
          phone text NOT NULL,
          tenant text NOT NULL,
          role text NOT NULL,
          status text NOT NULL,
          joined_at int8 NOT NULL,
          PRIMARY KEY (circle, phone)
        );
        CREATE INDEX circle_members_by_customer ON circle_members (tenant, phone, joined_at, circle);

        CREATE TABLE menus (
          tenant text PRIMARY KEY,
          currency text NOT NULL,
          dishes text NOT NULL,
          updated_at int8 NOT NULL,
          version int8 NOT NULL
        );

        CREATE TABLE orders (
          id text PRIMARY KEY,
          tenant text NOT NULL,
          phone text NOT NULL,
          session_id text,
          order_type text NOT NULL,
          currency text NOT NULL,
          items text NOT NULL,
          total int8 NOT NULL,
          status text NOT NULL,
          status_updated_at int8 NOT NULL,
          timeline text NOT NULL,
          created_at int8 NOT NULL,
          updated_at int8 NOT NULL,
          version int8 NOT NULL
        );
        CREATE INDEX orders_by_customer ON orders (tenant, phone, created_at, id);
        CREATE INDEX orders_by_status ON orders (tenant, status, created_at, id);
        """),
    // `phone` of an order is empty if nobody knows it. `is_open` is 0 until the order's room has begun, and `state` what
    // the room has last reported.
    RecordMigration(
      number: 2,
      sql: """
        ALTER TABLE orders ADD COLUMN collaborative_order text;
        ALTER TABLE orders ADD COLUMN repeats text;
        CREATE INDEX orders_by_collaborative_order ON orders (collaborative_order)
          WHERE collaborative_order IS NOT NULL;

        CREATE TABLE collaborative_orders (
          id text PRIMARY KEY,
          tenant text NOT NULL,
          circle text NOT NULL,
          session_id text NOT NULL,
          initiated_by text NOT NULL,
          order_type text NOT NULL,
          for_members int8 NOT NULL,
          is_open int8 NOT NULL,
          status text NOT NULL,
          state text,
          total int8,
          split_type text,
          finalized_at int8,
          created_at int8 NOT NULL,
          updated_at int8 NOT NULL,
          version int8 NOT NULL
        );
        CREATE INDEX collaborative_orders_by_circle ON collaborative_orders (tenant, circle, status, created_at, id);
        CREATE UNIQUE INDEX collaborative_orders_running ON collaborative_orders (circle)
          WHERE for_members = 1 AND status IN ('active', 'locked');
        CREATE INDEX collaborative_orders_unopened ON collaborative_orders (created_at) WHERE is_open = 0;

        CREATE TABLE order_participants (
          collaborative_order text NOT NULL,
          phone text NOT NULL,
          tenant text NOT NULL,
          participant text NOT NULL,
          name text NOT NULL,
          joined_at int8 NOT NULL,
          PRIMARY KEY (collaborative_order, phone)
        );
        CREATE INDEX order_participants_by_customer ON order_participants (tenant, phone);
        """),
    RecordMigration(
      number: 3,
      sql: """
        CREATE TABLE tenants (
          id text PRIMARY KEY,
          name text NOT NULL,
          created_at int8 NOT NULL,
          updated_at int8 NOT NULL,
          version int8 NOT NULL
        );
        CREATE INDEX tenants_by_creation ON tenants (created_at, id);

        CREATE TABLE api_keys (
          id text PRIMARY KEY,
          tenant text NOT NULL,
          label text NOT NULL,
          hash text NOT NULL,
          created_at int8 NOT NULL,
          expires_at int8,
          revoked_at int8,
          last_used_at int8
        );
        CREATE INDEX api_keys_by_tenant ON api_keys (tenant, created_at, id);
        """),
    WebhookSchema.migration,
    RecordMigration(
      number: 5,
      sql: """
        CREATE TABLE assistant_sessions (
          id text PRIMARY KEY,
          tenant text NOT NULL,
          phone text,
          order_state text NOT NULL,
          created_at int8 NOT NULL,
          updated_at int8 NOT NULL,
          version int8 NOT NULL
        );
        CREATE INDEX assistant_sessions_by_age ON assistant_sessions (updated_at, id);

        CREATE TABLE assistant_calls (
          session text NOT NULL,
          call text NOT NULL,
          number int8 NOT NULL,
          fingerprint text NOT NULL,
          result text NOT NULL,
          PRIMARY KEY (session, call)
        );
        CREATE INDEX assistant_calls_by_number ON assistant_calls (session, number);

        CREATE TABLE secrets (
          name text PRIMARY KEY,
          value text NOT NULL
        );
        """),
  ]
}
