import Foundation
import StoreTesting
import TestSupport
import Testing

@Suite("The example session", .timeLimit(.minutes(3)))
struct ExampleSessionTests {
  /// A piece of the page: what is typed, and what is answered if the page shows it.
  private struct Step {
    let commands: String
    var answer: String?
  }

  @Test("a shell in which docs/example-session.md is typed answers what the page says")
  func session() async throws {
    let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/example-session.md")
    let steps = try Self.steps(of: String(contentsOf: page, encoding: .utf8))
    #expect(steps.count >= 10 && steps.count { $0.answer != nil } >= 9)
    try await withPrograms { directory async throws in
      let server = try await ServingProcess.start(directory.file("rooms.sqlite"))
      // Between the steps stands a character that no answer has.
      let script = steps.map { $0.commands + "printf '\\036\\n'\n" }.joined()
        .replacing("127.0.0.1:1999", with: "127.0.0.1:\(server.port)")
      let shell = try await ChildProcess("/bin/bash", ["-euo", "pipefail", "-c", script]).result()
      #expect(shell.exit == .code(0), "\(shell.output) \(shell.errors)")
      let outputs = shell.output.split(separator: "\u{1E}", omittingEmptySubsequences: false)
      try #require(outputs.count == steps.count + 1, "\(shell.output)")
      for (step, output) in zip(steps, outputs) {
        let output = output.trimmingCharacters(in: .whitespacesAndNewlines)
        guard let answer = step.answer else {
          #expect(output.isEmpty, "\(step.commands)")
          continue
        }
        let (told, seen) = (try JSON(parsing: answer), try JSON(parsing: output))
        #expect(told.describes(seen), "\(step.commands) was answered\n\(output), and not\n\(answer)")
      }
      server.child.kill(SIGTERM)
      #expect(await server.child.exit == .code(0))
    }
  }

  @Test("an ellipsis stands for any value, and for fields that are left out, and nothing else does")
  func ellipses() throws {
    let told = try JSON(parsing: #"{"a":"…","b":[1,{"c":2,"…":"…"}]}"#)
    for (seen, isSo) in [
      (#"{"a":7,"b":[1,{"c":2,"d":3}]}"#, true), (#"{"a":null,"b":[1,{"c":2}]}"#, true), (#"{"b":[1,{"c":2}]}"#, false),
      (#"{"a":7,"b":[1,{"d":3}]}"#, false), (#"{"a":7,"b":[1,{"c":3}]}"#, false), (#"{"a":7,"b":[1]}"#, false),
      (#"{"a":7,"b":[1,{"c":2}],"e":1}"#, false), (#"{"a":7,"b":[1,{"c":2},3]}"#, false),
    ] {
      #expect(told.describes(try JSON(parsing: seen)) == isSo, "\(seen)")
    }
  }

  /// What is fenced as `sh`, each with what is fenced as `json` behind it.
  private static func steps(of page: String) -> [Step] {
    var steps: [Step] = []
    var (fence, text) = ("", "")
    for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
      if !line.hasPrefix("```") {
        text += line + "\n"
        continue
      }
      if fence == "```sh" { steps.append(Step(commands: text)) }
      if fence == "```json", !steps.isEmpty { steps[steps.count - 1].answer = text }
      (fence, text) = (fence.isEmpty ? String(line) : "", "")
    }
    return steps
  }
}

extension JSON {
  /// Whether another value is this one, where `…` stands for what is not told.
  fileprivate func describes(_ other: JSON) -> Bool {
    switch (self, other) {
    case ("…", _): other != .missing
    case (.array(let told), .array(let seen)):
      told.count == seen.count && zip(told, seen).allSatisfy { $0.describes($1) }
    case (.object(let told), .object):
      told.allSatisfy { name, value in name == "…" || value.describes(other[name]) }
        && (told["…"] != nil || other.keys == Set(told.keys))
    default: self == other
    }
  }
}
