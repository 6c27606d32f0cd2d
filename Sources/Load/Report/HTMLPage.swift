/// A page that needs nothing else: no script, no font, no other file.
struct HTMLPage {
  private var body: [String] = []
  private let title: String

  init(_ title: String) { self.title = title }

  mutating func heading(_ text: String) { body.append("<h2>\(text.asHTML)</h2>") }
  mutating func paragraph(_ text: String, isWarning: Bool = false) {
    body.append("<p\(isWarning ? #" class="bad""# : "")>\(text.asHTML)</p>")
  }
  mutating func plot(_ plot: LinePlot) {
    body.append("<figure>\(plot.svg())<figcaption>\(plot.title.asHTML)</figcaption></figure>")
  }

  mutating func list(_ items: [String]) {
    body.append("<ol>" + items.map { "<li>\($0.asHTML)</li>" }.joined() + "</ol>")
  }

  /// - Parameter bad: rows in which something is not as it should be.
  mutating func table(_ head: [String] = [], _ rows: [[String]], bad: Set<Int> = []) {
    var lines = ["<table>"]
    if !head.isEmpty { lines.append("<tr>" + head.map { "<th>\($0.asHTML)</th>" }.joined() + "</tr>") }
    for (number, row) in rows.enumerated() {
      let cells = row.map { "<td>\($0.asHTML)</td>" }.joined()
      lines.append("<tr\(bad.contains(number) ? #" class="bad""# : "")>\(cells)</tr>")
    }
    body.append(lines.joined(separator: "\n") + "\n</table>")
  }

  var text: String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(title.asHTML)</title>
    <style>\(Self.style)</style>
    </head>
    <body>
    <h1>\(title.asHTML)</h1>
    \(body.joined(separator: "\n"))
    </body>
    </html>

    """
  }

  private static let style = """
    :root { color-scheme: light dark; --ink: #1c1c1c; --faint: #8884; --paper: #fff; --bad: #b00020 }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #161616; --bad: #ff6b81 } }
    body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 900px;
      margin: 2rem auto; padding: 0 1rem }
    h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto }
    th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--faint); vertical-align: top }
    .bad, .bad td { color: var(--bad); font-weight: 600 }
    figure { margin: 1rem 0; overflow-x: auto } figcaption { font-size: .85rem; text-align: center }
    svg { width: 100%; min-width: 40rem; height: auto }
    svg text { font: 11px system-ui, sans-serif; fill: var(--ink) }
    svg .end { text-anchor: end } svg .middle, svg .mark-number { text-anchor: middle }
    svg .grid { stroke: var(--faint) }
    svg .mark { stroke: var(--bad); stroke-dasharray: 4 3 }
    svg .end-mark { stroke: var(--ink); stroke-dasharray: 2 4 }
    """
}
