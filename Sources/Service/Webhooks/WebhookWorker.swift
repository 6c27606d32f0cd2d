package import Directory
package import Logging
import Ordering
package import RoomCore
import Synchronization

/// Sends what is due, several at once, and writes down what came of it.
///
/// Several processes may run one on the same store: each delivery is one worker's at a time, by a lease. A worker that dies
/// leaves its leases to run out, and another sends the same again: at least once, under the same id. Within a worker, an
/// endpoint has a share of the attempts only, so that one which stalls holds up nobody else.
package final class WebhookWorker: Sendable {
  private struct State {
    /// Attempts under way, by endpoint.
    var busy: [String: Int] = [:]
    var isStopping = false
    /// Attempts under way are not waited for any more.
    var isLate = false

    var count: Int { busy.values.reduce(0, +) }
  }

  private let webhooks: Webhooks
  private let client: WebhookClient
  private let settings: WebhookSettings
  private let now: @Sendable () -> Timestamp
  private let chance: @Sendable () -> Double
  private let logger: Logger
  private let metrics = WebhookMetrics()
  private let state = Mutex(State())
  private let (nudges, nudge): (AsyncStream<Void>, AsyncStream<Void>.Continuation)

  /// Between two looks at how much waits, and between two at what is too old, by the time of day.
  private static let (countingPeriod, clearingPeriod) = (Duration.seconds(10), Duration.seconds(60))

  /// - Parameters:
  ///   - now: the time of day.
  ///   - chance: a number from 0 to 1, at random.
  package init(
    webhooks: Webhooks, client: WebhookClient, settings: WebhookSettings, now: @escaping @Sendable () -> Timestamp,
    chance: @escaping @Sendable () -> Double, logger: Logger
  ) {
    precondition(settings.attemptLimit < settings.lease, "a lease of \(settings.lease) ends before an attempt does")
    self.webhooks = webhooks
    self.client = client
    self.settings = settings
    self.now = now
    self.chance = chance
    self.logger = logger
    // One that waits is as good as many: each look sees all that there is.
    (nudges, nudge) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Works until it is told to stop. Of attempts that are still under way then, those that take too long are broken off; what
  /// they were about is sent again when their leases have run out.
  package func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask {
        self.nudge.yield()
        // Cancelled when the work has ended.
        while (try? await ContinuousClock().sleep(for: self.settings.pollInterval)) != nil { self.nudge.yield() }
      }
      group.addTask { await self.keepHouse() }
      var rounds = Rounds()
      for await _ in nudges {
        let state = state.withLock { $0 }
        if state.isStopping {
          if state.busy.isEmpty || state.isLate { break }
          if !rounds.isEnding {
            rounds.isEnding = true
            group.addTask { await self.loseHeart() }
          }
          continue
        }
        for claim in await claims(&rounds) { group.addTask { await self.carryOut(claim) } }
      }
      group.cancelAll()
    }
  }

  /// Takes nothing new. May be called at any time, from anywhere.
  package func stop() {
    state.withLock { $0.isStopping = true }
    nudge.yield()
  }

  private func loseHeart() async {
    guard (try? await ContinuousClock().sleep(for: settings.stopLimit)) != nil else { return }
    state.withLock { $0.isLate = true }
    nudge.yield()
  }

  /// What is remembered from one look to the next.
  private struct Rounds {
    var isEnding = false
    /// Whether the last look failed: trouble with the store is told once.
    var isTroubled = false
  }

  private func claims(_ rounds: inout Rounds) async -> [WebhookClaim] {
    let busy = state.withLock { $0.busy }
    let free = settings.concurrency - busy.values.reduce(0, +)
    guard free > 0 else { return [] }
    do {
      let claims = try await webhooks.claim(
        free, perEndpoint: settings.concurrencyPerEndpoint, busy: busy, lease: settings.lease)
      rounds.isTroubled = false
      state.withLock { state in
        for claim in claims { state.busy[claim.endpoint.id, default: 0] += 1 }
        metrics.underWay(state.count)
      }
      return claims
    } catch {
      if !rounds.isTroubled { logger.warning("webhooks cannot be sent now", metadata: ["reason": "\(error)"]) }
      rounds.isTroubled = true
      return []
    }
  }

  private func carryOut(_ claim: WebhookClaim) async {
    await attempt(claim)
    state.withLock { state in
      let id = claim.endpoint.id
      state.busy[id] = state.busy[id].flatMap { $0 > 1 ? $0 - 1 : nil }
      metrics.underWay(state.count)
    }
    // There may be more for it.
    nudge.yield()
  }

  private func attempt(_ claim: WebhookClaim) async {
    let begin = now()
    let result = await client.send(WebhookMessage(claim, at: begin))
    if case .failure(.cancelled) = result.outcome { return }
    let end = now()
    var attempt = WebhookAttempt(at: begin, durationMillis: result.duration.clampedMillis)
    let outcome: RetrySchedule.Outcome
    switch result.outcome {
    case .success(let answer):
      attempt.status = answer.status
      attempt.response = answer.body.isEmpty ? nil : String(decoding: answer.body, as: UTF8.self)
      outcome = .answered(
        status: answer.status, retryAfter: answer.retryAfter.flatMap { RetryAfter.read($0, at: end) })
    case .failure(let failure):
      attempt.error = failure.message
      outcome = .noAnswer
    }
    let verdict = settings.schedule.verdict(after: claim.number, outcome, at: end, chance: chance())
    do {
      guard try await webhooks.settle(claim, attempt, as: verdict) else { return metrics.countLostLease() }
      metrics.count(verdict)
      if verdict == .gone { try await webhooks.cancelWaiting(for: claim.endpoint.id) }
    } catch {
      // It is due again when the lease ends.
      logger.warning(
        "it cannot be written down what came of a webhook",
        metadata: ["event": "\(claim.event)", "endpoint": "\(claim.endpoint.id)", "reason": "\(error)"])
    }
  }

  /// Beside the sending, which does not wait for it.
  private func keepHouse() async {
    var (countsNext, clearsNext) = (Timestamp(millis: 0), Timestamp(millis: 0))
    repeat {
      let now = now()
      do {
        if countsNext <= now {
          countsNext = now.advanced(by: Self.countingPeriod)
          metrics.backlog(try await webhooks.backlog(), at: now)
        }
        if clearsNext <= now {
          clearsNext = now.advanced(by: Self.clearingPeriod)
          try await webhooks.deleteEnded(before: now.advanced(by: .zero - settings.retention))
        }
      } catch {
        logger.debug("webhooks that have ended stay for now", metadata: ["reason": "\(error)"])
      }
    } while (try? await ContinuousClock().sleep(for: settings.pollInterval)) != nil
  }
}
