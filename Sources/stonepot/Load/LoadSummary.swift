import Load

extension LoadReport {
  /// A few lines for a person.
  var summary: String {
    let listeners = scenario.listenersPerRoom > 0 ? " + \(scenario.listenersPerRoom) listeners" : ""
    var lines = [
      "\(scenario.rooms) rooms × \(scenario.participantsPerRoom)\(listeners), dialect \(scenario.dialect.rawValue), "
        + "\(scenario.operationsInFlight) in flight, \(scenario.measuredSeconds) s",
      "set up:   \(setup.connections) connections in \(setup.seconds) s, \(setup.connectionsPerSecond) per second"
        + (setup.connectionsPerCPUSecond.map { ", \($0) per CPU-second" } ?? ""),
    ]
    if scenario.pacing != .idle {
      lines += [
        "\(operationsPerSecond) operations/s, \(deliveriesPerSecond) deliveries/s of \(bytesPerBroadcast) bytes",
        "own echo: \(ownEcho.summary)",
        "others:   \(others.summary)",
      ]
    }
    if let server {
      lines.append(
        "server:   \(server.operationsPerCPUSecond) operations and \(server.deliveriesPerCPUSecond) deliveries per "
          + "CPU-second, \(rounded(server.cpuSeconds)) s of CPU, "
          + "\(server.residentBeforeKB / 1024) → \(server.residentAfterKB / 1024) MB, "
          + "\(server.bytesPerConnection) bytes for each connection")
    }
    lines.append(
      "driver:   \(driver.cpuMicrosPerOperation) µs of CPU per operation, busy \(driver.busyFraction) of its time")
    if !errors.isEmpty {
      lines.append("ERRORS:   \(errors.count)")
      lines += errors.samples.map { "  \($0)" }
    }
    return lines.joined(separator: "\n")
  }
}

extension VisitReport {
  /// A few lines for a person.
  var summary: String {
    var lines = [
      "\(visits) visits to \(scenario.rooms) rooms, \(scenario.visitsPerSecond) per second, dialect "
        + "\(scenario.dialect.rawValue), \(bytesPerSync) bytes each",
      "first sync:    \(firstSync.summary)",
      "after upgrade: \(afterUpgrade.summary)",
    ]
    if let server {
      lines.append(
        "server:        \(server.visitsPerCPUSecond) visits per CPU-second, "
          + "\(server.residentBeforeKB / 1024) → \(server.residentAfterKB / 1024) MB")
    }
    lines.append("driver:        busy \(driver.busyFraction) of its time")
    if !errors.isEmpty {
      lines.append("ERRORS:        \(errors.count)")
      lines += errors.samples.map { "  \($0)" }
    }
    return lines.joined(separator: "\n")
  }
}

extension LoadReport.Latency {
  var summary: String {
    "p50 \(p50Micros) µs, p99 \(p99Micros) µs, p99.9 \(p999Micros) µs, max \(maxMicros) µs"
  }
}
