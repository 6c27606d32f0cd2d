import CoreMetrics
import Directory
import Hummingbird
import NIOCore
import Ordering
import RoomCore
import Rooms
import Store
import Synchronization

/// Who asks.
enum Caller: Sendable, Equatable {
  /// Where everybody may come.
  case anybody
  /// Whoever has the admin token.
  case `operator`
  /// Servers of a tenant.
  case key(ApiKey)

  /// May manage tenants and their keys.
  var isOperator: Bool { if case .key = self { false } else { true } }

  func mayAct(for tenant: String) -> Bool {
    switch self {
    case .anybody, .operator: true
    case .key(let key): key.tenant == tenant
    }
  }
}

/// Says who asks for records, whether they may, and how often.
///
/// In open mode that is anybody; else it takes the admin token, or an API key of the tenant whose records they are.
final class Authority: Sendable {
  private let directory: Directory
  private let settings: GatewaySettings
  private let time: any TimeSource
  private let metrics: GatewayMetrics
  private let keys = Mutex(KnownKeys())
  /// Nil: there is no limit.
  let rates: RequestRates?

  init(directory: Directory, settings: GatewaySettings, time: any TimeSource, metrics: GatewayMetrics) {
    self.directory = directory
    self.settings = settings
    self.time = time
    self.metrics = metrics
    rates = settings.requestsPerSecond.map { RequestRates(perSecond: $0) }
  }

  /// What became of a request before anybody has looked into it.
  struct Admission: Sendable {
    let caller: Result<Caller, Problem>
    /// Nil: nobody counts.
    let reading: RequestRates.Reading?

    /// - Throws: why the caller may do nothing here.
    func require() throws(Problem) -> Caller { try caller.get() }
  }

  /// Finds out who asks, and whether they may act for a tenant.
  ///
  /// - Parameters:
  ///   - tenant: nil for what is of no tenant, and the operators' alone.
  ///   - household: whom limits by address count.
  func admit(_ request: Request, to tenant: String?, from household: String?) async -> Admission {
    var count = Count(rates: rates, metrics: metrics)
    do throws(Problem) {
      let caller = try await identify(request, household, &count)
      guard tenant.map({ caller.mayAct(for: $0) }) ?? caller.isOperator else { throw .forbidden }
      return Admission(caller: .success(caller), reading: count.reading)
    } catch {
      return Admission(caller: .failure(error), reading: count.reading)
    }
  }

  private func identify(
    _ request: Request, _ household: String?, _ count: inout Count
  ) async throws(Problem) -> Caller {
    // Of clients without an address there are none on a network.
    let stranger = "address \(household ?? "")"
    if settings.tokens == nil {
      try count.take(stranger)
      return .anybody
    }
    guard let bearer = request.bearer else {
      try count.take(stranger)
      throw .noKey
    }
    if let token = settings.adminToken, token.matches(bearer) { return .operator }
    guard let text = ApiKeyText(bearer) else {
      try count.take(stranger)
      throw .noKey
    }
    switch keys.withLock({ $0.look(for: text, now: Self.now) }) {
    case .fresh(let key):
      try count.take("key \(key.id)")
      return try await accept(key)
    case .stale(let key):
      // Counted before the store is asked, on the account of whoever has the secret.
      try count.take("key \(key.id)")
      return try await accept(try await ask(text))
    case .wrongSecret, .noSuchKey:
      try count.take(stranger)
      throw .noKey
    case .unseen:
      // Ids can be made up without end: the store is asked no more often than an address may ask.
      try count.take(stranger)
      let key = try await ask(text)
      try count.take("key \(key.id)")
      return try await accept(key)
    }
  }

  private func ask(_ text: ApiKeyText) async throws(Problem) -> ApiKey {
    let now = Self.now
    let stored: StoredApiKey?
    do {
      stored = try await directory.storedKey(text.id)
    } catch {
      throw Problem(
        status: 503, code: "store_unavailable", title: "Keys cannot be looked up now",
        detail: (error as? StoreError)?.message)
    }
    keys.withLock { $0.learn(stored, of: text.id, lookedAt: now) }
    guard let stored, stored.matches(text) else { throw .noKey }
    return stored.key
  }

  private func accept(_ key: ApiKey) async throws(Problem) -> Caller {
    guard key.isGood(at: time.now()) else { throw .noKey }
    if keys.withLock({ $0.isNoteDue(for: key.id, now: Self.now) }) {
      do {
        try await directory.noteUse(of: key.id)
      } catch {
        // The request is worth more than the note, which is made again in a minute.
        metrics.failedKeyNotes.increment()
      }
    }
    return .key(key)
  }

  /// A key is another than it was: this process need not wait to believe it.
  func forget(_ id: String) { keys.withLock { $0.forget(id) } }

  private static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

  /// Counts a request, by one caller or by two: first an address, then the key that turns out to be right.
  private struct Count {
    let rates: RequestRates?
    let metrics: GatewayMetrics
    var reading: RequestRates.Reading?

    mutating func take(_ caller: String) throws(Problem) {
      guard let reading = rates?.take(caller, now: Authority.now) else { return }
      self.reading = reading
      guard reading.isAdmitted else {
        metrics.limitedRequests.increment()
        throw Problem(
          status: 429, code: "rate_limited", title: "These are too many requests", detail: "try again later")
      }
    }
  }
}

extension Problem {
  fileprivate static var noKey: Problem {
    Problem(
      status: 401, code: "unauthorized", title: "A valid key is required",
      detail: "an API key of the tenant or the admin token, as Authorization: Bearer …")
  }

  static var forbidden: Problem {
    Problem(status: 403, code: "forbidden", title: "This key may not do that")
  }
}

extension Request {
  /// What `Authorization: Bearer …` bears.
  var bearer: String? {
    let prefix = "bearer "
    guard let given = headers[.authorization], given.lowercased().hasPrefix(prefix) else { return nil }
    return String(given.dropFirst(prefix.count))
  }
}

/// Stands before all that is under `/v1/tenants`: whoever adds a route there need not think of it.
///
/// It goes by the route that was found, not by the path's text, which may be written in several ways.
struct TenantGate: RouterMiddleware {
  let authority: Authority

  static let root = "/v1/tenants"

  func handle(
    _ request: Request, context: GatewayContext,
    next: (Request, GatewayContext) async throws -> Response
  ) async throws -> Response {
    guard let route = context.endpointPath, route == Self.root || route.hasPrefix(Self.root + "/") else {
      return try await next(request, context)
    }
    let admission = await authority.admit(
      request, to: context.parameters.get("tenant"), from: context.household)
    var response: Response
    do {
      var context = context
      context.caller = try admission.require()
      response = try await next(request, context)
    } catch let problem as Problem {
      response = problem.response
    } catch let error as HTTPError {
      response = Problem(error).response
    }
    if let reading = admission.reading { authority.rates?.note(reading, in: &response.headers) }
    return response
  }
}
