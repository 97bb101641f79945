import CExt2FS
import Foundation
import SystemPackage
import TestSupport

/// An ext4 image as it is on disk, read afresh through libext2fs at every question. What a journal
/// holds counts: it is replayed into a copy first.
public struct DiskTruth: DiskOracle {
  public let image: FilePath
  public let blockSize: UInt64
  public let isExt4: Bool
  public let hasExtents: Bool

  public init(_ image: FilePath) throws {
    self.image = image
    let superblock = try Superblock(image)
    isExt4 = superblock.isExt4
    blockSize = superblock.blockSize
    hasExtents = superblock.hasExtents
  }

  public func isClean() throws -> Bool {
    let superblock = try Superblock(image)
    // EXT2_VALID_FS without EXT2_ERROR_FS, and nothing to recover.
    return superblock.state & 3 == 1 && !superblock.needsRecovery
  }

  public func inodes(_ numbers: [UInt64]) throws -> [UInt64: InodeTruth] {
    try withRecovered { path in
      let file = try Ext2Image(path)
      var found: [UInt64: InodeTruth] = [:]
      for number in numbers { found[number] = try file.inode(number) }
      return found
    }
  }

  /// Runs the body on an image with an empty journal: this one, or a copy.
  public func withRecovered<R>(_ body: (FilePath) throws -> R) throws -> R {
    guard try Superblock(image).needsRecovery else { return try body(image) }
    let name = "\(image.lastComponent?.string ?? "image")-\(UUID().uuidString.prefix(8))"
    let copy = Scratch.root.appending(name)
    defer { unlink(copy.string) }
    try Command(["cp", "--sparse=always", image.string, copy.string]).succeed()
    // Exit code 1: errors corrected, which is what a replay is.
    let result = try Command(["e2fsck", "-y", "-E", "journal_only", copy.string]).run()
    guard result.status <= 1 else { throw Failure(result.description) }
    return try body(copy)
  }

  /// The fields of the superblock that matter here.
  struct Superblock {
    let isExt4: Bool
    let blockSize: UInt64
    let state: UInt16
    let needsRecovery: Bool
    let hasExtents: Bool

    init(_ image: FilePath) throws {
      let descriptor = try Syscall.open(image, O_RDONLY)
      defer { close(descriptor) }
      let bytes = try Syscall.read(descriptor, count: 1024, at: 1024)
      guard bytes.count == 1024 else { throw Failure("\(image) is too short for an ext4 image") }
      isExt4 = bytes.read { $0.u16(56) } == 0xef53
      blockSize = isExt4 ? 1024 << UInt64(bytes.read { $0.u32(24) }) : 4096
      state = bytes.read { $0.u16(58) }
      let incompatible = bytes.read { $0.u32(96) }
      needsRecovery = isExt4 && incompatible & 0x4 != 0
      hasExtents = incompatible & 0x40 != 0
    }
  }
}

/// An image open in libext2fs.
final class Ext2Image {
  private let handle: ext2_filsys

  init(_ path: FilePath) throws {
    var opened: ext2_filsys?
    // 64BITS, SOFTSUPP_FEATURES and IGNORE_CSUM_ERRORS are left to libext2fs's own judgement.
    let code = ext2fs_open(
      path.string, EXT2_FLAG_64BITS, 0, 0, cext2fs_unix_io_manager(), &opened)
    guard code == 0, let opened else { throw Failure("libext2fs opens no \(path): code \(code)") }
    handle = opened
  }

  deinit {
    var closing: ext2_filsys? = handle
    _ = ext2fs_close_free(&closing)
  }

  /// Nil: not in use.
  func inode(_ number: UInt64) throws -> InodeTruth? {
    guard number <= UInt64(handle.pointee.super.pointee.s_inodes_count) else { return nil }
    let size = Int(handle.pointee.super.pointee.s_inode_size)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(size, 256), alignment: 16)
    defer { memory.deallocate() }
    memset(memory, 0, max(size, 256))
    let inode = memory.assumingMemoryBound(to: ext2_inode.self)
    let code = ext2fs_read_inode_full(handle, ext2_ino_t(number), inode, CInt(size))
    guard code == 0 else { throw Failure("inode \(number) cannot be read: code \(code)") }
    let fields = MessageReader(UnsafeRawBufferPointer(start: memory, count: max(size, 256)))
    // Without links it may be an orphan that is open.
    guard fields.u16(0) != 0 else { return nil }
    var truth = InodeTruth(
      number: number, size: UInt64(fields.u32(4)) | UInt64(fields.u32(108)) << 32,
      mode: UInt32(fields.u16(0)), links: UInt32(fields.u16(26)), extents: [])
    truth.uid = UInt32(fields.u16(2)) | UInt32(fields.u16(120)) << 16
    truth.gid = UInt32(fields.u16(24)) | UInt32(fields.u16(122)) << 16
    truth.flags = fields.u32(32)
    let extra = size > 128 ? Int(fields.u16(128)) : 0
    truth.accessTime = Self.time(fields, 8, 140, extra)
    truth.changeTime = Self.time(fields, 12, 132, extra)
    truth.modificationTime = Self.time(fields, 16, 136, extra)
    if truth.mode & 0o170000 == 0o100000 {
      // Not of files whose data is in the inode.
      if truth.flags & 0x1000_0000 == 0 { try readMappings(of: &truth, inode) }
    }
    return truth
  }

  /// A time with the bits that larger inodes have for it: two of the epoch, 30 of nanoseconds.
  private static func time(
    _ fields: MessageReader, _ seconds: Int, _ more: Int, _ extra: Int
  ) -> InodeTruth.Time {
    let base = Int64(fields.i32(seconds))
    guard extra >= more + 4 - 128 else { return .init(seconds: base, nanoseconds: 0) }
    let bits = fields.u32(more)
    return .init(seconds: base + Int64(bits & 3) << 32, nanoseconds: bits >> 2)
  }

  private func readMappings(
    of truth: inout InodeTruth, _ inode: UnsafeMutablePointer<ext2_inode>
  ) throws {
    if truth.flags & 0x80000 != 0 {
      try readExtents(of: &truth, inode)
    } else {
      try readBlockMap(of: &truth, inode)
    }
  }

  private func readExtents(
    of truth: inout InodeTruth, _ inode: UnsafeMutablePointer<ext2_inode>
  ) throws {
    var tree: ext2_extent_handle_t?
    var code = ext2fs_extent_open2(handle, ext2_ino_t(truth.number), inode, &tree)
    guard code == 0, let tree else { throw Failure("extents of \(truth.number): code \(code)") }
    defer { ext2fs_extent_free(tree) }
    var extent = ext2fs_extent()
    var step = EXT2_EXTENT_ROOT
    while true {
      code = ext2fs_extent_get(tree, step, &extent)
      guard code == 0 else { break }
      step = EXT2_EXTENT_NEXT
      guard extent.e_flags & UInt32(EXT2_EXTENT_FLAGS_LEAF) != 0,
        extent.e_flags & UInt32(EXT2_EXTENT_FLAGS_SECOND_VISIT) == 0
      else { continue }
      truth.append(
        .init(
          fileBlock: extent.e_lblk, count: UInt64(extent.e_len), deviceBlock: extent.e_pblk,
          isUnwritten: extent.e_flags & UInt32(EXT2_EXTENT_FLAGS_UNINIT) != 0))
    }
    // Codes for the end: EXTENT_NO_NEXT, and NO_SPACE or the like of an empty tree.
    guard code == EXT2_ET_EXTENT_NO_NEXT || truth.extents.isEmpty else {
      throw Failure("extents of inode \(truth.number): code \(code)")
    }
  }

  private func readBlockMap(
    of truth: inout InodeTruth, _ inode: UnsafeMutablePointer<ext2_inode>
  ) throws {
    let size = UInt64(handle.pointee.blocksize)
    for block in 0..<((truth.size + size - 1) / size) {
      var (flags, place): (CInt, blk64_t) = (0, 0)
      let code = ext2fs_bmap2(
        handle, ext2_ino_t(truth.number), inode, nil, 0, block, &flags, &place)
      guard code == 0 else { throw Failure("block map of \(truth.number): code \(code)") }
      guard place != 0 else { continue }
      truth.append(.init(fileBlock: block, count: 1, deviceBlock: place, isUnwritten: false))
    }
  }
}
