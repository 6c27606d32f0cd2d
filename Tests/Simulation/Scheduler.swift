import Foundation
import HeapModule
import TestSupport

/// Virtual time, and all that happens in it, on one thread.
///
/// Whatever a process does is an entry here: its event loop's work, its tasks' jobs, its timers, what the network and the
/// store bring it. Entries are taken in the order of their time. A process that is paused keeps its entries until it goes
/// on, one that has crashed loses them.
///
/// Jobs without an executor of their own come by way of the runtime's hook, which there is one of in a program: so is this.
final class Scheduler: @unchecked Sendable {
  // Unchecked: everything happens on the one thread that has called `run`, which `assertOnThread` holds it to.

  /// The one that runs now.
  nonisolated(unsafe) private(set) static var current: Scheduler?

  private struct Entry: Comparable {
    let time: Int64
    let order: Int
    let life: Life?
    let work: () -> Void

    static func < (left: Entry, right: Entry) -> Bool { (left.time, left.order) < (right.time, right.order) }
    static func == (left: Entry, right: Entry) -> Bool { left.order == right.order }
  }

  private var entries = Heap<Entry>()
  private var added = 0
  /// Nanoseconds since the beginning.
  private(set) var now: Int64 = 0
  /// Whose entry is being worked on.
  private(set) var life: Life?
  /// Whether that is on the life's event loop.
  private(set) var isOnLoop = false
  private var chance: SplitMix64
  private(set) var steps = 0
  private let thread = Thread.current

  init(seed: UInt64) { chance = SplitMix64(seed: seed) }

  func assertOnThread() {
    precondition(Thread.current == thread, "something of the simulation runs on a thread of its own")
  }

  // MARK: - Adding

  /// Does something later, for nobody or as a process.
  func after(_ nanoseconds: Int64, as life: Life? = nil, _ work: @escaping () -> Void) {
    add(at: now + nanoseconds, life, work)
  }

  /// In the order of the calls.
  func onLoop(of life: Life, after nanoseconds: Int64 = 0, _ work: @escaping () -> Void) {
    let time = max(now + nanoseconds, life.loopBusyUntil) + Int64(chance.below(20_000))
    // What is timed for later must not hold up what comes before.
    if nanoseconds == 0 { life.loopBusyUntil = time }
    add(at: time, life) { [self] in
      isOnLoop = true
      work()
      isOnLoop = false
    }
  }

  /// A job of the pool of all threads: in no order.
  func enqueue(_ job: UnownedJob) {
    assertOnThread()
    add(at: now + Int64(chance.below(30_000)), life) { job.runSynchronously(on: Pool.executor) }
  }

  private func add(at time: Int64, _ life: Life?, _ work: @escaping () -> Void) {
    assertOnThread()
    if let life, life.hasEnded { return }
    added += 1
    entries.insert(Entry(time: time, order: added, life: life, work: work))
  }

  // MARK: - Running

  /// Runs until the given moment, or until `isOver`.
  func run(until end: Int64, orUntil isOver: () -> Bool = { false }) {
    Self.current = self
    while let next = entries.min, next.time <= end, !isOver() {
      _ = entries.popMin()
      now = max(now, next.time)
      if let life = next.life {
        if life.hasEnded { continue }
        if life.isPaused {
          life.held.append(next.work)
          continue
        }
      }
      steps += 1
      life = next.life
      next.work()
      life = nil
    }
    if !isOver() { now = max(now, end) }
  }

  func resume(_ life: Life) {
    let held = life.held
    life.held = []
    for work in held { add(at: now, life, work) }
  }

  func random(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &chance) }
}

/// One life of a process: from its start to its end.
final class Life: @unchecked Sendable {
  // Unchecked: touched by the scheduler's thread only.
  let name: String
  /// How many parts in a million its clocks are fast.
  let driftPPM: Int64
  /// What its time of day is wrong by, in milliseconds.
  var wallOffsetMillis: Int64
  fileprivate(set) var hasEnded = false
  private(set) var isPaused = false
  fileprivate var held: [() -> Void] = []
  fileprivate var loopBusyUntil: Int64 = 0
  private let scheduler: Scheduler

  init(_ name: String, driftPPM: Int64, wallOffsetMillis: Int64, in scheduler: Scheduler) {
    self.name = name
    self.driftPPM = driftPPM
    self.wallOffsetMillis = wallOffsetMillis
    self.scheduler = scheduler
  }

  func end() {
    hasEnded = true
    held = []
  }

  func pause() { isPaused = true }

  func resume() {
    guard isPaused else { return }
    isPaused = false
    scheduler.resume(self)
  }

  /// What its steady clock says.
  var steadyNanoseconds: Int64 { local(scheduler.now) + 1_000_000_000 }
  /// What its time of day is, in milliseconds since 1970.
  var wallMillis: Int64 { 1_800_000_000_000 + local(scheduler.now) / 1_000_000 + wallOffsetMillis }

  private func local(_ time: Int64) -> Int64 { time + time / 1_000_000 * driftPPM }
  /// How long a time on its clock takes.
  func real(_ nanoseconds: Int64) -> Int64 { nanoseconds - nanoseconds / 1_000_000 * driftPPM }
}

/// Where jobs run that have no executor of their own.
private final class Pool: TaskExecutor {
  private static let pool = Pool()
  static var executor: UnownedTaskExecutor { UnownedTaskExecutor(ordinary: pool) }

  func enqueue(_ job: consuming ExecutorJob) {
    guard let scheduler = Scheduler.current else { preconditionFailure("nothing is simulated") }
    scheduler.enqueue(UnownedJob(job))
  }
}

/// Has the runtime hand every job that has no executor to the scheduler.
///
/// Set once, before any task is made. The runtime of the language has no interface for it but this.
enum RuntimeHook {
  private typealias Original = @convention(thin) (UnownedJob) -> Void
  private typealias Hook = @convention(thin) (UnownedJob, Original) -> Void

  static func install() {
    guard let symbol = dlsym(dlopen(nil, RTLD_LAZY), "swift_task_enqueueGlobal_hook") else {
      preconditionFailure("this runtime does not let its jobs be taken over")
    }
    let hook: Hook = { job, _ in
      guard let scheduler = Scheduler.current else { preconditionFailure("a task begins before the simulation") }
      scheduler.enqueue(job)
    }
    symbol.assumingMemoryBound(to: Hook?.self).pointee = hook
  }
}

/// A clock of a process, to sleep on.
struct VirtualClock: Clock {
  struct Instant: InstantProtocol {
    var nanoseconds: Int64

    func advanced(by duration: Duration) -> Instant { Instant(nanoseconds: nanoseconds + duration.nanoseconds) }
    func duration(to other: Instant) -> Duration { .nanoseconds(other.nanoseconds - nanoseconds) }
    static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
  }

  let scheduler: Scheduler
  let life: Life

  var now: Instant { Instant(nanoseconds: life.steadyNanoseconds) }
  var minimumResolution: Duration { .nanoseconds(1) }

  /// - Throws: `CancellationError`, once the time is over: a simulation cuts no sleep short.
  func sleep(until deadline: Instant, tolerance: Duration?) async throws {
    let wait = life.real(max(0, deadline.nanoseconds - now.nanoseconds))
    await withUnsafeContinuation { continuation in
      scheduler.after(wait, as: life) { continuation.resume() }
    }
    try Task.checkCancellation()
  }
}

extension Duration {
  var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
