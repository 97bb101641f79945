import Foundation
import Glibc
import IomapCache
import Journal
import TestSupport
import Testing

import struct SystemPackage.FileDescriptor

@testable import Ext4

/// Files that claim blocks of the file system's own: they are neither read nor written through the file, nor handed to a kernel that moves
/// data, as with the kernel's block_validity.
@Suite struct SystemZoneMappingTests {
  enum Own: String, CaseIterable, CustomTestStringConvertible {
    case inodeTable, blockBitmap, descriptors, journal

    var testDescription: String { rawValue }

    func block(of volume: Volume) throws -> BlockNumber {
      switch self {
      // The last block of it, in which there is no inode.
      case .inodeTable:
        volume.descriptors.inodeTable(of: 0) + (volume.geometry.inodeTableBlocks - 1)
      case .blockBitmap: volume.descriptors.blockBitmap(of: 0)
      case .descriptors: BlockNumber(1)
      case .journal: try #require(volume.journal?.area.runs.first).first
      }
    }
  }

  static let maps = [["extents"], ["^extents", "^64bit"]]

  /// Where the map lies in an inode (i_block).
  private static let map = 40

  /// A file of blocks 0 to 7, of which blocks 4 to 7 are in a piece of their own; its maps are direct.
  private static func makeFile(_ fixture: DirectoryFixture) throws -> Inode {
    let file = try fixture.make(.regularFile, "file")
    let bytes = [UInt8](repeating: 7, count: 4 * 4096)
    for block in [0, 4] as [UInt64] {
      try bytes.withUnsafeBytes { _ = try file.write($0, at: block * 4096, options: []) }
      let other = try fixture.make(.regularFile, "other \(block)")
      try bytes.withUnsafeBytes { _ = try other.write($0, at: 0, options: []) }
    }
    try fixture.volume.synchronize()
    return file
  }

  /// Lets the second piece of the file begin at `own`; returns the first block of the file that it has now.
  private static func claim(_ own: BlockNumber, by file: Inode, of fixture: DirectoryFixture) throws
    -> UInt64
  {
    try fixture.locked { () throws(Ext4Error) in
      let map = UnsafeMutableRawPointer(file.raw) + Self.map
      var first: UInt64 = 4
      if file.flags.contains(.extents) {
        // The last extent's ee_start_lo.
        let last = file.rootNode.entryCount - 1
        first = UInt64(file.rootNode.entry(at: last).logical)
        map.storeBytes(of: UInt32(own.rawValue), toByteOffset: 12 + 12 * last + 8, as: UInt32.self)
      } else {
        for slot in 4..<8 {
          map.storeBytes(
            of: UInt32(own.rawValue) + UInt32(slot - 4), toByteOffset: 4 * slot, as: UInt32.self)
        }
      }
      try file.store()
      file.mappings.removeAll()
      return first
    }
  }

  private static func contents(of own: BlockNumber, on volume: Volume) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 4096)
    try bytes.withUnsafeMutableBytes { try volume.device.read(into: $0, at: own.rawValue * 4096) }
    return bytes
  }

  private static func expectDamage(_ what: String, _ body: () throws(Ext4Error) -> Void) {
    do throws(Ext4Error) {
      try body()
      Issue.record("\(what) went well")
    } catch {
      guard case .corrupted(_, let sentence) = error else {
        Issue.record("\(what): \(error)")
        return
      }
      #expect("\(sentence)" == "a file claims blocks of the file system's own", "\(what)")
    }
  }

  @Test(arguments: Own.allCases, maps)
  func ownBlocksAreNoFiles(_ own: Own, features: [String]) throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("image"), size: "16M", features: features)
      try DirectoryFixture.open(image) { fixture in
        defer { fixture.volume.discard() }
        let volume = fixture.volume
        let file = try Self.makeFile(fixture)
        let block = try own.block(of: volume)
        let before = try Self.contents(of: block, on: volume)
        let first = try Self.claim(block, by: file, of: fixture)
        let place = first * 4096
        var bytes = [UInt8](repeating: 0x5A, count: 4096)
        Self.expectDamage("reading") { () throws(Ext4Error) in
          let result = bytes.withUnsafeMutableBytes { bytes in
            Result { () throws(Ext4Error) in try file.read(into: bytes, at: place) }
          }
          _ = try result.get()
        }
        Self.expectDamage("writing") { () throws(Ext4Error) in
          let result = bytes.withUnsafeBytes { bytes in
            Result { () throws(Ext4Error) in try file.write(bytes, at: place, options: []) }
          }
          _ = try result.get()
        }
        for purpose in [MappingPurpose.inspect, .write] {
          Self.expectDamage("mapping") { () throws(Ext4Error) in
            try file.withMapping(at: FileOffset(place), count: 4096, for: purpose) { _ in }
          }
          // Not by going on from what is in order, either.
          Self.expectDamage("mapping what follows") { () throws(Ext4Error) in
            try file.withMapping(at: FileOffset(0), count: 4096, for: purpose) {
              window throws(Ext4Error) in
              try window.walk { $0.end < FileOffset(place + 1) }
            }
          }
        }
        Self.expectDamage("asking for the place") { () throws(Ext4Error) in
          _ = try file.devicePosition(at: place, count: 100)
        }
        // A hole in front of such blocks is a hole.
        try file.change(.punchHole, at: place - 4096, length: 4096, options: [])
        file.mappings.removeAll()
        try file.withMapping(at: FileOffset(place - 4096), count: 4096, for: .inspect) { window in
          #expect(window.first.kind == .hole)
        }
        // What is the file's can be read.
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        #expect(count == 4096 && bytes.allSatisfy { $0 == 7 })
        #expect(try Self.contents(of: block, on: volume) == before)
      }
    }
  }

  @Test(arguments: Own.allCases, maps)
  func ownBlocksAreNotReadWhereNothingIsWritten(_ own: Own, features: [String]) throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("image"), size: "16M", features: features)
      var place: UInt64 = 0
      try DirectoryFixture.open(image) { fixture in
        let file = try Self.makeFile(fixture)
        place = try Self.claim(try own.block(of: fixture.volume), by: file, of: fixture) * 4096
        try fixture.volume.close()
      }
      let descriptor = try FileDescriptor.open(image.path, .readOnly)
      defer { try? descriptor.close() }
      var options = Volume.Options()
      options.readOnly = true
      let volume = try Volume.open(
        BlockDevice(
          fileDescriptor: descriptor.rawValue, byteOffset: 0,
          byteCount: try descriptor.seek(offset: 0, from: .end), isWritable: false),
        options: options)
      defer { volume.discard() }
      let file = try withName("file") { name throws(Ext4Error) in
        try volume.lookup(name, in: volume.node(.root))
      }
      var bytes = [UInt8](repeating: 0, count: 4096)
      Self.expectDamage("reading") { () throws(Ext4Error) in
        let result = bytes.withUnsafeMutableBytes { bytes in
          Result { () throws(Ext4Error) in try file.read(into: bytes, at: place) }
        }
        _ = try result.get()
      }
    }
  }

  /// What would lead to a file's blocks lies in the file system's own: it is not followed, and nothing in it is changed.
  @Test(arguments: Own.allCases, maps)
  func ownBlocksAreNotFollowed(_ own: Own, features: [String]) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "16M", features: features + ["^metadata_csum"])
      try DirectoryFixture.open(image) { fixture in
        defer { fixture.volume.discard() }
        let volume = fixture.volume
        let file = try Self.makeFile(fixture)
        let block = try own.block(of: volume)
        let size = UInt64(volume.blockSize)
        try fixture.locked { () throws(Ext4Error) in
          let map = UnsafeMutableRawPointer(file.raw) + Self.map
          if file.flags.contains(.extents) {
            // A root of depth 1 whose only entry leads there.
            file.rootNode.fill(
              with: [ExtentNode.Entry(child: block, logical: 0)][...], depth: 1)
          } else {
            // The first array of pointers.
            map.storeBytes(of: UInt32(block.rawValue), toByteOffset: 4 * 12, as: UInt32.self)
          }
          file.size = 40 * size
          try file.store()
          file.mappings.removeAll()
        }
        // What is there would be taken for a node, or an array of pointers.
        let node = [UInt8](repeating: 0, count: 4096)
        try fixture.locked { () throws(Ext4Error) in
          let buffer = try volume.readBlock(block, of: file.number)
          node.withUnsafeBytes {
            buffer.data.copyMemory(from: $0.baseAddress!, byteCount: $0.count)
          }
          ExtentNode(buffer.data, size: volume.blockSize).fill(
            with: [
              ExtentNode.Entry(
                Extent(logical: 0, physical: BlockNumber(3000), count: 20, isUnwritten: false))
            ][...], depth: 0)
        }
        func contents() throws(Ext4Error) -> [UInt8] {
          let buffer = try volume.readBlock(block, of: file.number)
          return Array(UnsafeRawBufferPointer(start: buffer.data, count: volume.blockSize))
        }
        let before = try fixture.locked { () throws(Ext4Error) in try contents() }
        for purpose in [MappingPurpose.inspect, .write] {
          do throws(Ext4Error) {
            try file.withMapping(at: FileOffset(14 * size), count: 4096, for: purpose) { _ in }
            Issue.record("it was followed")
          } catch {
            #expect(error.errno == .corrupted)
          }
        }
        try fixture.unlink("file", in: try fixture.root)
        do throws(Ext4Error) {
          try volume.forget(file.number, count: 1)
        } catch {
          #expect(error.errno == .corrupted)
        }
        #expect(try fixture.locked { () throws(Ext4Error) in try contents() } == before)
      }
    }
  }

  /// Attributes in a block of the file system's own are those of no file.
  @Test func ownBlocksHoldNoAttributes() throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("image"), size: "16M")
      try DirectoryFixture.open(image) { fixture in
        let file = try fixture.make(.regularFile, "file")
        try fixture.locked { () throws(Ext4Error) in
          // i_file_acl_lo.
          UnsafeMutableRawPointer(file.raw).storeBytes(
            of: UInt32(fixture.volume.descriptors.inodeTable(of: 0).rawValue),
            toByteOffset: 0x68, as: UInt32.self)
          try file.store()
        }
        try fixture.volume.close()
      }
      try DirectoryFixture.open(image) { fixture in
        defer { fixture.volume.discard() }
        do {
          _ = try fixture.open("file")
          Issue.record("it was opened")
        } catch {
          #expect((error as? Ext4Error)?.errno == .corrupted)
        }
      }
    }
  }
}
