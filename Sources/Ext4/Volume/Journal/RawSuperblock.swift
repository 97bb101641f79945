import CExt2FS
import Journal
import SystemPackage

/// The file system's superblock as it is on the device, for those who look at it before libext2fs does.
struct RawSuperblock {
  /// Where it is, in bytes from the beginning of the file system, and its size.
  static let byteOffset: UInt64 = 1024
  static let byteCount = 1024

  private(set) var fields = ext2_super_block()

  init(of device: BlockDevice) throws(Errno) {
    let result = withUnsafeMutableBytes(of: &fields) { bytes in
      Result { () throws(Errno) in try device.read(into: bytes, at: Self.byteOffset) }
    }
    try result.get()
  }

  /// Those of revision 0 have none.
  var features: Features {
    guard fields.s_rev_level > 0 else {
      return Features(compatible: [], incompatible: [], readOnlyCompatible: [])
    }
    return Features(
      compatible: .init(rawValue: fields.s_feature_compat),
      incompatible: .init(rawValue: fields.s_feature_incompat),
      readOnlyCompatible: .init(rawValue: fields.s_feature_ro_compat))
  }

  var uuid: FileSystemUUID { withUnsafeBytes(of: fields.s_uuid) { FileSystemUUID($0) } }

  /// The device that has the journal; zero for none.
  var journalUUID: FileSystemUUID {
    withUnsafeBytes(of: fields.s_journal_uuid) { FileSystemUUID($0) }
  }

  /// The inode that is the journal; 0 for none.
  var journalInode: UInt32 { fields.s_journal_inum }

  var blockCount: UInt64 {
    let high =
      features.incompatible.contains(.wideBlockNumbers) ? UInt64(fields.s_blocks_count_hi) << 32 : 0
    return high | UInt64(fields.s_blocks_count)
  }

  /// It or its orphan file names files that wait for their deletion.
  var hasOrphans: Bool {
    fields.s_last_orphan != 0 || features.readOnlyCompatible.contains(.orphansPresent)
  }

  var hasErrors: Bool { fields.s_state & UInt16(EXT2_ERROR_FS) != 0 }

  /// What is known of errors (EXT4_S_ERR_START to EXT4_S_ERR_END in fs/ext4/ext4.h).
  static let errorFields = 0x194..<0x200

  /// Takes over from `older` what is known of errors: it is written without the journal, so that what the journal has is older.
  static func copyErrors(
    from older: RawSuperblock, to superblock: UnsafeMutablePointer<ext2_super_block>
  ) {
    withUnsafeBytes(of: older.fields) { source in
      UnsafeMutableRawBufferPointer(start: superblock, count: byteCount)[errorFields]
        .copyBytes(from: source[errorFields])
    }
    superblock.pointee.s_state |= older.fields.s_state & UInt16(EXT2_ERROR_FS)
  }
}
