import Glibc
import TestSupport

/// A tour of a disk, with what must be true of every disk.
public struct DiskTour: Sendable {
  public let report: Tour.Report
  /// What must not be, as a sentence; nil for nothing.
  public let violation: String?

  /// Nanoseconds of the processor's time that no call may take.
  public static let timeLimit: UInt64 = 1_000_000_000

  public init(_ course: Tour.Course, of disk: HostileDisk) {
    let boot = Array(disk.bytes.raw[..<min(1024, disk.count)])
    let before = disk.fileSystemSize
    report = Tour.run(course, on: disk.device())
    let size = max(before, disk.fileSystemSize)
    if let place = disk.strayWrite(fileSystemSize: size, bootBlock: boot) {
      violation = "written outside of the file system: \(place)"
    } else if report.slowest > Self.timeLimit {
      violation = "\(report.slowestCall) took \(report.slowest / 1_000_000) ms"
    } else {
      violation = nil
    }
  }
}

/// The memory of this process.
public enum ProcessMemory {
  /// From now on the peak counts anew.
  public static func resetPeak() {
    let file = open("/proc/self/clear_refs", O_WRONLY)
    guard file >= 0 else { return }
    _ = write(file, "5", 1)
    close(file)
  }

  /// The most that was resident since, in KiB.
  public static var peak: Int {
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, CInt(line.count), file) != nil {
      let text = String(
        decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      guard text.hasPrefix("VmHWM:") else { continue }
      return Int(text.split { !$0.isNumber }.first ?? "") ?? 0
    }
    return 0
  }
}
