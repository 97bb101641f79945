import Synchronization
import TestSupport

/// Random decisions that the seed and the order of the questions decide.
final class Chance: Sendable {
  private let generator: Mutex<SeededGenerator>

  init(seed: UInt64) { generator = Mutex(SeededGenerator(seed: seed)) }

  func happens(_ probability: Double) -> Bool {
    guard probability > 0 else { return false }
    return generator.withLock { Double.random(in: 0..<1, using: &$0) < probability }
  }

  func number(_ range: Range<Int>) -> Int {
    generator.withLock { $0.number(range) }
  }
}
