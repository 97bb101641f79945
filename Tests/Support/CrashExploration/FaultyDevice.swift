import Journal
import Synchronization
import SystemPackage

/// A device that fails: at one read, write or flush, counted from its first, or from that one on.
///
/// What was written since the last flush is lost when a flush fails, as with a page cache that gives up on its dirty pages; readers
/// do not see that before the next mount.
public final class FaultyDevice: BlockDeviceObserver {
  /// What goes wrong, and when.
  public struct Fault: Sendable, Hashable, CustomStringConvertible {
    public enum Target: Sendable, Hashable { case read, write, flush }
    public var target: Target
    public var number: Int
    public var error: Errno
    /// The device is gone for good, instead of having failed once.
    public var isLasting: Bool

    public init(_ target: Target, _ number: Int, _ error: Errno, isLasting: Bool) {
      self.target = target
      self.number = number
      self.error = error
      self.isLasting = isLasting
    }

    public var description: String {
      "\(error) at \(target) \(number)\(isLasting ? " and everything after it" : "")"
    }
  }

  private struct State {
    var reads = 0
    var writes = 0
    var flushes = 0
    var hasFailed = false
    var pending: [(offset: Int, bytes: [UInt8])] = []
    var kept: [(offset: Int, bytes: [UInt8])] = []
  }

  private let fault: Fault?
  private let state = Mutex(State())

  public init(_ fault: Fault? = nil) { self.fault = fault }

  public var readCount: Int { state.withLock { $0.reads } }
  public var writeCount: Int { state.withLock { $0.writes } }
  public var flushCount: Int { state.withLock { $0.flushes } }
  /// Whether something has failed.
  public var hasFailed: Bool { state.withLock { $0.hasFailed } }

  private func attempt(
    _ target: Fault.Target, _ count: WritableKeyPath<State, Int> & Sendable
  ) throws(Errno) {
    let fails = state.withLock { state in
      state[keyPath: count] += 1
      guard let fault else { return false }
      let isTheOne = fault.target == target && state[keyPath: count] == fault.number
      guard isTheOne || state.hasFailed && fault.isLasting else { return false }
      state.hasFailed = true
      return true
    }
    if fails, let fault { throw fault.error }
  }

  /// Makes `buffer`, which holds what the device held at first, what it holds at the next mount.
  public func build(in buffer: UnsafeMutableRawBufferPointer) {
    state.withLock { state in
      for (offset, bytes) in state.kept + state.pending {
        UnsafeMutableRawBufferPointer(rebasing: buffer[offset..<offset + bytes.count])
          .copyBytes(from: bytes)
      }
    }
  }

  public func willRead(_ count: Int, at offset: UInt64) throws(Errno) {
    try attempt(.read, \.reads)
  }

  public func didRead(_ count: Int, at offset: UInt64) {}

  public func willWrite(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(Errno) {
    try attempt(.write, \.writes)
    let copy = Array(bytes)
    state.withLock { $0.pending.append((Int(offset), copy)) }
  }

  public func willFlush() throws(Errno) {
    do throws(Errno) {
      try attempt(.flush, \.flushes)
    } catch {
      state.withLock { $0.pending.removeAll() }
      throw error
    }
  }

  public func didFlush() {
    state.withLock { state in
      state.kept += state.pending
      state.pending.removeAll()
    }
  }
}
