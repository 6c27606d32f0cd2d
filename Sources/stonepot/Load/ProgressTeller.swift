import Foundation
import Load

/// Says how far a run is: on a terminal one line that changes, else a line now and then.
struct ProgressTeller: Sendable {
  /// How long the run measures.
  let seconds: Double
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private static let barWidth = 24

  init(seconds: Double) { self.seconds = seconds }

  func tell(_ progress: LoadProgress) {
    switch progress {
    case .settingUp(let ready, let all): if all > 0 { say("setting up: \(ready) of \(all) are ready") }
    case .warmingUp: say("warming up")
    case .measured(let second, let figures):
      if isTerminal || second % 5 == 0 || Double(second) >= seconds { say(line(second, figures)) }
    case .draining: say("waiting for what is on its way")
    }
  }

  private func line(_ second: Int, _ figures: LoadReport.Second) -> String {
    let filled = min(Self.barWidth, Int(Double(second) / seconds * Double(Self.barWidth)))
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.barWidth - filled)
    return "\(bar) \(second) s  \(figures.operations)/s  p50 \(millis(figures.p50Micros)) ms  "
      + "p99 \(millis(figures.p99Micros)) ms  errors \(figures.errors)"
  }

  private func say(_ text: String) {
    FileHandle.standardError.write(Data((isTerminal ? "\r\u{1B}[K\(text)" : "load: \(text)\n").utf8))
  }

  /// Leaves the line to whoever comes.
  func end() {
    if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
  }
}
