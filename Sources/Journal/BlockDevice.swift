import CExt2FS
import Glibc
import Synchronization
import SystemPackage

/// Sees what is done to a device: for tests that check it, record it, have it fail or have it be slow. What is thrown here is the
/// device's error, and nothing has been done.
public protocol BlockDeviceObserver: AnyObject, Sendable {
  /// Whether a range can be read without waiting for the device, if the system has it in memory.
  func isInMemory(_ count: Int, at offset: UInt64) -> Bool
  func willRead(_ count: Int, at offset: UInt64) throws(Errno)
  func didRead(_ count: Int, at offset: UInt64)
  func willWrite(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(Errno)
  func willFlush() throws(Errno)
  /// Everything written before `willFlush` is on stable storage.
  func didFlush()
}

extension BlockDeviceObserver {
  public func isInMemory(_ count: Int, at offset: UInt64) -> Bool { true }
  public func willRead(_ count: Int, at offset: UInt64) throws(Errno) {}
}

/// The window of a file or block device that holds a file system.
///
/// All I/O is positional, so that any number of threads may share one. Data goes through here directly;
/// metadata goes through a `BlockCache`.
public final class BlockDevice: Sendable {
  public let fileDescriptor: CInt
  /// Where the file system begins, in bytes from the start of the file or device.
  public let byteOffset: Int64
  /// Bytes from there that belong to the file system.
  public let byteCount: Int64
  public let isWritable: Bool
  /// What threads do that would have to wait: for the device here, for a lock elsewhere.
  public let waitPolicy: WaitPolicy
  /// How long threads have waited: for the device here, for locks elsewhere.
  public let waits: WaitStatistics
  private let observer: (any BlockDeviceObserver)?
  /// Sees what is done with the locks of the file system on the device.
  public let lockObserver: (any LockObserver)?
  let isStopped = Atomic<Bool>(false)
  /// What the file or device is known to reach to, and whether it was found to be shorter.
  let knownEnd: Atomic<Int64>
  let foundEnd = Atomic<Int64>(.max)

  /// The caller keeps `fileDescriptor` open for as long as the device is used, and closes it.
  public init(
    fileDescriptor: CInt, byteOffset: Int64, byteCount: Int64, isWritable: Bool,
    observer: (any BlockDeviceObserver)? = nil, lockObserver: (any LockObserver)? = nil,
    waitPolicy: WaitPolicy = WaitPolicy()
  ) {
    self.fileDescriptor = fileDescriptor
    self.byteOffset = byteOffset
    self.byteCount = byteCount
    self.isWritable = isWritable
    self.observer = observer
    self.lockObserver = lockObserver
    self.waitPolicy = waitPolicy
    waits = WaitStatistics(didWait: waitPolicy.didWait)
    knownEnd = Atomic(Self.end(of: fileDescriptor) ?? 0)
  }

  /// The calling thread is about to wait.
  public func willWait() { waitPolicy.willWait() }

  /// From now on every write is EIO, and nothing is flushed.
  public func stopWriting() {
    isStopped.store(true, ordering: .releasing)
  }

  /// Fills `buffer` from `offset`; a range that is not wholly within the device is EIO. `mayGiveUp`: `Errno.wouldWait` where the calling thread
  /// does not want to wait for the device.
  public func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64, mayGiveUp: Bool = false
  ) throws(Errno) {
    try check(UInt64(buffer.count), at: offset)
    try observer?.willRead(buffer.count, at: offset)
    defer { observer?.didRead(buffer.count, at: offset) }
    let done = readCached(into: buffer, at: offset)
    guard done < buffer.count else { return }
    if mayGiveUp, waitPolicy.givesUp() { throw .wouldWait }
    willWait()
    try waits.measure(.read) { () throws(Errno) in
      try readRest(of: buffer, from: done, at: offset)
    }
  }

  private func readRest(
    of buffer: UnsafeMutableRawBufferPointer, from start: Int, at offset: UInt64
  ) throws(Errno) {
    var done = start
    while done < buffer.count {
      let count = pread(
        fileDescriptor, buffer.baseAddress! + done, buffer.count - done,
        off_t(byteOffset) + off_t(offset) + done)
      if count < 0 {
        if errno == EINTR { continue }
        throw Errno(rawValue: errno)
      }
      // A sparse image may be shorter than its file system: what is missing was never written.
      if count == 0 {
        try requireUnwritten(at: byteOffset + Int64(offset) + Int64(done))
        memset(buffer.baseAddress! + done, 0, buffer.count - done)
        return
      }
      done += count
    }
  }

  /// Fills `buffer` from `offset` if that needs no waiting for the device, and says whether it did.
  public func readWithoutWaiting(
    into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(Errno) -> Bool {
    try check(UInt64(buffer.count), at: offset)
    if let observer {
      guard observer.isInMemory(buffer.count, at: offset) else { return false }
      try observer.willRead(buffer.count, at: offset)
    }
    guard readCached(into: buffer, at: offset) == buffer.count else { return false }
    observer?.didRead(buffer.count, at: offset)
    return true
  }

  /// Reads what needs no waiting for, from the page cache, and returns how many bytes that were.
  private func readCached(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Int {
    max(
      cext2fs_read_cached(
        fileDescriptor, buffer.baseAddress, buffer.count, byteOffset + Int64(offset)), 0)
  }

  /// A range will be read soon: it is brought into the page cache, while the caller goes on.
  public func willRead(_ count: Int, at offset: UInt64) {
    posix_fadvise(
      fileDescriptor, off_t(byteOffset) + off_t(offset), off_t(count), POSIX_FADV_WILLNEED)
  }

  /// Writes all of `buffer` at `offset`; a range that is not wholly within the device is EIO.
  public func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(Errno) {
    try check(UInt64(buffer.count), at: offset)
    guard isWritable else { throw .readOnlyFileSystem }
    guard !isStopped.load(ordering: .acquiring) else { throw .ioError }
    try observer?.willWrite(buffer, at: offset)
    var done = 0
    while done < buffer.count {
      let count = pwrite(
        fileDescriptor, buffer.baseAddress! + done, buffer.count - done,
        off_t(byteOffset) + off_t(offset) + done)
      if count < 0 {
        if errno == EINTR { continue }
        throw Errno(rawValue: errno)
      }
      if count == 0 { throw .ioError }
      done += count
    }
    noteWritten(upTo: byteOffset + Int64(offset) + Int64(done))
  }

  /// What was written in a range goes on its way to stable storage, while the caller goes on. If it does not arrive, `synchronize` says so.
  public func startWritingOut(_ count: Int, at offset: UInt64) {
    _ = cext2fs_start_writing(fileDescriptor, byteOffset + Int64(offset), Int64(count))
  }

  /// Writes `count` zero bytes at `offset`.
  public func writeZeros(_ count: UInt64, at offset: UInt64) throws(Errno) {
    let chunk = Self.zeros.count
    var done: UInt64 = 0
    while done < count {
      let length = Int(min(UInt64(chunk), count - done))
      try write(
        UnsafeRawBufferPointer(start: Self.zeros.baseAddress, count: length), at: offset + done)
      done += UInt64(length)
    }
  }

  /// Returns when everything written so far is on stable storage.
  public func synchronize() throws(Errno) {
    guard isWritable else { return }
    guard !isStopped.load(ordering: .acquiring) else { throw .ioError }
    willWait()
    try checkExtent()
    try observer?.willFlush()
    try waits.measure(.flush) { () throws(Errno) in
      while fdatasync(fileDescriptor) != 0 {
        if errno != EINTR { throw Errno(rawValue: errno) }
      }
    }
    observer?.didFlush()
  }

  /// EIO unless all of the `count` bytes from `offset` on are within the device.
  func check(_ count: UInt64, at offset: UInt64) throws(Errno) {
    let size = UInt64(byteCount)
    guard offset <= size, count <= size - offset else { throw .ioError }
  }

  private nonisolated(unsafe) static let zeros: UnsafeRawBufferPointer = {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    memset(memory.baseAddress!, 0, memory.count)
    return UnsafeRawBufferPointer(memory)
  }()
}
