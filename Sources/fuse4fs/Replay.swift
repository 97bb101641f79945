import Ext4
import Glibc
import Journal

/// `fuse4fs --replay DEVICE`: brings a file system to where its last mount left it, and says what that took.
enum Replay {
  static func run(_ options: MountOptions) throws(StartupFailure) {
    let image = try ImageSource(options: options)
    let report = try replay(image, JournalDevices(options), options)
    for line in lines(report) { Console.say("\(image.displayName): \(line)") }
  }

  /// Before a mount for reading only, which needs it as well.
  static func beforeReading(
    _ image: ImageSource, _ journals: JournalDevices, _ options: MountOptions
  ) throws(StartupFailure) {
    let report = try replay(image, journals, options)
    try image.endReplay()
    for line in lines(report) { Console.note(line) }
  }

  private static func replay(
    _ image: ImageSource, _ journals: JournalDevices, _ options: MountOptions
  ) throws(StartupFailure) -> ReplayReport {
    let device = BlockDevice(
      fileDescriptor: image.fileDescriptor, byteOffset: image.byteOffset,
      byteCount: image.byteCount, isWritable: true)
    var volumeOptions = Volume.Options(options)
    volumeOptions.journal = JournalEnvironment(image, journals)
    do throws(MountRefusal) {
      return try withExtendedLifetime(image) { () throws(MountRefusal) in
        try Volume.replay(device, options: volumeOptions)
      }
    } catch {
      throw .mount("cannot replay the journal of '\(image.displayName)': \(error.description)")
    }
  }

  private static func lines(_ report: ReplayReport) -> [String] {
    var lines: [String] = []
    if let journal = report.journal {
      lines.append(journal.summary)
    } else {
      lines.append("the file system has no journal")
    }
    if report.deleted + report.truncated > 0 {
      lines.append(
        "finished the deletion of \(report.deleted) and the truncation of \(report.truncated) files that an "
          + "interrupted mount had left")
    }
    if let reason = report.orphansLeft {
      lines.append("deleted files that were still in use are left as they are: \(reason)")
    }
    if report.hasErrors {
      lines.append("the file system has recorded errors; run e2fsck on it")
    }
    return lines
  }
}

extension JournalEnvironment {
  init(_ image: ImageSource, _ journals: JournalDevices) {
    self.init()
    let progress = ReplayProgress(image.displayName)
    openDevice = { uuid throws(MountRefusal) in try journals.open(uuid) }
    self.progress = { progress.report($0) }
    warning = { Console.note($0) }
  }
}
