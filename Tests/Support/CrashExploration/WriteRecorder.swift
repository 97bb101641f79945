import Glibc
import Journal
import Synchronization
import SystemPackage

/// Records what is written to devices and when they are flushed. Any number of threads may use them.
public final class WriteRecorder: Sendable {
  fileprivate struct State {
    var log = WriteLog()
    /// Where the log stood when the flush began that a thread waits for.
    var flushes: [pthread_t: Int] = [:]
  }

  fileprivate let state = Mutex(State())

  public init() {}

  /// What is to watch the device that stands for `area` of the disk.
  public func observer(of area: Range<Int>) -> any BlockDeviceObserver {
    RecordedDevice(recorder: self, area: area)
  }

  /// What was recorded so far.
  public var log: WriteLog { state.withLock { $0.log } }

  public func mark(_ mark: WriteLog.Mark) {
    state.withLock { $0.log.events.append(.mark(mark)) }
  }
}

private final class RecordedDevice: BlockDeviceObserver {
  private let recorder: WriteRecorder
  private let area: Range<Int>

  init(recorder: WriteRecorder, area: Range<Int>) {
    self.recorder = recorder
    self.area = area
  }

  func didRead(_ count: Int, at offset: UInt64) {}

  func willWrite(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {
    let copy = Array(bytes)
    let place = area.lowerBound + Int(offset)
    recorder.state.withLock { $0.log.events.append(.write(offset: place, bytes: copy)) }
  }

  func willFlush() {
    let thread = pthread_self()
    recorder.state.withLock { $0.flushes[thread] = $0.log.events.count }
  }

  func didFlush() {
    let thread = pthread_self()
    recorder.state.withLock { state in
      guard let start = state.flushes.removeValue(forKey: thread) else { return }
      state.log.events.append(.flushed(before: start, area: area))
    }
  }
}
