/// What is done to a server.
package enum Workload: Sendable, Equatable {
  case rooms(LoadScenario)
  case visits(VisitScenario)
  case rush(RushScenario)
  case storm(StormScenario)
  case requests(RequestScenario)
  case directory(DirectoryScenario)

  private static let kinds: [any LoadParameters.Type] = [
    LoadScenario.self, VisitScenario.self, RushScenario.self, StormScenario.self, RequestScenario.self,
    DirectoryScenario.self,
  ]

  /// All kinds that there are.
  package static var names: [String] { kinds.flatMap { $0.kinds } }

  private static func parameters(of kind: String) -> (any LoadParameters.Type)? {
    kinds.first { $0.kinds.contains(kind) }
  }

  /// - Parameter roomPrefix: how its rooms are called, if nothing else is said.
  /// - Returns: one with the parameters that are usual; nil if there is no such kind.
  package init?(_ kind: String, roomPrefix: String) {
    guard let parameters = Self.parameters(of: kind) else { return nil }
    self.init(parameters.init(kind: kind, roomPrefix: roomPrefix))
  }

  private init(_ parameters: any LoadParameters) {
    self =
      switch parameters {
      case let rooms as LoadScenario: .rooms(rooms)
      case let visits as VisitScenario: .visits(visits)
      case let rush as RushScenario: .rush(rush)
      case let storm as StormScenario: .storm(storm)
      case let requests as RequestScenario: .requests(requests)
      case let directory as DirectoryScenario: .directory(directory)
      default: preconditionFailure("a workload of a kind that is not among its kinds: \(type(of: parameters))")
      }
  }

  package var parameters: any LoadParameters {
    switch self {
    case .rooms(let rooms): rooms
    case .visits(let visits): visits
    case .rush(let rush): rush
    case .storm(let storm): storm
    case .requests(let requests): requests
    case .directory(let directory): directory
    }
  }
}

/// A workload as its parameters stand in JSON, `kind` among them.
extension Workload: Codable {
  private enum Key: String, CodingKey {
    case kind
  }

  package init(from decoder: any Decoder) throws {
    let kind = try decoder.container(keyedBy: Key.self).decode(String.self, forKey: .kind)
    guard let parameters = Self.parameters(of: kind) else {
      throw LoadFailure.scenario("there is no kind \(kind); there are \(Self.names.joined(separator: ", "))")
    }
    self.init(try parameters.init(from: decoder))
  }

  package func encode(to encoder: any Encoder) throws { try parameters.encode(to: encoder) }
}

/// The parameters of a kind of workload.
package protocol LoadParameters: Codable, Sendable, Equatable {
  static var kinds: [String] { get }
  init(kind: String, roomPrefix: String)
  /// What is wrong with them; nil if nothing is.
  var complaint: String? { get }
  var measuredSeconds: Double { get }
  /// What it is about.
  var mainLatency: LoadLatency { get }
}

extension LoadParameters {
  static func first(of complaints: String?...) -> String? { complaints.lazy.compactMap(\.self).first }

  /// What is wrong with a number, if it is not in its range.
  static func check<Number: Comparable>(
    _ name: String, _ value: Number, _ range: ClosedRange<Number>
  ) -> String? {
    range.contains(value) ? nil : "\(name) must be \(range.lowerBound) to \(range.upperBound)"
  }
}
