import CExt2FS
import Glibc
import Journal
import SystemPackage

/// The file system's superblock as it is on the device, before libext2fs has it. What it says of the file system's shape becomes a
/// `Geometry`, which judges it.
struct RawSuperblock {
  /// Where it is, in bytes from the beginning of the file system, and its size.
  static let byteOffset: UInt64 = 1024
  static let byteCount = 1024

  private var fields = ext2_super_block()

  init(of device: BlockDevice) throws(Errno) {
    let result = withUnsafeMutableBytes(of: &fields) { bytes in
      Result { () throws(Errno) in try device.read(into: bytes, at: Self.byteOffset) }
    }
    try result.get()
  }

  /// A field that no code has judged yet.
  @inline(__always)
  subscript<Value>(field: KeyPath<ext2_super_block, Value>) -> Unchecked<Value> {
    Unchecked(fields[keyPath: field])
  }

  var hasMagic: Bool { fields.s_magic == UInt16(EXT2_SUPER_MAGIC) }

  /// 0 for file systems without features, 1 for all others.
  var revision: UInt32 { fields.s_rev_level }

  /// Those of revision 0 have none.
  var features: Features {
    guard revision > 0 else {
      return Features(compatible: [], incompatible: [], readOnlyCompatible: [])
    }
    return Features(
      compatible: .init(rawValue: fields.s_feature_compat),
      incompatible: .init(rawValue: fields.s_feature_incompat),
      readOnlyCompatible: .init(rawValue: fields.s_feature_ro_compat))
  }

  /// Revision 0 knows no features, but libext2fs goes by the bits: where it says so, the two disagree about what is on disk.
  var hasFeaturesWithoutRevision: Bool {
    revision == 0
      && fields.s_feature_compat | fields.s_feature_incompat | fields.s_feature_ro_compat != 0
  }

  var uuid: FileSystemUUID { withUnsafeBytes(of: fields.s_uuid) { FileSystemUUID($0) } }

  /// The device that has the journal; zero for none.
  var journalUUID: FileSystemUUID {
    withUnsafeBytes(of: fields.s_journal_uuid) { FileSystemUUID($0) }
  }

  /// Nil where the journal is on another device, or there is none.
  var journalInode: InodeNumber? {
    fields.s_journal_inum == 0 ? nil : InodeNumber(fields.s_journal_inum)
  }

  var blockCount: Unchecked<UInt64> {
    let high =
      features.incompatible.contains(.wideBlockNumbers) ? UInt64(fields.s_blocks_count_hi) << 32 : 0
    return Unchecked(high | UInt64(fields.s_blocks_count))
  }

  /// It or its orphan file names files that wait for their deletion.
  var hasOrphans: Bool {
    fields.s_last_orphan != 0 || features.readOnlyCompatible.contains(.orphansPresent)
  }

  var hasErrors: Bool { fields.s_state & UInt16(EXT2_ERROR_FS) != 0 }

  var hashSeed: (UInt32, UInt32, UInt32, UInt32) { fields.s_hash_seed }
  var hasUnsignedHash: Bool { fields.s_flags & UInt32(EXT2_FLAGS_UNSIGNED_HASH) != 0 }

  /// True without checksums.
  var hasValidChecksum: Bool {
    !features.readOnlyCompatible.contains(.metadataChecksums)
      || computedChecksum == fields.s_checksum
  }

  /// Over all that precedes the checksum itself (ext4_superblock_csum).
  private var computedChecksum: UInt32 {
    withUnsafeBytes(of: fields) { bytes in
      cext2fs_crc32c(
        ~0, bytes.assumingMemoryBound(to: UInt8.self).baseAddress, bytes.count - 4)
    }
  }

  /// Its bytes as they are to be on disk.
  mutating func withSerialized(_ body: (UnsafeRawBufferPointer) -> Void) {
    if features.readOnlyCompatible.contains(.metadataChecksums) {
      fields.s_checksum = computedChecksum
    }
    withUnsafeBytes(of: fields) { body($0) }
  }

  /// What is known of errors (EXT4_S_ERR_START to EXT4_S_ERR_END in fs/ext4/ext4.h).
  private static let errorFields = 0x194..<0x200

  /// Takes over what another copy of the superblock knows of errors.
  mutating func copyErrors(from other: UnsafePointer<ext2_super_block>) {
    Self.copyErrors(from: other, to: &fields)
  }

  /// Writes over a copy of the superblock in memory what this one knows of errors.
  func copyErrors(to other: UnsafeMutablePointer<ext2_super_block>) {
    withUnsafePointer(to: fields) { Self.copyErrors(from: $0, to: other) }
  }

  private static func copyErrors(
    from source: UnsafePointer<ext2_super_block>, to target: UnsafeMutablePointer<ext2_super_block>
  ) {
    UnsafeMutableRawBufferPointer(start: target, count: byteCount)[errorFields].copyBytes(
      from: UnsafeRawBufferPointer(start: source, count: byteCount)[errorFields])
    target.pointee.s_state |= source.pointee.s_state & UInt16(EXT2_ERROR_FS)
    target.pointee.s_first_error_time_hi = source.pointee.s_first_error_time_hi
    target.pointee.s_last_error_time_hi = source.pointee.s_last_error_time_hi
    target.pointee.s_first_error_errcode = source.pointee.s_first_error_errcode
    target.pointee.s_last_error_errcode = source.pointee.s_last_error_errcode
  }

  func isSame(as bytes: UnsafeRawPointer) -> Bool {
    withUnsafeBytes(of: fields) { memcmp($0.baseAddress!, bytes, Self.byteCount) == 0 }
  }
}
