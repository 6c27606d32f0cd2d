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
    RecordMigration(
      number: 2,
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
        """),
  ]
}
