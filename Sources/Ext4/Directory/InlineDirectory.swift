import Glibc
import Journal

// Directories whose entries lie in the inode (fs/ext4/inline.c): the parent's inode number in the first four
// bytes of `i_block`, records in the rest of it and in the attribute `system.data`. "." and ".." have no
// records.
extension Inode {
  private var inlineBlock: UnsafeMutableRawPointer { blockField.baseAddress! }

  private static let blockFieldLength = inlineCapacity
  private static let parentLength = 4

  func inlineParent() throws(Ext4Error) -> InodeNumber {
    let parent = UInt32(littleEndian: inlineBlock.loadUnaligned(as: UInt32.self))
    guard volume.geometry.contains(InodeNumber(parent)) else {
      throw .corrupted(number, what: "an inline directory has no parent")
    }
    return InodeNumber(parent)
  }

  func setInlineParent(_ parent: InodeNumber) throws(Ext4Error) {
    inlineBlock.storeBytes(of: parent.rawValue.littleEndian, as: UInt32.self)
    try store()
  }

  /// The one or two places where the records lie.
  func inlineRegions() throws(Ext4Error) -> [EntryRegion] {
    guard let body = try readBodyArea(), let entry = body.entry(named: .inlineData),
      entry.valueInode == nil
    else { throw .corrupted(number, what: "inline data lacks its attribute") }
    let inBlock = region(
      inlineBlock + Self.parentLength, Self.blockFieldLength - Self.parentLength)
    let value = body.value(of: entry)
    guard let start = value.baseAddress else { return [inBlock] }
    return [inBlock, region(UnsafeMutableRawPointer(mutating: start), value.count)]
  }

  func findInline(
    _ name: FileName
  ) throws(Ext4Error) -> (DirectoryBlock, EntryRegion.Match)? {
    for region in try inlineRegions() {
      if let match = try region.find(name) {
        return (DirectoryBlock(region: region, holder: .inode), match)
      }
    }
    return nil
  }

  /// False when the inode has no room for the entry.
  func insertInline(_ entry: NewEntry) throws(Ext4Error) -> Bool {
    for region in try inlineRegions() {
      if let offset = try region.room(for: entry.recordLength) {
        try region.insert(entry, at: offset)
        try store()
        return true
      }
    }
    return false
  }

  func isEmptyInlineDirectory() throws(Ext4Error) -> Bool {
    _ = try inlineParent()
    for region in try inlineRegions() {
      var records = region.records
      while let record = try records.next() {
        if record.isUsed { return false }
      }
    }
    return true
  }

  /// Moves the entries from the inode into a block. When there is no block, nothing changes (ENOSPC).
  func convertInlineDirectory() throws(Ext4Error) {
    let parent = try inlineParent()
    let regions = try inlineRegions()
    for region in regions { try region.validate() }
    let offsets = regions.map { $0.base - UnsafeMutableRawPointer(raw) }

    // A block can only be added once there is a block map where the data was.
    let before = UnsafeMutableRawPointer.allocate(byteCount: volume.inodeSize, alignment: 8)
    defer { before.deallocate() }
    before.copyMemory(from: raw, byteCount: volume.inodeSize)
    let buffer: BlockCache.Buffer
    do throws(Ext4Error) {
      try removeInlineDataAttribute()
      memset(inlineBlock, 0, Self.blockFieldLength)
      flags.remove(.inlineData)
      initializeBlockMap()
      size = 0
      buffer = try appendDirectoryBlock().buffer
    } catch {
      UnsafeMutableRawPointer(raw).copyMemory(from: before, byteCount: volume.inodeSize)
      sizeInBytes.store(size, ordering: .releasing)
      try store()
      volume.noteUndone()
      throw error
    }

    var filler = EntryRegion.Filler(leafRegion(buffer))
    appendDots(to: &filler, parent: parent)
    for (offset, old) in zip(offsets, regions) {
      let copy = region(before + offset, old.count)
      var records = copy.records
      while let record = try records.next() {
        // All records keep their lengths, and with them their positions for readdir.
        filler.append(record.copy, length: record.length)
      }
    }
    filler.finish()
    hasInlineData.store(false, ordering: .releasing)
    try didChange(.leaf(buffer))
  }
}
