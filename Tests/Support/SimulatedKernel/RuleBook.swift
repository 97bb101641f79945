import Synchronization
import TestSupport

/// What was checked how often, and what failed. One book serves a whole run with many mounts.
public final class RuleBook: Sendable {
  public struct Violation: Sendable, CustomStringConvertible {
    public let rule: Rule
    public let what: String
    public var description: String { "\(rule)\(rule.isSafety ? " M" : ""): \(what)" }
  }

  private struct State {
    var exercised = [Int](repeating: 0, count: Rule.allCases.count + 1)
    var violated = [Int](repeating: 0, count: Rule.allCases.count + 1)
    /// The first of them, in order.
    var violations: [Violation] = []
    var failures: [String] = []
  }

  private let state = Mutex(State())
  /// Details are kept of so many violations; all are counted.
  private static let kept = 200

  public init() {}

  public func exercise(_ rule: Rule) {
    state.withLock { $0.exercised[rule.rawValue] += 1 }
  }

  public func violate(_ rule: Rule, _ what: String) {
    state.withLock {
      $0.violated[rule.rawValue] += 1
      if $0.violations.count < Self.kept { $0.violations.append(Violation(rule: rule, what: what)) }
    }
  }

  /// Counts an exercise, and a violation unless `isKept`.
  public func check(_ rule: Rule, _ isKept: Bool, _ what: @autoclosure () -> String) {
    exercise(rule)
    if !isKept { violate(rule, what()) }
  }

  /// Something went wrong that has no number: a request unanswered, wrong bytes read.
  public func fail(_ what: String) {
    state.withLock {
      if $0.failures.count < Self.kept { $0.failures.append(what) }
    }
  }

  /// Takes over what another book has.
  public func add(_ other: RuleBook) {
    let theirs = other.state.withLock { $0 }
    state.withLock { own in
      for index in own.exercised.indices {
        own.exercised[index] += theirs.exercised[index]
        own.violated[index] += theirs.violated[index]
      }
      own.violations += theirs.violations
      own.failures += theirs.failures
    }
  }

  public func timesExercised(_ rule: Rule) -> Int { state.withLock { $0.exercised[rule.rawValue] } }
  public func timesViolated(_ rule: Rule) -> Int { state.withLock { $0.violated[rule.rawValue] } }
  public var violations: [Violation] { state.withLock { $0.violations } }
  public var violationCount: Int { state.withLock { $0.violated.reduce(0, +) } }
  public var failures: [String] { state.withLock { $0.failures } }
  public var violatedRules: Set<Rule> {
    state.withLock { state in Set(Rule.allCases.filter { state.violated[$0.rawValue] > 0 }) }
  }
  public var neverExercised: [Rule] {
    state.withLock { state in Rule.allCases.filter { state.exercised[$0.rawValue] == 0 } }
  }
  public var isClean: Bool { state.withLock { $0.violations.isEmpty && $0.failures.isEmpty } }
  /// A rule marked M was violated: end the run.
  public var isFatal: Bool { state.withLock { $0.violations.contains { $0.rule.isSafety } } }

  /// Throws what failed, if anything did.
  public func verify() throws {
    guard !isClean else { return }
    let all = violations.map(\.description) + failures
    throw Failure(all.prefix(40).joined(separator: "\n"))
  }

  /// A line for each rule: number, text, times exercised, violations.
  public func report() -> String {
    let state = state.withLock { $0 }
    let lines = Rule.allCases.map { rule in
      let exercised = state.exercised[rule.rawValue]
      let violated = state.violated[rule.rawValue]
      let mark = violated > 0 ? "FAIL" : exercised > 0 ? "ok" : "-"
      let name = "\(rule)\(rule.isSafety ? " M" : "")"
      return Self.padded(mark, 5) + Self.padded(name, 8) + Self.padded("\(exercised)", 10)
        + Self.padded("\(violated)", 8) + rule.text
    }
    let details = state.violations.map(\.description) + state.failures.map { "failure: \($0)" }
    let header = "     rule    exercised violated"
    return ([header] + lines + details).joined(separator: "\n")
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}
