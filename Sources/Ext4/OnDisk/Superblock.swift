import CExt2FS
import Glibc
import Journal

/// The superblock in libext2fs's memory: what of it changes while the file system is used. What does not is in the `Geometry`. Metadata
/// lock held, for all of this.
struct Superblock {
  private let fs: ext2_filsys
  let fields: UnsafeMutablePointer<ext2_super_block>
  private let blockCount: UInt64
  private let inodeCount: UInt32

  init(_ fs: ext2_filsys, _ geometry: Geometry) {
    self.fs = fs
    fields = fs.pointee.super
    blockCount = geometry.blockCount
    inodeCount = geometry.inodeCount
  }

  /// It must be written.
  @inline(__always)
  func markDirty() { ext2fs_mark_super_dirty(fs) }

  var isDirty: Bool { fs.pointee.flags & EXT2_FLAG_DIRTY != 0 }

  /// Libext2fs believes that nothing of what it has must be written.
  func clearDirty() {
    fs.pointee.flags &= ~(EXT2_FLAG_DIRTY | EXT2_FLAG_BB_DIRTY | EXT2_FLAG_IB_DIRTY)
  }

  // MARK: Counts

  var freeBlocks: UInt64 {
    @inline(__always) get { min(ext2fs_free_blocks_count(fields), blockCount) }
    nonmutating set { ext2fs_free_blocks_count_set(fields, min(newValue, blockCount)) }
  }

  var freeInodes: UInt32 {
    get { min(fields.pointee.s_free_inodes_count, inodeCount) }
    nonmutating set { fields.pointee.s_free_inodes_count = min(newValue, inodeCount) }
  }

  /// Blocks that only the privileged may take.
  var reservedBlocks: UInt64 { min(ext2fs_r_blocks_count(fields), blockCount) }
  var reserveUser: UInt32 { UInt32(fields.pointee.s_def_resuid) }
  var reserveGroup: UInt32 { UInt32(fields.pointee.s_def_resgid) }

  // MARK: State

  var hasErrors: Bool {
    get { hasState(EXT2_ERROR_FS) }
    nonmutating set { setState(EXT2_ERROR_FS, newValue) }
  }

  var isClean: Bool {
    get { hasState(EXT2_VALID_FS) }
    nonmutating set { setState(EXT2_VALID_FS, newValue) }
  }

  private func hasState(_ flag: CInt) -> Bool { fields.pointee.s_state & UInt16(flag) != 0 }

  private func setState(_ flag: CInt, _ isSet: Bool) {
    if isSet {
      fields.pointee.s_state |= UInt16(flag)
    } else {
      fields.pointee.s_state &= ~UInt16(flag)
    }
  }

  func has(_ feature: Features.Compatible) -> Bool {
    fields.pointee.s_feature_compat & feature.rawValue != 0
  }

  func set(_ feature: Features.Compatible) { fields.pointee.s_feature_compat |= feature.rawValue }

  func set(_ feature: Features.Incompatible, _ isSet: Bool) {
    if isSet {
      fields.pointee.s_feature_incompat |= feature.rawValue
    } else {
      fields.pointee.s_feature_incompat &= ~feature.rawValue
    }
  }

  func has(_ feature: Features.ReadOnlyCompatible) -> Bool {
    fields.pointee.s_feature_ro_compat & feature.rawValue != 0
  }

  func set(_ feature: Features.ReadOnlyCompatible, _ isSet: Bool) {
    if isSet {
      fields.pointee.s_feature_ro_compat |= feature.rawValue
    } else {
      fields.pointee.s_feature_ro_compat &= ~feature.rawValue
    }
  }

  /// The first inode of the list of orphans; 0 for none.
  var lastOrphan: Unchecked<UInt32> { Unchecked(fields.pointee.s_last_orphan) }
  func setLastOrphan(_ inode: InodeNumber?) { fields.pointee.s_last_orphan = inode?.rawValue ?? 0 }

  /// The inode that is the file of orphans.
  var orphanFile: Unchecked<UInt32> { Unchecked(fields.pointee.s_orphan_file_inum) }

  func noteMount() {
    fields.pointee.s_mtime = UInt32(truncatingIfNeeded: time(nil))
    fields.pointee.s_mnt_count &+= 1
  }

  func noteWrite() { fields.pointee.s_wtime = UInt32(truncatingIfNeeded: time(nil)) }

  // MARK: What people set

  /// An image that asks for a panic gets an end of writing: only the person who mounts it may have the daemon ended.
  var onError: Volume.Options.ErrorBehavior {
    switch fields.pointee.s_errors {
    case UInt16(EXT2_ERRORS_RO), UInt16(EXT2_ERRORS_PANIC): .remountReadOnly
    default: .carryOn
    }
  }

  /// New files get the group of their directory (EXT4_DEFM_BSDGROUPS).
  var takesGroupsFromDirectories: Bool {
    fields.pointee.s_default_mount_opts & UInt32(EXT2_DEFM_BSDGROUPS) != 0
  }

  var uuid: [UInt8] { withUnsafeBytes(of: fields.pointee.s_uuid) { Array($0) } }

  /// 16 bytes.
  var label: [UInt8] { withUnsafeBytes(of: fields.pointee.s_volume_name) { Array($0) } }

  /// Cut off at 16 bytes.
  func setLabel(_ label: some Collection<UInt8>) {
    withUnsafeMutableBytes(of: &fields.pointee.s_volume_name) { name in
      name.initializeMemory(as: UInt8.self, repeating: 0)
      name.copyBytes(from: label.prefix(name.count))
    }
  }

  // MARK: Checksums and writing

  /// What the checksums of metadata begin with.
  var checksumSeed: UInt32 { fs.pointee.csum_seed }

  /// Hands it to libext2fs's device, which is the block cache.
  func write() throws(Ext4Error) {
    noteWrite()
    try check(ext2fs_superblock_csum_set(fs, fields), "the superblock's checksum")
    try check(
      fs.pointee.io.pointee.manager.pointee.write_byte(fs.pointee.io, 1024, 1024, fields),
      "writing the superblock")
  }

  /// Its bytes as they are to be on disk.
  func serialized() -> UnsafeRawBufferPointer {
    _ = ext2fs_superblock_csum_set(fs, fields)
    return UnsafeRawBufferPointer(start: fields, count: RawSuperblock.byteCount)
  }
}
