import Foundation
import Journal
import TestSupport
import Testing

import struct SystemPackage.FileDescriptor

@testable import Ext4

/// Files that had lost their names and were still open when the power went.
@Suite(.serialized, .enabled(if: getuid() == 0)) struct OrphanReplayTests {
  private static let count = 40

  private func crash(_ features: [String], blockSize: Int, in scratch: Scratch) throws
    -> KernelCrash.Result
  {
    let image = try Image(
      at: scratch.appending("image"), size: "16M", features: features, blockSize: blockSize)
    var open: [FileDescriptor] = []
    defer { for file in open { try? file.close() } }
    let crashed = try CrashedImage.make(
      of: image, copy: scratch.appending("crashed"), at: try scratch.directory("making")
    ) { root in
      for index in 0..<Self.count {
        let path = root.appending("open-\(index)")
        let file = try FileDescriptor.open(
          path, .readWrite, options: .create, permissions: [.ownerReadWrite])
        open.append(file)
        _ = try file.writeAll(SeededGenerator.bytes(index * 2000 + 1, seed: UInt64(index)))
      }
      try Command(
        shell: "echo stays > stays; sync stays; sync -f .; rm open-*; echo x > y; sync y", in: root
      )
      .succeed()
      // The copy is made with the files open, the unmounting comes after their end.
      try CrashedImage.copyAtRest(image.path, to: scratch.appending("with-orphans"))
      for file in open { try file.close() }
      open = []
    }
    _ = crashed
    return KernelCrash.Result(image: Image(existing: scratch.appending("with-orphans")))
  }

  @Test(
    arguments: [["^orphan_file"], ["orphan_file"], ["orphan_file", "^metadata_csum"]], [1024, 4096])
  func areDeleted(features: [String], blockSize: Int) throws {
    try Scratch.with { scratch in
      let crashed = try crash(features, blockSize: blockSize, in: scratch)
      let report = try Recoverer.replay(crashed)
      #expect(report.deleted == Self.count && report.truncated == 0)
      #expect(report.orphansLeft == nil && !report.hasErrors)
      try crashed.image.check()
      #expect(try crashed.image.superblock("Filesystem state") == "clean")
      let listed = try crashed.image.superblock("Filesystem features")
      #expect(!listed.contains("needs_recovery") && !listed.contains("orphan_present"))
      #expect(try crashed.image.debugfs("cat stays") == "stays\n")
      let again = try Recoverer.replay(crashed)
      #expect(again.deleted == 0 && again.journal?.outcome.transactions ?? 0 == 0)
    }
  }

  /// A mount for writing does it as well.
  @Test(arguments: [["^orphan_file"], ["orphan_file"]])
  func areDeletedByAMount(features: [String]) throws {
    try Scratch.with { scratch in
      let crashed = try crash(features, blockSize: 4096, in: scratch)
      try Recoverer.withDevice(crashed.image.path) { device in
        let volume = try Volume.open(device, options: Volume.Options())
        let warnings = try volume.startWriting()
        #expect(warnings.contains { $0.contains("deletion of \(Self.count)") }, "\(warnings)")
        try volume.close()
      }
      try crashed.image.check()
    }
  }

  /// Read-only features of the kernel's that we do not write: then the journal is all that is replayed.
  @Test func stayWhereWeCannotWrite() throws {
    try Scratch.with { scratch in
      let crashed = try crash(["orphan_file"], blockSize: 4096, in: scratch)
      try crashed.image.debugfs("feature verity", write: true)
      // The log has the superblock without the feature: once replayed, it is set again.
      _ = try Recoverer.fuse4fs(crashed)
      try crashed.image.debugfs("feature verity", write: true)
      let report = try Recoverer.replay(crashed)
      #expect(report.deleted == 0 && report.orphansLeft?.contains("verity") == true)
    }
  }

  /// Entries that cannot be right: nothing crashes, and nothing is deleted that should not be.
  @Test(arguments: [2, 12, 0x7FFF_FFFF, 0xFFFF_FFFF] as [UInt32])
  func badEntriesAreDamage(number: UInt32) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "16M", features: ["orphan_file", "^metadata_csum"])
      let list = try image.debugfs("blocks <12>").split(separator: " ").compactMap { Int($0) }
      let block = try #require(list.first)
      try image.debugfs("feature orphan_present", write: true)
      let file = try FileDescriptor.open(image.path, .readWrite)
      _ = try file.closeAfter {
        try withUnsafeBytes(of: number.littleEndian) {
          try file.writeAll(toAbsoluteOffset: Int64(block * 4096), $0)
        }
      }
      #expect(throws: MountRefusal.self) {
        try Recoverer.replay(KernelCrash.Result(image: image))
      }
    }
  }
}
