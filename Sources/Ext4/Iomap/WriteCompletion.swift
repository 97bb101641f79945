import IomapCache
import Synchronization
import SystemPackage

/// What the kernel tells when it has written data.
public struct CompletedWrite: Sendable {
  public var position: FileOffset
  /// Bytes.
  public var count: UInt64
  /// Some of the blocks were unwritten.
  public var convertsUnwritten: Bool
  /// The write ends behind the end of the file on disk, as far as the kernel knows.
  public var extends: Bool

  public init(position: FileOffset, count: UInt64, convertsUnwritten: Bool, extends: Bool) {
    self.position = position
    self.count = count
    self.convertsUnwritten = convertsUnwritten
    self.extends = extends
  }
}

extension Inode {
  /// Records that data was written: its blocks are unwritten no more, and the file is as long as it is. Whole blocks are
  /// converted, since the kernel has zeroed what it did not write of them. Returns the size on disk.
  public func complete(_ write: CompletedWrite) throws(Ext4Error) -> UInt64 {
    try volume.requireWritable()
    let (end, overflow) = write.position.rawValue.addingReportingOverflow(write.count)
    guard !overflow, end <= volume.maximumFileSize(of: self) else { throw .errno(.fileTooLarge) }
    volume.noteUnflushedData()
    return try io.withWriteLock { () throws(Ext4Error) in
      var position = write.position.rawValue
      try volume.changeInSteps { () throws(Ext4Error) in
        if write.convertsUnwritten, end > position {
          position = try convertUnwritten(from: position, to: end)
        } else {
          position = end
        }
        // No block behind the end of a file is a written one, not even between two steps.
        if write.extends, position > size {
          size = position
          volume.noteLargeFile(self)
        }
        try store()
        return position >= end
      }
      return sizeOnDisk
    }
  }

  /// Converts what is unwritten of the blocks that [`start`, `end`) touches, as much as one step may, and returns where it
  /// stopped. Metadata lock held.
  private func convertUnwritten(from start: UInt64, to end: UInt64) throws(Ext4Error) -> UInt64 {
    let mask = UInt64(volume.blockSize) - 1
    let last = FileOffset((end + mask) & ~mask)
    var position = FileOffset(start & ~mask)
    var converted = 0
    while position < last, converted < Credits.runsPerStep {
      let mapping = try mapping(at: position, metadataHeld: true)
      let part = mapping.clipped(from: position, to: last)
      if mapping.kind == .unwritten {
        try convert(part)
        converted += 1
      }
      position = part.end
    }
    return min(position.rawValue, end)
  }

  /// Remembers that data or metadata of the file could not be written: the kernel does not report it to every caller that must know.
  public func noteWriteError(_ error: Errno) {
    guard !volume.isBroken(at: .forgetsWriteErrors) else { return }
    pendingError.store(error.rawValue, ordering: .releasing)
    volume.hasPendingErrors.store(true, ordering: .releasing)
  }

  /// What went wrong since the last call, once.
  public func takeWriteError() -> Errno? {
    guard pendingError.load(ordering: .relaxed) != 0 else { return nil }
    let error = pendingError.exchange(0, ordering: .acquiringAndReleasing)
    return error == 0 ? nil : Errno(rawValue: error)
  }
}

extension Volume {
  /// An error of writing any file's data that no caller has got yet. Each error is returned once.
  public func takeWriteError() -> Errno? {
    guard hasPendingErrors.exchange(false, ordering: .acquiringAndReleasing) else { return nil }
    return inodes.all.reduce(nil) { $1.takeWriteError() ?? $0 }
  }
}
