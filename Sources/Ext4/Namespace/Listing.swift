import SystemPackage

extension Volume {
  /// Calls `body` for the entries of `directory` from position `cookie` on, until it returns false. If `body` asks for the status of
  /// an entry, the caller holds a reference to that inode from then on (see `forget`).
  ///
  /// If the inode is not in memory, asking for the status throws, and `body` must return false. The inode is then read without the
  /// metadata lock, and `body` is called again for the same entry.
  public func list(
    _ directory: Inode, from cookie: UInt64, _ body: (ListedEntry) -> Bool
  ) throws(Ext4Error) {
    var position = cookie
    let progress = ListingProgress()
    try withMetadata(advancing: &position) { position throws(Ext4Error) in
      boundCache()
      guard directory.isDirectory else { throw .errno(.notDirectory) }
      progress.absence = nil
      try directory.forEachEntry(from: position) { name, number, type, next in
        let goesOn = body(
          ListedEntry(
            name: name, inode: number, type: type, next: next, volume: self, directory: directory,
            progress: progress))
        if goesOn { position = next }
        return goesOn
      }
      if let absence = progress.absence { throw absence }
    }
  }
}

/// What stands in the way of a listing.
private final class ListingProgress {
  /// The block that is not in memory and must be read first.
  var absence: Ext4Error?
}

/// An entry of a directory that is being listed; valid until the function it was handed to returns.
public struct ListedEntry {
  public let name: UnsafeRawBufferPointer
  public let inode: InodeNumber
  /// Nil where directory entries do not tell.
  public let type: FileType?
  /// The position to go on from behind this entry.
  public let next: UInt64
  // Without reference counts: `list` keeps all three alive for as long as an entry is valid.
  fileprivate unowned(unsafe) let volume: Volume
  fileprivate unowned(unsafe) let directory: Inode
  fileprivate unowned(unsafe) let progress: ListingProgress

  /// "." or "..".
  public var isSelfOrParent: Bool {
    name.first == 0x2E && (name.count == 1 || name.count == 2 && name[1] == 0x2E)
  }

  /// The entry's status; the caller holds a reference to its inode from now on.
  public func referencedStatus() throws(Ext4Error) -> FileStatus {
    let inode: Inode
    do throws(Ext4Error) {
      inode = try volume.inode(self.inode, namedIn: directory)
    } catch {
      if error.isNotInMemory { progress.absence = error }
      throw error
    }
    volume.inodes.reference(inode)
    inode.noteAttributesKnown()
    return inode.statusLocked()
  }
}
