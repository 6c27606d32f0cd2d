import Foundation

/// Rows under headings, with columns as wide as they must be.
struct TextTable {
  enum Alignment {
    case left, right
  }

  private let columns: [(heading: String, alignment: Alignment)]
  private var rows: [[String]] = []

  init(_ columns: (heading: String, alignment: Alignment)...) { self.columns = columns }

  mutating func add(_ cells: String...) {
    precondition(cells.count == columns.count, "\(cells.count) cells in \(columns.count) columns")
    rows.append(cells)
  }

  /// A moment, by milliseconds since 1970; `-` where there is none.
  static func time(_ millis: Int64?) -> String {
    millis.map { Date(timeIntervalSince1970: Double($0) / 1000).formatted(.iso8601) } ?? "-"
  }

  var lines: [String] {
    let all = [columns.map { $0.heading }] + rows
    let widths = columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { row in
      let cells = columns.indices.map { column in
        let space = String(repeating: " ", count: widths[column] - row[column].count)
        return columns[column].alignment == .left ? row[column] + space : space + row[column]
      }
      let line = cells.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }
}
