import Journal
import SystemPackage

/// Has the scheduler choose before each write, around each flush and after each read, and the recorder note what happens.
final class ScheduledDevice: BlockDeviceObserver {
  private let scheduler: Scheduler
  private let recorder: any BlockDeviceObserver

  init(_ scheduler: Scheduler, _ recorder: any BlockDeviceObserver) {
    self.scheduler = scheduler
    self.recorder = recorder
  }

  func didRead(_ count: Int, at offset: UInt64) { scheduler.pass(.device) }

  func willWrite(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(Errno) {
    scheduler.pass(bytes.count <= 1024 ? .record : .device)
    try recorder.willWrite(bytes, at: offset)
  }

  func willFlush() throws(Errno) {
    scheduler.pass(.device)
    try recorder.willFlush()
    // What others write from here on may miss it.
    scheduler.pass(.device)
  }

  func didFlush() {
    recorder.didFlush()
    scheduler.pass(.device)
  }
}
