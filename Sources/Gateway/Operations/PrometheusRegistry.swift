package import CoreMetrics
import Synchronization

/// A backend for swift-metrics that keeps every metric in memory and renders them all in the Prometheus text format,
/// version 0.0.4.
///
/// Timers and aggregating recorders are not kept: how long things take is the load generator's business.
package final class PrometheusRegistry: MetricsFactory {
  private struct Key: Hashable, Comparable {
    let label: String
    let dimensions: String

    static func < (left: Key, right: Key) -> Bool {
      (left.label, left.dimensions) < (right.label, right.dimensions)
    }
  }

  private struct Metrics {
    var counters: [Key: CounterCell] = [:]
    var floatingPointCounters: [Key: FloatingPointCounterCell] = [:]
    var meters: [Key: MeterCell] = [:]
  }

  private let metrics = Mutex(Metrics())

  package init() {}

  /// Every metric with its present value, in the order of their names.
  package func render() -> String {
    let metrics = metrics.withLock { $0 }
    var text = ""
    var described: Set<String> = []
    func line(_ key: Key, kind: String, _ value: String) {
      if described.insert(key.label).inserted { text += "# TYPE \(key.label) \(kind)\n" }
      text += "\(key.label)\(key.dimensions) \(value)\n"
    }
    for (key, cell) in metrics.counters.sorted(by: { $0.key < $1.key }) {
      line(key, kind: "counter", "\(cell.value.load(ordering: .relaxed))")
    }
    for (key, cell) in metrics.floatingPointCounters.sorted(by: { $0.key < $1.key }) {
      line(key, kind: "counter", "\(cell.value)")
    }
    for (key, cell) in metrics.meters.sorted(by: { $0.key < $1.key }) { line(key, kind: "gauge", "\(cell.value)") }
    return text
  }

  // MARK: - MetricsFactory

  package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    cell(label, dimensions, in: \.counters) { CounterCell() }
  }

  package func makeFloatingPointCounter(
    label: String, dimensions: [(String, String)]
  ) -> any FloatingPointCounterHandler {
    cell(label, dimensions, in: \.floatingPointCounters) { FloatingPointCounterCell() }
  }

  package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    cell(label, dimensions, in: \.meters) { MeterCell() }
  }

  package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
    aggregate ? NOOPMetricsHandler.instance : cell(label, dimensions, in: \.meters) { MeterCell() }
  }

  package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    NOOPMetricsHandler.instance
  }

  // A metric lives as long as the process: forgetting one would make its counter start over.
  package func destroyCounter(_ handler: any CounterHandler) {}
  package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
  package func destroyMeter(_ handler: any MeterHandler) {}
  package func destroyRecorder(_ handler: any RecorderHandler) {}
  package func destroyTimer(_ handler: any TimerHandler) {}

  private func cell<Cell: AnyObject & Sendable>(
    _ label: String, _ dimensions: [(String, String)], in cells: any WritableKeyPath<Metrics, [Key: Cell]> & Sendable,
    make: () -> Cell
  ) -> Cell {
    let key = Key(label: Self.name(label), dimensions: Self.render(dimensions))
    return metrics.withLock { metrics in
      if let cell = metrics[keyPath: cells][key] { return cell }
      let cell = make()
      metrics[keyPath: cells][key] = cell
      return cell
    }
  }

  /// Letters, digits, `_` and `:` only.
  private static func name(_ label: String) -> String {
    String(label.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") ? $0 : "_" })
  }

  private static func render(_ dimensions: [(String, String)]) -> String {
    guard !dimensions.isEmpty else { return "" }
    let pairs = dimensions.map { name, value in
      let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
      return "\(Self.name(name))=\"\(escaped)\""
    }
    return "{\(pairs.joined(separator: ","))}"
  }
}

private final class CounterCell: CounterHandler {
  let value = Atomic<Int64>(0)

  func increment(by amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
  func reset() { value.store(0, ordering: .relaxed) }
}

private final class FloatingPointCounterCell: FloatingPointCounterHandler {
  private let state = Mutex(0.0)

  var value: Double { state.withLock { $0 } }

  func increment(by amount: Double) { state.withLock { $0 += amount } }
  func reset() { state.withLock { $0 = 0 } }
}

private final class MeterCell: MeterHandler, RecorderHandler {
  private let state = Mutex(0.0)

  var value: Double { state.withLock { $0 } }

  func set(_ value: Int64) { set(Double(value)) }
  func set(_ value: Double) { state.withLock { $0 = value } }
  func increment(by amount: Double) { state.withLock { $0 += amount } }
  func decrement(by amount: Double) { state.withLock { $0 -= amount } }
  func record(_ value: Int64) { set(Double(value)) }
  func record(_ value: Double) { set(value) }
}
