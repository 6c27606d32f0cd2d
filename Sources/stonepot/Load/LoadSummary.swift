import Load

extension LoadReport {
  /// A few lines for a person.
  var summary: String {
    var lines: [String] = []
    if let setup {
      lines.append(
        "set up:   \(setup.connections) connections in \(setup.seconds) s, \(setup.connectionsPerSecond) per second"
          + (setup.connectionsPerCPUSecond.map { ", \($0) per CPU-second" } ?? ""))
    }
    if operations > 0 || deliveries > 0 {
      lines.append(
        "\(operationsPerSecond) operations/s, \(deliveriesPerSecond) deliveries/s of \(bytesPerDelivery) bytes, for "
          + "\(seconds) s")
    }
    for latency in LoadLatency.allCases where latencies[latency.name] != nil {
      lines.append("\(latency.name):".padding(to: 17) + self[latency].summary)
    }
    if let server {
      lines.append(
        "server:   \(server.operationsPerCPUSecond) operations and \(server.deliveriesPerCPUSecond) deliveries per "
          + "CPU-second, \(rounded(server.cpuSeconds)) s of CPU, "
          + "\(server.residentBeforeKB / 1024) → \(server.residentAfterKB / 1024) MB"
          + (server.bytesPerConnection == 0 ? "" : ", \(server.bytesPerConnection) bytes for each connection"))
    }
    lines.append(
      "driver:   \(driver.cpuMicrosPerOperation) µs of CPU per operation, busy \(driver.busyFraction) of its time"
        + (driver.isBottleneck ? ": IT MAY HAVE BEEN WHAT WAS SLOW" : ""))
    for judgement in judgements {
      lines.append(
        "\(judgement.isMet ? "met:     " : "MISSED:  ") \(judgement.threshold.figure) \(judgement.found), "
          + judgement.threshold.words)
    }
    if !errors.isEmpty {
      lines.append("ERRORS:   \(errors.count)")
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

extension String {
  fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
