import Glibc
import Journal
import Synchronization
import TestSupport
import Testing

import struct SystemPackage.FilePath

@testable import Ext4

/// What a synchronization must flush where the journal has a device of its own, whose flushes do nothing for data.
@Suite(.enabled(if: geteuid() == 0, "mke2fs wants a block device for a journal"))
struct ExternalJournalTests {
  /// Tells whether all writes to a device have been flushed.
  private final class Watch: BlockDeviceObserver, Sendable {
    private let unflushed = Atomic<Int>(0)
    var isFlushed: Bool { unflushed.load(ordering: .acquiring) == 0 }

    func didRead(_ count: Int, at offset: UInt64) {}
    func willWrite(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {
      unflushed.wrappingAdd(1, ordering: .acquiringAndReleasing)
    }
    func willFlush() {}
    func didFlush() { unflushed.store(0, ordering: .releasing) }
  }

  @Test(arguments: [true, false]) func syncedDataIsOnItsDevice(ordersData: Bool) throws {
    try Scratch.with { scratch in
      let journal = scratch.appending("journal.img")
      try Command(["mke2fs", "-q", "-F", "-O", "journal_dev", "-b", "4096", journal.string, "8M"])
        .succeed()
      try LoopDevice.with(journal) { device in
        let image = try Image(
          at: scratch.appending("disk.img"), options: ["-J", "device=\(device)"])
        try synchronize(image, journal: device, ordersData: ordersData)
      }
    }
  }

  private func synchronize(_ image: Image, journal: FilePath, ordersData: Bool) throws {
    let files = [try Syscall.open(image.path, O_RDWR), try Syscall.open(journal, O_RDWR)]
    defer { for file in files { Glibc.close(file) } }
    func device(_ file: CInt, _ watch: Watch) -> BlockDevice {
      BlockDevice(
        fileDescriptor: file, byteOffset: 0, byteCount: Int64(lseek(file, 0, SEEK_END)),
        isWritable: true, observer: watch)
    }
    let (home, log) = (Watch(), Watch())
    let logDevice = device(files[1], log)
    var options = Volume.Options()
    options.ordersData = ordersData
    options.journal.openDevice = { _ in logDevice }
    let volume = try Volume.open(device(files[0], home), options: options)
    _ = try volume.startWriting()
    let root = try volume.node(.root)
    let file = try withName("file") { name throws(Ext4Error) in
      try volume.create(
        NewNode(.regularFile, permissions: 0o644, umask: 0, userID: 0, groupID: 0),
        named: name, in: root)
    }
    let bytes = [UInt8](repeating: 1, count: 8192)
    _ = try bytes.withUnsafeBytes { try file.write($0, at: 0, options: []) }
    #expect(!home.isFlushed)
    // Only with data=writeback may a commit come before the data.
    try volume.commit()
    #expect(home.isFlushed == ordersData && log.isFlushed)
    _ = try bytes.withUnsafeBytes { try file.write($0, at: 8192, options: []) }
    try volume.synchronize()
    #expect(home.isFlushed && log.isFlushed)
    try volume.close()
    #expect(home.isFlushed && log.isFlushed)
  }
}
