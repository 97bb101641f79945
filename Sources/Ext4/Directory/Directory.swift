import Journal
import SystemPackage

// What a directory is asked for. All of it with the volume's metadata lock held; times and link counts
// are the caller's business.
extension Inode {
  /// The entry called `name`, "." and ".." included; nil when there is none.
  func lookup(_ name: FileName) throws(Ext4Error) -> DirectoryEntry? {
    try requireDirectory()
    if flags.contains(.inlineData) {
      if name.isCurrent { return DirectoryEntry(inode: number, type: .directory) }
      if name.isParent { return DirectoryEntry(inode: try inlineParent(), type: .directory) }
    }
    guard let (block, match) = try locate(name, mayBreakOff: true) else { return nil }
    let record = try block.region.record(at: match.offset)
    return try entry(record.inode, typeCode: record.typeCode)
  }

  /// What a used record says; one that names an impossible inode is corruption.
  func entry(_ inode: UInt32, typeCode: UInt8) throws(Ext4Error) -> DirectoryEntry {
    try entryFormat.entry(inode, typeCode: typeCode)
  }

  var entryFormat: EntryFormat {
    EntryFormat(
      directory: number, inodeCount: volume.geometry.inodeCount,
      hasTypes: hasEntryTypes)
  }

  /// Adds an entry; the caller has checked that there is none of this name. ENOSPC when the directory
  /// can't grow: it is as it was then.
  func insertEntry(
    _ name: FileName, _ child: InodeNumber, type: FileType
  ) throws(Ext4Error) {
    try requireDirectory()
    directoryHints.listingEnd = nil
    let entry = NewEntry(
      name: name.bytes, inode: child.rawValue, typeCode: typeCode(for: type))
    if flags.contains(.inlineData) {
      if try insertInline(entry) { return }
      try convertInlineDirectory()
    }
    try dropUselessIndex()
    var mayIndex = hasDirectoryIndexFeature
    if flags.contains(.indexed) {
      if try insertByHash(entry) { return }
      // Checksums are right and yet it makes no sense: better not to build on it (ext4_add_entry).
      guard !hasDirectoryChecksums else {
        throw .corrupted(number, what: "the directory index is damaged")
      }
      flags.remove(.indexed)
      try store()
      mayIndex = false
      // The caller has not found it by the index; that was no proof.
      guard try findByScan(name, mayBreakOff: false) == nil else {
        throw .corrupted(number, what: "the directory index hid a name")
      }
    }
    try insertByScan(entry, mayIndex: mayIndex)
  }

  /// Removes the entry. ENOENT when there is none.
  func removeEntry(_ name: FileName) throws(Ext4Error) {
    try requireDirectory()
    guard !name.isCurrent, !name.isParent else { throw .errno(.invalidArgument) }
    try dropUselessIndex()
    guard let (block, match) = try locate(name) else { throw .errno(.noSuchFileOrDirectory) }
    try block.region.remove(match)
    try didChange(block.holder)
    directoryHints.madeRoom(in: directoryHints.lastFound)
  }

  /// Makes the entry lead to another file. ENOENT when there is none.
  func replaceEntry(
    _ name: FileName, with child: InodeNumber, type: FileType
  ) throws(Ext4Error) {
    try requireDirectory()
    if flags.contains(.inlineData), name.isParent { return try setInlineParent(child) }
    try dropUselessIndex()
    guard let (block, match) = try locate(name) else { throw .errno(.noSuchFileOrDirectory) }
    if hasDirectoryChecksums, case .index = block.holder {
      // Its checksum has not been looked at yet, and will be written anew.
      guard try HashTree(of: self) != nil else {
        throw .corrupted(number, what: "the directory index is damaged")
      }
    }
    try block.region.record(at: match.offset).setTarget(
      child.rawValue, typeCode: typeCode(for: type))
    try didChange(block.holder)
  }

  /// True when the directory has nothing but "." and "..". EUCLEAN when it lacks one of those.
  func isEmptyDirectory() throws(Ext4Error) -> Bool {
    try requireDirectory()
    if flags.contains(.inlineData) { return try isEmptyInlineDirectory() }
    for number in 0..<(try directoryBlockCount()) {
      try askForCaller(at: number)
      guard let block = try anyBlock(number) else {
        if number == 0 { break }
        if isBehindAllBlocks(number) { return true }
        continue
      }
      var records = block.region.records
      if number == 0 {
        guard let first = try records.next(), let second = try records.next(),
          first.inode == self.number.rawValue, FileName.current.matches(first.name),
          second.isUsed, FileName.parent.matches(second.name)
        else { throw .corrupted(self.number, what: "a directory does not start with . and ..") }
      }
      while let record = try records.next() {
        if record.isUsed { return false }
      }
    }
    guard try directoryBlockCount() > 0, try directoryBuffer(0) != nil else {
      throw .corrupted(number, what: "a directory has no first block")
    }
    return true
  }

  /// Gives a new directory its first block, with "." and "..".
  func initializeDirectory(parent: InodeNumber) throws(Ext4Error) {
    let (_, buffer) = try appendDirectoryBlock()
    var filler = EntryRegion.Filler(leafRegion(buffer))
    appendDots(to: &filler, parent: parent)
    filler.finish()
    try didChange(.leaf(buffer))
  }

  func appendDots(to filler: inout EntryRegion.Filler, parent: InodeNumber) {
    let code = typeCode(for: .directory)
    filler.append(
      NewEntry(name: FileName.current.bytes, inode: number.rawValue, typeCode: code))
    filler.append(
      NewEntry(name: FileName.parent.bytes, inode: parent.rawValue, typeCode: code))
  }

  /// Where the entry is. In an inline directory "." and ".." are not found: they have no records. `mayBreakOff`: nothing has changed
  /// yet, and EINTR may end it when the caller is gone.
  private func locate(
    _ name: FileName, mayBreakOff: Bool = false
  ) throws(Ext4Error) -> (DirectoryBlock, EntryRegion.Match)? {
    if flags.contains(.inlineData) { return try findInline(name) }
    if name.isCurrent || name.isParent {
      // Always in the first block.
      guard try directoryBlockCount() > 0, let block = try anyBlock(0) else { return nil }
      return try block.region.find(name).map { (block, $0) }
    }
    if usesIndex {
      var isSound = true
      if let tree = try HashTree(of: self) {
        let found = try tree.find(name, isSound: &isSound)
        if isSound { return found }
      }
      directoryHints.indexIsDamaged = true
    }
    return try findByScan(name, mayBreakOff: mayBreakOff)
  }

  /// True when names are to be looked for through an index.
  var usesIndex: Bool {
    flags.contains(.indexed) && hasDirectoryIndexFeature && !directoryHints.indexIsDamaged
  }

  private var hasEntryTypes: Bool { volume.features.incompatible.contains(.fileType) }

  func typeCode(for type: FileType) -> UInt8 { hasEntryTypes ? type.rawValue : 0 }

  private func requireDirectory() throws(Ext4Error) {
    guard isDirectory else { throw .errno(.notDirectory) }
  }

  /// Before a change: an index on a file system without the dir_index feature is not kept up to date, so
  /// it must go (ext4_update_dx_flag). With checksums its blocks could not stay as they are, and the
  /// kernel doesn't accept such a directory at all.
  private func dropUselessIndex() throws(Ext4Error) {
    guard flags.contains(.indexed), !hasDirectoryIndexFeature, !flags.contains(.inlineData)
    else { return }
    guard !hasDirectoryChecksums else {
      throw .corrupted(number, what: "a directory has an index, but the file system has none")
    }
    flags.remove(.indexed)
    try store()
  }
}
