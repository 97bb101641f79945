import CExt2FS
import Journal
import SystemPackage

// The hooks that libext2fs calls when it takes and frees single blocks for itself: nodes of extent trees, indirect blocks. It does not
// report whole ranges correctly: libext2fs 1.47.0 passes a range that it has counted down to nothing. A caller that has libext2fs
// change a range therefore calls `blocksChanged`.
extension Volume {
  /// Libext2fs does not choose those blocks by itself: it would take a group whose bitmap is not loaded for an empty one.
  func watchBlockAllocation() {
    fs.pointee.priv_data = Unmanaged.passUnretained(self).toOpaque()
    ext2fs_set_alloc_block_callback(
      fs,
      { fs, goal, block in
        guard let fs, let block else { return errcode_t(EXT2_ET_BLOCK_ALLOC_FAIL) }
        let volume = Volume.of(fs)
        // In the middle of what it does it cannot begin again.
        volume.cache.noteChange()
        do throws(Ext4Error) {
          // Libext2fs counts below zero.
          guard volume.superblock.freeBlocks > 0,
            let run = try volume.findFreeBlocks(near: BlockNumber(goal), upTo: 1)
          else { return errcode_t(EXT2_ET_BLOCK_ALLOC_FAIL) }
          block.pointee = run.first.rawValue
          return 0
        } catch {
          return errcode_t(error.errno.rawValue)
        }
      }, nil)
    ext2fs_set_block_alloc_stats_callback(
      fs,
      { fs, block, inUse in
        guard let fs else { return }
        Volume.of(fs).blockChanged(BlockNumber(block), inUse: inUse > 0)
      }, nil)
  }

  private static func of(_ fs: ext2_filsys) -> Volume {
    Unmanaged<Volume>.fromOpaque(fs.pointee.priv_data).takeUnretainedValue()
  }
}
