import SystemPackage

extension Volume {
  /// How rename(2) treats an existing new name and the old one.
  public struct RenameFlags: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// EEXIST instead of replacing the new name.
    public static let noReplace = RenameFlags(rawValue: 1)
    /// The two names change places.
    public static let exchange = RenameFlags(rawValue: 2)
    /// A whiteout, a character device 0:0, takes the old name.
    public static let whiteout = RenameFlags(rawValue: 4)
  }

  /// Where a name stands.
  private struct Place {
    var directory: Inode
    var name: FileName
  }

  /// Renames `oldName` in `oldDirectory` to `newName` in `newDirectory`. The caller's ids own a whiteout.
  public func rename(
    _ oldName: FileName, in oldDirectory: Inode, to newName: FileName, in newDirectory: Inode,
    flags: RenameFlags, userID: UInt32, groupID: UInt32
  ) throws(Ext4Error) {
    try requireWritable()
    guard flags.subtracting([.noReplace, .exchange, .whiteout]).isEmpty,
      !flags.contains(.exchange) || flags == .exchange
    else { throw .errno(.invalidArgument) }
    let dropped = try change { () throws(Ext4Error) -> Inode? in
      let old = Place(directory: oldDirectory, name: oldName)
      let new = Place(directory: newDirectory, name: newName)
      let moved = try target(of: oldName, in: oldDirectory)
      try oldDirectory.requireRemovable(moved)
      guard newDirectory.isDirectory else { throw .errno(.notDirectory) }
      guard newDirectory.linkCount > 0 else { throw .errno(.noSuchFileOrDirectory) }
      let entry = try newDirectory.lookup(newName)
      if flags.contains(.exchange) {
        guard let entry else { throw .errno(.noSuchFileOrDirectory) }
        let other = try inode(entry.inode, namedIn: newDirectory)
        try newDirectory.requireRemovable(other)
        try newDirectory.requireSameProject(as: moved)
        try oldDirectory.requireSameProject(as: other)
        try exchange(moved, at: old, with: other, at: new)
        return nil
      }
      guard let entry else {
        try newDirectory.requireInsertable()
        try newDirectory.requireSameProject(as: moved)
        try move(moved, from: old, to: new, flags: flags, userID, groupID)
        return nil
      }
      guard !flags.contains(.noReplace) else { throw .errno(.fileExists) }
      let replaced = try inode(entry.inode, namedIn: newDirectory)
      // Two names of one file: nothing to do (rename(2)).
      if replaced === moved { return nil }
      try newDirectory.requireRemovable(replaced)
      try requireReplaceable(replaced, by: moved)
      try newDirectory.requireSameProject(as: moved)
      try move(
        moved, from: old, to: new, replacing: replaced, flags: flags, userID, groupID)
      return replaced
    }
    if let dropped { try deleteIfUnused(dropped) }
  }

  private func requireReplaceable(_ replaced: Inode, by moved: Inode) throws(Ext4Error) {
    if moved.isDirectory {
      guard replaced.isDirectory else { throw .errno(.notDirectory) }
      guard try replaced.isEmptyDirectory() else { throw .errno(.directoryNotEmpty) }
    } else {
      guard !replaced.isDirectory else { throw .errno(.isDirectory) }
    }
  }

  /// Whatever may run out of space comes before the first change.
  private func move(
    _ moved: Inode, from old: Place, to new: Place, replacing replaced: Inode? = nil,
    flags: RenameFlags, _ userID: UInt32, _ groupID: UInt32
  ) throws(Ext4Error) {
    guard let type = moved.fileType else {
      throw .corrupted(moved.number, what: "a file has no type")
    }
    let changesParent = moved.isDirectory && old.directory !== new.directory
    if changesParent {
      try requireNotBelow(new.directory, moved)
      if replaced == nil { try requireRoomForSubdirectory(in: new.directory) }
    }
    try requireStorable([moved, old.directory, new.directory, replaced])
    // It stands in the first block of what moves, and in the old directory's, which have been read.
    if changesParent { _ = try moved.lookup(.parent) }
    var whiteout: Inode?
    if flags.contains(.whiteout) {
      whiteout = try makeInode(
        for: NewNode(
          .characterDevice(0), permissions: 0, umask: 0, userID: userID, groupID: groupID),
        in: old.directory)
    }
    if replaced != nil {
      try new.directory.replaceEntry(new.name, with: moved.number, type: type)
    } else {
      do throws(Ext4Error) {
        try new.directory.insertEntry(new.name, moved.number, type: type)
      } catch {
        if let whiteout { undo { () throws(Ext4Error) in try freeInode(whiteout) } }
        throw error
      }
    }
    if let whiteout {
      try old.directory.replaceEntry(old.name, with: whiteout.number, type: .characterDevice)
    } else {
      try old.directory.removeEntry(old.name)
    }
    if changesParent {
      try moved.replaceEntry(.parent, with: new.directory.number, type: .directory)
      old.directory.removeSubdirectory()
      new.directory.addSubdirectory()
    }
    if let replaced {
      if replaced.isDirectory {
        new.directory.removeSubdirectory()
        try dropDirectory(replaced)
      } else {
        try dropLink(of: replaced)
      }
    }
    try finish(moved, old.directory, new.directory)
  }

  private func exchange(
    _ first: Inode, at old: Place, with second: Inode, at new: Place
  ) throws(Ext4Error) {
    guard let firstType = first.fileType, let secondType = second.fileType else {
      throw .corrupted(first.number, what: "a file has no type")
    }
    if first === second { return }
    if old.directory !== new.directory {
      if first.isDirectory { try requireNotBelow(new.directory, first) }
      if second.isDirectory { try requireNotBelow(old.directory, second) }
      if first.isDirectory != second.isDirectory {
        try requireRoomForSubdirectory(in: first.isDirectory ? new.directory : old.directory)
      }
    }
    try requireStorable([first, second, old.directory, new.directory])
    for inode in [first, second] where inode.isDirectory { _ = try inode.lookup(.parent) }
    try new.directory.replaceEntry(new.name, with: first.number, type: firstType)
    try old.directory.replaceEntry(old.name, with: second.number, type: secondType)
    if old.directory !== new.directory {
      if first.isDirectory {
        try first.replaceEntry(.parent, with: new.directory.number, type: .directory)
        old.directory.removeSubdirectory()
        new.directory.addSubdirectory()
      }
      if second.isDirectory {
        try second.replaceEntry(.parent, with: old.directory.number, type: .directory)
        new.directory.removeSubdirectory()
        old.directory.addSubdirectory()
      }
    }
    second.noteChangeTime()
    try second.store()
    try finish(first, old.directory, new.directory)
  }

  private func finish(
    _ moved: Inode, _ oldDirectory: Inode, _ newDirectory: Inode
  ) throws(Ext4Error) {
    moved.foldWriteTime()
    moved.noteChangeTime()
    try moved.store()
    try oldDirectory.touch()
    if newDirectory !== oldDirectory { try newDirectory.touch() }
  }

  /// A directory cannot move to a place below itself (EINVAL). The kernel checks this on its tree; so do we on ours,
  /// since a damaged one may differ.
  private func requireNotBelow(_ directory: Inode, _ ancestor: Inode) throws(Ext4Error) {
    var current = directory
    // A way that leads back to a directory where it has been, one at a power of two of its steps, has no end (Brent).
    var seen = directory.number
    var steps = 0
    while current.number != .root {
      guard current !== ancestor else { throw .errno(.invalidArgument) }
      guard let parent = try current.lookup(.parent), parent.inode != seen else {
        throw .corrupted(current.number, what: "a directory does not lead to the root")
      }
      steps += 1
      if steps & (steps - 1) == 0 { seen = parent.inode }
      current = try inode(parent.inode, namedIn: current)
    }
    guard ancestor.number != .root else { throw .errno(.invalidArgument) }
  }
}
