import Ext4
import Foundation
import Glibc
import Journal
import SystemPackage
import TestSupport

/// A disk in memory that other programs can open by its path.
public final class MappedDisk: @unchecked Sendable {
  public let path: FilePath
  public let descriptor: CInt
  /// The disk itself: all programs that have it open see each change.
  public let bytes: UnsafeMutableRawBufferPointer
  /// Where the file system is. What is behind it stands for another device, which holds the journal.
  public let fileSystem: Range<Int>
  /// That part by itself, for programs that want it so.
  let journalCopy: MappedDisk?

  public var hasExternalJournal: Bool { journalCopy != nil }

  /// Where memory has a name; a flush costs nothing there.
  private static let directory: FilePath =
    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : Scratch.root

  /// With `journalByteCount`, the disk is longer by that.
  public init(byteCount fileSystemByteCount: Int, journalByteCount: Int = 0) throws {
    let byteCount = fileSystemByteCount + journalByteCount
    fileSystem = 0..<fileSystemByteCount
    journalCopy = journalByteCount == 0 ? nil : try MappedDisk(byteCount: journalByteCount)
    path = Self.directory.appending("fuse4fs-disk-\(UUID().uuidString.prefix(8))")
    descriptor = try Syscall.open(path, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
    try Syscall.ftruncate(descriptor, size: byteCount)
    let address = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard let address, address != MAP_FAILED else { throw Errno(rawValue: errno) }
    bytes = UnsafeMutableRawBufferPointer(start: address, count: byteCount)
  }

  deinit {
    munmap(bytes.baseAddress, bytes.count)
    Glibc.close(descriptor)
    unlink(path.string)
  }

  /// What it holds now.
  public var image: DiskImage { DiskImage(UnsafeRawBufferPointer(bytes)) }

  /// What there is to mount it with. `observer` makes the one that is to watch a part.
  func device(
    isWritable: Bool = true, lockObserver: (any LockObserver)? = nil,
    observer: ((Range<Int>) -> any BlockDeviceObserver)? = nil
  ) -> (device: BlockDevice, options: Volume.Options) {
    func part(_ area: Range<Int>) -> BlockDevice {
      BlockDevice(
        fileDescriptor: descriptor, byteOffset: Int64(area.lowerBound),
        byteCount: Int64(area.count), isWritable: isWritable, observer: observer?(area),
        lockObserver: lockObserver)
    }
    var options = Volume.Options()
    options.readOnly = !isWritable
    if hasExternalJournal {
      let journal = part(fileSystem.upperBound..<bytes.count)
      options.journal.openDevice = { _ in journal }
    }
    return (part(fileSystem), options)
  }

  /// The file has what stands for the journal's device.
  func copyJournalOut() { journalCopy?.bytes.copyBytes(from: bytes[fileSystem.upperBound...]) }

  func copyJournalBack() {
    guard let journalCopy else { return }
    UnsafeMutableRawBufferPointer(rebasing: bytes[fileSystem.upperBound...])
      .copyMemory(from: UnsafeRawBufferPointer(journalCopy.bytes))
  }

  /// Every byte of it becomes a repetition of `pattern`.
  public func fill(with pattern: [UInt8]) {
    for start in stride(from: 0, to: bytes.count, by: pattern.count) {
      for (index, byte) in pattern.enumerated() where start + index < bytes.count {
        bytes[start + index] = byte
      }
    }
  }
}
