import CExt2FS
import Glibc
import IomapCache
import Journal
import SystemPackage

extension Volume {
  /// Bytes that a file of this kind can have: 2^32 - 1 blocks with extents; what the indirect blocks reach
  /// without, and 2 TiB at most where `i_blocks` counts sectors (ext4_max_size, ext4_max_bitmap_size).
  func maximumFileSize(of inode: Inode) -> UInt64 {
    let blockSize = UInt64(blockSize)
    let sectors: UInt64 =
      features.readOnlyCompatible.contains(.hugeFile) ? .max : UInt64(UInt32.max) * 512
    if inode.flagsNow.contains(.extents) {
      return min(UInt64(UInt32.max) * blockSize, Int64.max.magnitude)
    }
    let pointers = blockSize / 4
    let blocks = 12 + pointers + pointers * pointers + pointers * pointers * pointers
    let metadata = 1 + (1 + pointers) + (1 + pointers + pointers * pointers)
    let limit = sectors == .max ? UInt64(UInt32.max) * blockSize : sectors
    return min(blocks * blockSize, limit - min(limit, metadata * blockSize))
  }

  /// The superblock says when a file of 2 GiB and more exists (ext4_set_feature_large_file). Metadata lock held.
  func noteLargeFile(_ inode: Inode) {
    guard inode.size > 0x7FFF_FFFF, !superblock.has(.largeFile) else { return }
    superblock.set(.largeFile, true)
    superblock.markDirty()
  }
}

extension Inode {
  /// Makes the file `newSize` bytes long. Takes the locks itself; the times are the caller's business.
  func resize(to newSize: UInt64) throws(Ext4Error) {
    guard newSize <= volume.maximumFileSize(of: self) else { throw .errno(.fileTooLarge) }
    try io.withWriteLock { () throws(Ext4Error) in
      if hasInlineData.load(ordering: .relaxed) {
        try volume.change { () throws(Ext4Error) in try moveInlineDataToBlocks() }
      }
      let oldSize = sizeInBytes.load(ordering: .acquiring)
      if newSize > oldSize {
        try changeEdges { () throws(Ext4Error) in try zeroBehindEnd(upTo: newSize) }
      } else if !isServedByIomap.load(ordering: .relaxed) {
        // The rest of the block that stays must read as zeros when the file grows again.
        let blockSize = UInt64(volume.blockSize)
        let blockEnd = (newSize + blockSize - 1) / blockSize * blockSize
        try changeEdges { () throws(Ext4Error) in
          try zeroMapped(from: newSize, to: min(blockEnd, max(oldSize, newSize)))
        }
      }
      // Preallocated blocks behind the old end go as well, even when the size stays. Where the kernel moves the data, the
      // file may have been longer in its memory than here, and have blocks there.
      let shrinks = newSize <= oldSize || isServedByIomap.load(ordering: .relaxed)
      try volume.changeInSteps { () throws(Ext4Error) in
        try requireStorable()
        size = newSize
        volume.noteLargeFile(self)
        guard shrinks, try !removeSomeBlocksBehindEnd() else {
          if linkCount > 0 { try volume.removeOrphan(self) }
          try store()
          return true
        }
        // After a crash, the next mount goes on with the truncation.
        try volume.addOrphan(self)
        return false
      }
    }
  }

  /// Frees what lies behind the block that holds the last byte, as far as one step goes. Returns whether nothing is left. Metadata
  /// lock held.
  func removeSomeBlocksBehindEnd() throws(Ext4Error) -> Bool {
    let first = (size + UInt64(volume.blockSize) - 1) >> volume.blockShift
    guard first <= UInt64(UInt32.max) else { return true }
    return try removeSomeBlocks(from: UInt32(first), to: UInt64(1) << 32)
  }

  /// Moves data that lies in the inode itself to a block, so that it can grow. Metadata lock held, and `io`
  /// exclusively.
  func moveInlineDataToBlocks() throws(Ext4Error) {
    noteServerData()
    let data = try inlineData()
    let blockSize = volume.blockSize
    let count = (data.count + blockSize - 1) / blockSize
    let taken = count > 0 ? try takeBlocks(from: 0, to: UInt64(count)) : []
    do throws(Ext4Error) {
      guard taken.reduce(0, { $0 + Int($1.count) }) == count else { throw .errno(.noSpace) }
      let bytes = UnsafeMutableRawBufferPointer.allocate(
        byteCount: count * blockSize, alignment: 4096)
      defer { bytes.deallocate() }
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      bytes.copyBytes(from: data)
      for extent in taken {
        let start = Int(extent.logical) * blockSize
        try writeDevice(
          UnsafeRawBufferPointer(
            rebasing: bytes[start..<(start + Int(extent.count) * blockSize)]),
          at: DeviceOffset(extent.physical.rawValue << volume.blockShift), metadataHeld: true)
      }
    } catch {
      giveBack(taken)
      volume.noteUndone()
      throw error
    }
    try removeInlineDataAttribute()
    flags.remove(.inlineData)
    _ = blockField.initializeMemory(as: UInt8.self, repeating: 0)
    initializeBlockMap()
    mappings.removeAll()
    // An empty map has room for the few pieces in the inode itself, so that this cannot fail for want of space.
    for extent in taken { try record(extent) }
    hasInlineData.store(false, ordering: .releasing)
    try store()
  }
}
