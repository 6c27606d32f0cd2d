import Foundation

/// The names of the settings in a JSON file, as dotted paths: `{"token": {"secret": "…"}}` has `token.secret`.
enum SettingsFile {
  static func names(in path: String) throws -> Set<String> {
    let content = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
    var names: Set<String> = []
    collect(content, under: [], into: &names)
    return names
  }

  private static func collect(_ value: Any, under path: [String], into names: inout Set<String>) {
    guard let fields = value as? [String: Any] else {
      names.insert(path.joined(separator: "."))
      return
    }
    for (name, field) in fields { collect(field, under: path + [name], into: &names) }
  }
}
