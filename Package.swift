// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .treatAllWarnings(as: .error),
  // Lets the rooms' generic code be compiled for orders; docs/decisions/2026-11-22-specialized-rooms.md.
  .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]

/// What tests run millions of times is compiled to run fast in them as well.
let quick = settings + [.unsafeFlags(["-O"], .when(configuration: .debug))]

let collections = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let nio: [Target.Dependency] = [
  .product(name: "NIOCore", package: "swift-nio"),
  .product(name: "NIOPosix", package: "swift-nio"),
  .product(name: "NIOHTTP1", package: "swift-nio"),
  .product(name: "NIOWebSocket", package: "swift-nio"),
]

let package = Package(
  name: "stonepot",
  platforms: [.macOS(.v15)],
  products: [.executable(name: "stonepot", targets: ["stonepot"])],
  dependencies: [
    .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
    .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
    .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0"),
    .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
    .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-system.git", from: "1.8.1"),
    .package(url: "https://github.com/vapor/jwt-kit.git", from: "5.7.1"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift.git", from: "0.2.0"),
  ],
  targets: [
    // Floor 0: what a room is, and the text that everything is written in.
    .target(name: "JSONText", swiftSettings: settings),
    .target(name: "RoomCore", dependencies: ["JSONText"], swiftSettings: quick),
    // Floor 1: who is alive and who owns what; the food.
    .target(name: "Membership", dependencies: ["RoomCore"], swiftSettings: quick),
    .target(name: "Ordering", dependencies: ["RoomCore", "JSONText"], swiftSettings: settings),
    // Floor 2: bytes in and out; what is kept.
    .target(name: "Wire", dependencies: ["Ordering", "RoomCore", "JSONText"], swiftSettings: settings),
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .target(
      name: "Store",
      dependencies: [
        "RoomCore", "CPostgres", .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "GRDBSQLite", package: "GRDB.swift"),
      ],
      swiftSettings: settings),
    // Floor 3: rooms that run.
    .target(
      name: "Rooms", dependencies: ["RoomCore", "JSONText", "Store", collections, logging, metrics],
      swiftSettings: settings),
    // The records.
    .target(
      name: "Directory",
      dependencies: [
        "RoomCore", "JSONText", "Ordering", "Wire", "Store", .product(name: "Crypto", package: "swift-crypto"),
      ],
      swiftSettings: settings),
    // Floor 4: the way to a room.
    .target(
      name: "Link",
      dependencies: [
        "RoomCore", "Membership", "Wire", "Store", "Rooms", logging, metrics, coreMetrics,
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      swiftSettings: settings),
    // Floor 5: the use cases across rooms and records.
    .target(
      name: "Service",
      dependencies: [
        "RoomCore", "JSONText", "Ordering", "Wire", "Store", "Rooms", "Directory", "Link", logging, metrics,
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      swiftSettings: settings),
    // Floor 6: transport.
    .target(
      name: "Gateway",
      dependencies: [
        "JSONText", "RoomCore", "Ordering", "Wire", "Store", "Rooms", "Directory", "Link", "Service", collections,
        logging, metrics,
        coreMetrics,
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
        .product(name: "NIOHTTPTypesHTTP2", package: "swift-nio-extras"),
        .product(name: "NIOHTTP2", package: "swift-nio-http2"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "JWTKit", package: "jwt-kit"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ] + nio,
      resources: [.embedInCode("HTTP/openapi.json")], swiftSettings: settings),
    // Floor 7: the clients that measure it, and the command.
    .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .target(
      name: "Load",
      dependencies: [
        "CNghttp2", .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "Histogram", package: "hdrhistogram-swift"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "stonepot",
      dependencies: [
        "JSONText", "RoomCore", "Membership", "Ordering", "Wire", "Store", "Rooms", "Directory", "Link", "Service",
        "Gateway", "Load", logging, metrics, .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: settings),

    // Not part of the command: `make bench-micro` builds it.
    .executableTarget(
      name: "stonepot-micro",
      dependencies: [
        "JSONText", "RoomCore", "Ordering", "Wire", "Store", "Gateway",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      path: "benchmarks/micro", swiftSettings: settings),

    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
    .testTarget(name: "JSONTextTests", dependencies: ["JSONText", "TestSupport"], swiftSettings: settings),
    .testTarget(name: "RoomCoreTests", dependencies: ["RoomCore", "JSONText", "TestSupport"], swiftSettings: settings),
    .testTarget(
      name: "MembershipTests", dependencies: ["Membership", "RoomCore", "TestSupport"], swiftSettings: settings),
    .testTarget(
      name: "OrderingTests", dependencies: ["Ordering", "RoomCore", "JSONText", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "WireTests", dependencies: ["Wire", "Ordering", "RoomCore", "JSONText", "TestSupport"],
      exclude: ["Golden"], swiftSettings: settings),
    // The contract that every store is held to, and a store that fails on demand.
    .target(
      name: "StoreTesting",
      dependencies: [
        "Store", "RoomCore", "TestSupport", "CPostgres", .product(name: "GRDBSQLite", package: "GRDB.swift"),
      ],
      path: "Tests/StoreTesting", swiftSettings: settings),
    .executableTarget(
      name: "store-crash-child", dependencies: ["Store", "RoomCore", "TestSupport"], path: "Tests/StoreCrashChild",
      swiftSettings: settings),
    .testTarget(
      name: "StoreTests",
      dependencies: [
        "Store", "StoreTesting", "TestSupport", "RoomCore", "store-crash-child",
        .product(name: "GRDBSQLite", package: "GRDB.swift"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "RoomsTests",
      dependencies: [
        "Rooms", "Wire", "Store", "StoreTesting", "TestSupport", "RoomCore", "JSONText", "Ordering", logging,
        .product(name: "InMemoryLogging", package: "swift-log"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "DirectoryTests",
      dependencies: ["Directory", "Ordering", "Store", "StoreTesting", "RoomCore", "TestSupport"],
      swiftSettings: settings),
    // An order desk in memory, and a receiver of webhooks.
    .target(
      name: "ServiceTesting",
      dependencies: [
        "Service", "Directory", "Ordering", "RoomCore", .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      path: "Tests/ServiceTesting", swiftSettings: settings),
    .testTarget(
      name: "ServiceTests",
      dependencies: [
        "Service", "ServiceTesting", "Directory", "Link", "Rooms", "Wire", "Ordering", "Store", "StoreTesting",
        "RoomCore", "JSONText", "TestSupport", logging,
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      exclude: ["Assistant/Golden"], swiftSettings: settings),
    .testTarget(
      name: "LinkTests",
      dependencies: [
        "Link", "Membership", "Wire", "Store", "Rooms", "Ordering", "RoomCore", "JSONText", "TestSupport", logging,
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      swiftSettings: settings),
    .testTarget(
      name: "GatewayTests",
      dependencies: [
        "Gateway", "Service", "ServiceTesting", "Load", "Link", "Rooms", "Directory", "Wire", "Store", "StoreTesting",
        "Ordering", "Membership", "RoomCore", "JSONText", "TestSupport", logging, coreMetrics, "stonepot",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "JWTKit", package: "jwt-kit"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ] + nio,
      swiftSettings: settings),
    // A whole cluster in virtual time: `make simulate` runs it.
    .executableTarget(
      name: "simulate",
      dependencies: [
        "Gateway", "Link", "Rooms", "Wire", "Store", "Ordering", "Membership", "RoomCore", "TestSupport", logging,
        .product(name: "HeapModule", package: "swift-collections"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
      ],
      path: "Tests/Simulation", swiftSettings: settings),
    .testTarget(
      name: "SimulationTests", dependencies: ["simulate", "TestSupport"], swiftSettings: settings),
    .testTarget(
      name: "LoadTests",
      dependencies: ["Load", .product(name: "NIOHTTP2", package: "swift-nio-http2")] + nio,
      swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)
