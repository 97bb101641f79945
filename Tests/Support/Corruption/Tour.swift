import Ext4
import Glibc
import Journal

/// A fixed walk through everything that can be asked of a file system, for images that are not to be trusted: what goes wrong is noted as the
/// daemon notes it, and the tour goes on.
public final class Tour {
  public enum Course: UInt8, CaseIterable, Sendable {
    /// Mounted for reading.
    case look
    /// Changes each file in every way, and then removes half of them.
    case change
    /// Removes first.
    case remove
    /// As a kernel that moves data by itself.
    case map
  }

  public struct Report: Sendable {
    /// Why it was not mounted.
    public var refusal: String?
    public var calls = 0
    public var errors = 0
    /// Errors that said that the image contradicts itself.
    public var damage = 0
    /// In nanoseconds of the processor's time.
    public var slowest: UInt64 = 0
    public var slowestCall = ""
    /// The last call that told of damage.
    public var lastDamage = ""
    /// Whether everything was written at the end.
    public var isClosed = false
  }

  /// Inodes looked at.
  static let inodeLimit = 48
  /// Entries of a directory that are looked up.
  static let entryLimit = 16

  let volume: Volume
  let course: Course
  var report: Report
  /// How often the kernel would refer to each inode.
  private var references: [InodeNumber: UInt64] = [:]
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 4096)

  private init(_ volume: Volume, _ course: Course, _ report: Report) {
    self.volume = volume
    self.course = course
    self.report = report
    buffer.initializeMemory(as: UInt8.self, repeating: 0x5A)
  }

  deinit { buffer.deallocate() }

  /// Mounts what is on `device`, makes the tour, and unmounts.
  public static func run(_ course: Course, on device: BlockDevice) -> Report {
    var report = Report()
    var options = Volume.Options()
    options.readOnly = course == .look
    // What stops writing after the first damage would hide what comes after it.
    if course != .remove { options.onError = .carryOn }
    options.cacheSizes = CacheSizes(total: 4 << 20)
    let start = now
    var opened: Volume?
    do throws(MountRefusal) {
      opened = try Volume.open(device, options: options)
    } catch {
      report.refusal = error.description
    }
    report.slowest = now - start
    report.slowestCall = "open"
    guard let volume = opened else { return report }
    let tour = Tour(volume, course, report)
    tour.walk()
    return tour.report
  }

  /// Opens and closes, for reading.
  public static func open(_ device: BlockDevice) -> String? {
    var options = Volume.Options()
    options.readOnly = true
    do throws(MountRefusal) {
      let volume = try Volume.open(device, options: options)
      try? volume.close()
      return nil
    } catch {
      return error.description
    }
  }

  /// The time that this thread has had a processor.
  public static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  private func walk() {
    if course == .map { volume.letKernelMoveData() }
    if course != .look {
      attempt("startWriting") { () throws(Ext4Error) in _ = try volume.startWriting() }
    }
    attempt("statfs") { _ = volume.statistics() }
    let found = lookAround()
    switch course {
    case .look: break
    case .change: changeAll(found)
    case .remove: removeAll(found)
    case .map: mapAll(found)
    }
    attempt("statfs") { _ = volume.statistics() }
    if course != .look { finishChanges() }
    for (number, count) in references.sorted(by: { $0.key < $1.key }) {
      attempt("forget") { () throws(Ext4Error) in try volume.forget(number, count: count) }
    }
    attempt("close") { () throws(Ext4Error) in
      try volume.close()
      report.isClosed = true
    }
  }

  private func finishChanges() {
    attempt("trim") { () throws(Ext4Error) in
      _ = try volume.trim(start: 0, length: .max, minimumLength: 0)
    }
    attempt("sync") { () throws(Ext4Error) in try volume.synchronize() }
    attempt("checkpoint") { () throws(Ext4Error) in try volume.checkpoint() }
  }

  /// Carries something out; what goes wrong is counted, and damage recorded.
  @discardableResult
  func attempt(_ name: StaticString, _ body: () throws(Ext4Error) -> Void) -> Bool {
    let start = Self.now
    defer {
      let time = Self.now - start
      report.calls += 1
      if time > report.slowest {
        report.slowest = time
        report.slowestCall = "\(name)"
      }
    }
    do throws(Ext4Error) {
      try body()
      return true
    } catch {
      report.errors += 1
      if error.isDamage {
        report.damage += 1
        report.lastDamage = "\(name): \(error)"
        volume.note(error)
      }
      return false
    }
  }

  /// What `body` returns.
  func result<T>(_ name: StaticString, _ body: () throws(Ext4Error) -> T) -> T? {
    var value: T?
    attempt(name) { () throws(Ext4Error) in value = try body() }
    return value
  }

  func refer(to inode: Inode) { references[inode.number, default: 0] += 1 }

  func withName<R>(
    _ text: String, _ body: (FileName) throws(Ext4Error) -> R
  ) throws(Ext4Error) -> R {
    try withName(Array(text.utf8), body)
  }

  func withName<R>(
    _ bytes: [UInt8], _ body: (FileName) throws(Ext4Error) -> R
  ) throws(Ext4Error) -> R {
    var outcome: Result<R, Ext4Error>?
    bytes.withUnsafeBytes { bytes in
      outcome = Result { () throws(Ext4Error) in try body(try FileName(bytes)) }
    }
    guard let outcome else { throw .errno(.invalidArgument) }
    return try outcome.get()
  }
}

/// A name, and what it names.
struct FoundEntry {
  let name: [UInt8]
  let parent: Inode
  let inode: Inode
}
