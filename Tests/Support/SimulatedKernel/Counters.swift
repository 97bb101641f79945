import Synchronization

extension SimulatedKernel {
  /// How often what was sent: requests by kind ("begin write", "ioend", "open"), notifications
  /// ("upsert"), and hits and misses of the mapping cache.
  public struct Counters: Sendable, Equatable, CustomStringConvertible {
    public private(set) var counts: [String: Int] = [:]

    public subscript(kind: String) -> Int { counts[kind, default: 0] }

    mutating func add(_ kind: String) { counts[kind, default: 0] += 1 }

    /// The sum over kinds that begin so.
    public func total(prefix: String) -> Int {
      counts.reduce(0) { $1.key.hasPrefix(prefix) ? $0 + $1.value : $0 }
    }

    /// What has been added since `earlier`.
    public static func - (later: Counters, earlier: Counters) -> Counters {
      var result = Counters()
      for (kind, count) in later.counts {
        let added = count - earlier[kind]
        if added != 0 { result.counts[kind] = added }
      }
      return result
    }

    public var description: String {
      counts.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: "\n")
    }
  }
}

final class CounterBoard: Sendable {
  private let counters = Mutex(Counters())

  func add(_ kind: String) { counters.withLock { $0.add(kind) } }
  var snapshot: Counters { counters.withLock { $0 } }
}
