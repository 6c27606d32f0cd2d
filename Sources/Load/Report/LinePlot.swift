import Foundation

/// Lines over a common axis, drawn as SVG that needs nothing else.
struct LinePlot {
  struct Line {
    var name: String
    /// In the order of x. One that is not finite is a gap.
    var points: [(x: Double, y: Double)]
  }

  /// A time at which something happened.
  struct Mark {
    var x: Double
    var text: String
    /// Whether it was the end of something.
    var isEnd = false
  }

  enum Scale {
    case linear
    /// Of what is above 0; the rest lies on the axis.
    case logarithmic
  }

  var title: String
  var xTitle: String
  var yTitle: String
  var xScale = Scale.linear
  var yScale = Scale.linear
  /// What stands at the ticks of the x axis.
  var xLabel: (Double) -> String = LinePlot.short
  var lines: [Line]
  var marks: [Mark] = []

  private static let size = (width: 860.0, height: 300.0)
  private static let frame = (left: 64.0, right: 12.0, top: 30.0, bottom: 42.0)
  /// Told apart by who cannot tell red from green, too (Okabe and Ito).
  private static let colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"]

  /// - Returns: an element for an HTML page.
  func svg() -> String {
    let points = lines.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
    let x = Axis(points.map(\.x) + marks.map(\.x), xScale, Self.frame.left, Self.size.width - Self.frame.right)
    let y = Axis(points.map(\.y) + [0], yScale, Self.size.height - Self.frame.bottom, Self.frame.top)
    var parts = [
      #"<svg viewBox="0 0 \#(Int(Self.size.width)) \#(Int(Self.size.height))" role="img"><title>\#(title.asHTML)</title>"#
    ]
    parts += grid(x, y)
    parts += marks.enumerated().map { draw($1, number: $0, x) }
    for (number, line) in lines.enumerated() {
      let color = Self.colors[number % Self.colors.count]
      parts += Self.pieces(of: line.points).map { piece in
        let path = piece.map { "\(x.place($0.x).short),\(y.place($0.y).short)" }.joined(separator: " ")
        return #"<polyline points="\#(path)" fill="none" stroke="\#(color)" stroke-width="1.5"/>"#
      }
      let place = Self.frame.left + Double(number) * 150
      parts.append(
        #"<rect x="\#(place.short)" y="8" width="14" height="4" fill="\#(color)"/>"#
          + #"<text x="\#((place + 19).short)" y="14">\#(line.name.asHTML)</text>"#)
    }
    return (parts + ["</svg>"]).joined(separator: "\n")
  }

  private func grid(_ x: Axis, _ y: Axis) -> [String] {
    let (left, right) = (Self.frame.left, Self.size.width - Self.frame.right)
    let (top, bottom) = (Self.frame.top, Self.size.height - Self.frame.bottom)
    var parts = y.ticks.map { tick in
      let place = y.place(tick)
      return #"<line class="grid" x1="\#(left)" x2="\#(right)" y1="\#(place.short)" y2="\#(place.short)"/>"#
        + #"<text class="end" x="\#(left - 6)" y="\#((place + 4).short)">\#(Self.short(tick))</text>"#
    }
    parts += x.ticks.map { tick in
      let place = x.place(tick)
      return #"<line class="grid" x1="\#(place.short)" x2="\#(place.short)" y1="\#(top)" y2="\#(bottom)"/>"#
        + #"<text class="middle" x="\#(place.short)" y="\#(bottom + 16)">\#(xLabel(tick).asHTML)</text>"#
    }
    let middle = (top + bottom) / 2
    parts += [
      #"<text class="middle" x="\#((left + right) / 2)" y="\#(bottom + 34)">\#(xTitle.asHTML)</text>"#,
      #"<text class="middle" x="14" y="\#(middle)" transform="rotate(-90 14 \#(middle))">\#(yTitle.asHTML)</text>"#,
    ]
    return parts
  }

  private func draw(_ mark: Mark, number: Int, _ x: Axis) -> String {
    let place = x.place(mark.x).short
    let (top, bottom) = (Self.frame.top, Self.size.height - Self.frame.bottom)
    return
      #"<line class="\#(mark.isEnd ? "end-mark" : "mark")" x1="\#(place)" x2="\#(place)" y1="\#(top)" y2="\#(bottom)"/>"#
      + #"<text class="mark-number" x="\#(place)" y="\#(top - 3)">\#(number + 1)<title>\#(mark.text.asHTML)</title></text>"#
  }

  /// What lies between gaps.
  private static func pieces(of points: [(x: Double, y: Double)]) -> [[(x: Double, y: Double)]] {
    points.split { !$0.y.isFinite || !$0.x.isFinite }.map(Array.init)
  }

  /// With as few digits as tell ticks apart.
  static func short(_ value: Double) -> String {
    for (limit, unit) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where abs(value) >= limit {
      return (value / limit).short + unit
    }
    return value.short
  }
}

/// One direction of a plot.
private struct Axis {
  let ticks: [Double]
  private let scale: LinePlot.Scale
  private let (low, high): (Double, Double)
  private let (start, end): (Double, Double)

  /// - Parameters:
  ///   - start: where the least value is drawn.
  ///   - end: where the greatest is.
  init(_ values: [Double], _ scale: LinePlot.Scale, _ start: Double, _ end: Double) {
    self.scale = scale
    (self.start, self.end) = (start, end)
    switch scale {
    case .linear:
      let (least, most) = (values.min() ?? 0, values.max() ?? 1)
      let step = Self.step(over: max(most - least, 1e-9))
      low = (least / step).rounded(.down) * step
      high = max((most / step).rounded(.up) * step, low + step)
      ticks = Array(stride(from: low, through: high + step / 2, by: step))
    case .logarithmic:
      let positive = values.filter { $0 > 0 }
      let first = log10((positive.min() ?? 1)).rounded(.down)
      let last = max(log10((positive.max() ?? 10)).rounded(.up), first + 1)
      (low, high) = (first, last)
      ticks = stride(from: first, through: last, by: 1).map { pow(10, $0) }
    }
  }

  /// 1, 2 or 5 times a power of ten, such that there are five to ten.
  private static func step(over range: Double) -> Double {
    let power = pow(10, log10(range / 5).rounded(.down))
    let times = range / 5 / power
    return power * (times >= 5 ? 5 : times >= 2 ? 2 : 1)
  }

  func place(_ value: Double) -> Double {
    let position = scale == .linear ? value : value > 0 ? log10(value) : low
    return start + (end - start) * (min(max(position, low), high) - low) / (high - low)
  }
}

extension Double {
  /// To a tenth, without what is not needed.
  fileprivate var short: String {
    let tenths = (self * 10).rounded() / 10
    if tenths == tenths.rounded(), abs(tenths) < 1e15 { return "\(Int(tenths))" }
    return abs(self) >= 0.1 ? "\(tenths)" : "\(self)"
  }
}

extension String {
  /// As text of an HTML page or an attribute.
  var asHTML: String {
    var text = ""
    for character in unicodeScalars {
      switch character {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      default: text.unicodeScalars.append(character)
      }
    }
    return text
  }
}
