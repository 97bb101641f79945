import Glibc

/// Keeps the processors from sleeping while requests come one soon after the other.
///
/// A program that waits for an answer leaves its processor idle, and where that means halting a virtual one, to wake it takes several times as
/// long as to serve a request. Processors poll instead, for as long as the descriptor of /dev/cpu_dma_latency holds the wish for a latency of 0
/// (Documentation/power/pm_qos_interface.rst in the kernel's sources); if this process dies, the wish goes as well. Only root can open it.
///
/// Belongs to the thread that reads requests (`ReadingRole`).
public final class CPULatencyRequest {
  /// Requests that must have come soon after each other.
  private static let run = 32
  /// What is soon, in nanoseconds.
  private static let gap: UInt64 = 500_000
  /// After which the processors may sleep again.
  static let patienceMilliseconds: CInt = 2

  /// -1 where there is nothing to be wished for.
  private let descriptor: CInt
  private var soon = 0
  private(set) var isHeld = false

  /// `isWanted`: whether to try at all. `passed`: an open descriptor of the device, which is this object's from here on; nil: it is opened.
  public init(isWanted: Bool, passed: CInt? = nil, path: String = "/dev/cpu_dma_latency") {
    descriptor = isWanted ? passed ?? Self.openDevice(path) ?? -1 : -1
  }

  /// Nil where it cannot be opened.
  public static func openDevice(_ path: String = "/dev/cpu_dma_latency") -> CInt? {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    // To have it open is to wish for 0.
    wish(for: anyLatency, descriptor)
    return descriptor
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// A request has come that was waited for `slept` nanoseconds, or that was there when it was looked for.
  @inline(__always)
  func noteRequest(afterSleeping slept: UInt64?) {
    guard descriptor >= 0 else { return }
    guard slept ?? 0 < Self.gap else {
      soon = 0
      return
    }
    guard !isHeld else { return }
    soon += 1
    if soon >= Self.run { hold() }
  }

  private func hold() {
    isHeld = true
    Self.wish(for: 0, descriptor)
  }

  /// No request has come for a while.
  func release() {
    soon = 0
    guard isHeld else { return }
    isHeld = false
    Self.wish(for: Self.anyLatency, descriptor)
  }

  /// PM_QOS_CPU_LATENCY_DEFAULT_VALUE (include/linux/pm_qos.h).
  private static let anyLatency: Int32 = 2_000_000_000

  /// Microseconds.
  private static func wish(for latency: Int32, _ descriptor: CInt) {
    withUnsafeBytes(of: latency) { _ = write(descriptor, $0.baseAddress, $0.count) }
  }

  /// Whether this system is a virtual machine whose processors are to poll before they halt (cpuidle-haltpoll).
  public static var isWorthwhile: Bool {
    let file = open("/sys/devices/system/cpu/cpuidle/current_governor", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    let expected: StaticString = "haltpoll"
    return withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { text in
      read(file, text.baseAddress, text.count) >= expected.utf8CodeUnitCount
        && memcmp(text.baseAddress!, expected.utf8Start, expected.utf8CodeUnitCount) == 0
    }
  }
}
