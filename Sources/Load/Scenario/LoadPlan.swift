package import Foundation

/// A workload, and what is expected of the server under it: what a file in `benchmarks/scenarios` holds.
///
/// The file is a JSON object with `kind`, any parameters of that kind under their names, `about` in words, and
/// `thresholds`: an object with a figure's name, as `latencies.ownEcho.p99Micros`, and what it is to be, as
/// `{"atMost": 15000}`. What is not said is as usual.
package struct LoadPlan: Sendable, Equatable {
  package var about = ""
  package var workload: Workload
  package var thresholds: [LoadThreshold] = []

  package init(_ workload: Workload) { self.workload = workload }

  /// - Parameters:
  ///   - changes: parameters that are to be others than the file says, as names and JSON values; what is no JSON is text.
  ///   - roomPrefix: how rooms are called, if nothing else is said.
  /// - Throws: `LoadFailure.scenario`, which says what is wrong.
  package init(json: Data, changes: [(name: String, value: String)] = [], roomPrefix: String) throws(LoadFailure) {
    do {
      guard var object = try JSONSerialization.jsonObject(with: json) as? [String: Any] else {
        throw LoadFailure.scenario("the file holds no JSON object")
      }
      about = object.removeValue(forKey: "about") as? String ?? ""
      thresholds = try Self.thresholds(object.removeValue(forKey: "thresholds") ?? [String: Any]())
      for (name, value) in changes { object[name] = Self.value(value) }
      guard let kind = object["kind"] as? String, let usual = Workload(kind, roomPrefix: roomPrefix) else {
        let known = Workload.names.joined(separator: ", ")
        throw LoadFailure.scenario("kind must be one of \(known)")
      }
      workload = try Self.workload(usual, object)
    } catch let failure as LoadFailure {
      throw failure
    } catch let DecodingError.typeMismatch(_, context), let DecodingError.dataCorrupted(context) {
      let name = context.codingPath.map(\.stringValue).joined(separator: ".")
      throw .scenario("\(name.isEmpty ? "the file" : name) has a value of the wrong kind")
    } catch {
      throw .scenario("it cannot be read: \(error.localizedDescription)")
    }
    if let complaint = workload.parameters.complaint { throw .scenario(complaint) }
  }

  /// The usual parameters, and over them what is said.
  private static func workload(_ usual: Workload, _ said: [String: Any]) throws -> Workload {
    guard var object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(usual)) as? [String: Any] else {
      throw LoadFailure.scenario("its parameters are no object")
    }
    let unknown = Set(said.keys).subtracting(object.keys).sorted()
    guard unknown.isEmpty else {
      let known = object.keys.sorted().joined(separator: ", ")
      throw LoadFailure.scenario("there is no parameter \(unknown.joined(separator: ", ")); there are \(known)")
    }
    object.merge(said) { $1 }
    return try JSONDecoder().decode(Workload.self, from: JSONSerialization.data(withJSONObject: object))
  }

  private static func value(_ text: String) -> Any {
    do {
      return try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
    } catch {
      // A word without its quotes.
      return text
    }
  }

  private static func thresholds(_ object: Any) throws(LoadFailure) -> [LoadThreshold] {
    guard let object = object as? [String: [String: Double]] else {
      throw .scenario("thresholds must be an object of objects with numbers")
    }
    return try object.sorted { $0.key < $1.key }.map { figure, bounds throws(LoadFailure) in
      guard !bounds.isEmpty, Set(bounds.keys).isSubset(of: ["atLeast", "atMost"]) else {
        throw .scenario("the threshold of \(figure) must have atLeast or atMost")
      }
      return LoadThreshold(figure: figure, atLeast: bounds["atLeast"], atMost: bounds["atMost"])
    }
  }
}

/// What a figure of a report is to be.
package struct LoadThreshold: Codable, Sendable, Equatable {
  /// Its place in the report as JSON, names with dots between them.
  package var figure: String
  package var atLeast: Double?
  package var atMost: Double?

  package init(figure: String, atLeast: Double? = nil, atMost: Double? = nil) {
    self.figure = figure
    self.atLeast = atLeast
    self.atMost = atMost
  }

  package func isMet(by value: Double) -> Bool { value >= atLeast ?? -.infinity && value <= atMost ?? .infinity }
}

extension LoadReport {
  /// Holds the report against what was expected.
  package mutating func judge(by thresholds: [LoadThreshold]) throws {
    let figures = try LoadFigures(of: self)
    judgements = thresholds.map { threshold in
      let value = figures[threshold.figure]
      return Judgement(threshold: threshold, value: value, isMet: value.map(threshold.isMet) ?? false)
    }
  }
}

/// All numbers of a report, by their places in it.
package struct LoadFigures: Sendable {
  package let values: [String: Double]

  package init(of report: some Encodable) throws { try self.init(json: JSONEncoder().encode(report)) }

  package init(json: Data) throws {
    var values: [String: Double] = [:]
    func add(_ value: Any, at path: String) {
      switch value {
      case let object as [String: Any]:
        for (name, value) in object { add(value, at: path.isEmpty ? name : "\(path).\(name)") }
      case let number as NSNumber: values[path] = number.doubleValue
      // Lists are curves and lines of time: no figures.
      default: break
      }
    }
    add(try JSONSerialization.jsonObject(with: json), at: "")
    self.values = values
  }

  package subscript(name: String) -> Double? { values[name] }
}
