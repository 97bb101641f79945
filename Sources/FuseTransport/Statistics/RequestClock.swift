import CFuse3
import Glibc
import SystemPackage

/// Times requests. In a virtual machine clock_gettime(2) takes 30 to 40 nanoseconds, twice for each request; the processor's own counter takes
/// half of that. It is used where the kernel trusts it to go at one rate and to agree on all processors, which is where it is the kernel's
/// clock source.
struct RequestClock: Sendable {
  private let usesCounter: Bool
  /// Nanoseconds a tick, times 2^32.
  private let scale: UInt64

  /// The system's clock: a tick is a nanosecond.
  static let system = RequestClock(usesCounter: false, scale: 1 << 32)
  /// The better one of this machine. To find out how fast the counter goes takes a few milliseconds, once.
  static let best = counter() ?? system

  /// In ticks.
  @inline(__always)
  var now: UInt64 { usesCounter ? cfuse_time_stamp() : Clock.now }

  /// Nanoseconds between two times of this clock; 0 if `end` is not later.
  @inline(__always)
  func nanoseconds(from start: UInt64, to end: UInt64) -> UInt64 {
    guard end > start else { return 0 }
    let product = (end - start).multipliedFullWidth(by: scale)
    return product.high << 32 | product.low >> 32
  }

  private static func counter() -> RequestClock? {
    guard cfuse_time_stamp() != 0, isTrusted else { return nil }
    let first = bothClocks()
    usleep(2000)
    let second = bothClocks()
    guard second.ticks > first.ticks, second.time > first.time else { return nil }
    let rate = Double(second.time - first.time) / Double(second.ticks - first.ticks)
    // From 100 MHz to 100 GHz.
    guard (0.01...10).contains(rate) else { return nil }
    return RequestClock(usesCounter: true, scale: UInt64(rate * 4_294_967_296))
  }

  private static var isTrusted: Bool {
    let path = FilePath("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else {
      return false
    }
    var word = InlineArray<16, UInt8>(repeating: 0)
    let count = withUnsafeMutableBytes(of: &word) { bytes in
      (try? file.closeAfter { try file.read(into: bytes) }) ?? 0
    }
    return (0..<count).map { word[$0] } == Array("tsc\n".utf8)
  }

  /// The two of one moment: of several tries the one that was interrupted least.
  private static func bothClocks() -> (ticks: UInt64, time: UInt64) {
    (0..<8).map { _ in
      let before = cfuse_time_stamp()
      let time = Clock.now
      let after = cfuse_time_stamp()
      return (length: after &- before, ticks: before &+ (after &- before) / 2, time: time)
    }.min { $0.length < $1.length }.map { ($0.ticks, $0.time) } ?? (0, 0)
  }
}
