import SystemPackage

extension Volume {
  /// Calls `body` for the entries of `directory` from position `cookie` on, until it returns false. Where it asks for the
  /// status of an entry it gets one, and has a reference to the inode from then on (see `forget`).
  ///
  /// The function handed to `body` is nil for "." and "..", which are never referred to.
  public func list(
    _ directory: Inode, from cookie: UInt64, _ body: (ListedEntry) -> Bool
  ) throws(Ext4Error) {
    try metadata.withLock { () throws(Ext4Error) in
      boundCache()
      guard directory.isDirectory else { throw .errno(.notDirectory) }
      try directory.forEachEntry(from: cookie) { name, number, type, next in
        body(
          ListedEntry(
            name: name, inode: number, type: type, next: next, volume: self, directory: directory))
      }
    }
  }
}

/// An entry of a directory that is being listed; valid until the function it was handed to returns.
public struct ListedEntry {
  public let name: UnsafeRawBufferPointer
  public let inode: InodeNumber
  /// Nil where directory entries do not tell.
  public let type: FileType?
  /// The position to go on from behind this entry.
  public let next: UInt64
  // Not counted: whoever has called holds both.
  fileprivate unowned(unsafe) let volume: Volume
  fileprivate unowned(unsafe) let directory: Inode

  /// "." or "..".
  public var isSelfOrParent: Bool {
    name.first == 0x2E && (name.count == 1 || name.count == 2 && name[1] == 0x2E)
  }

  /// The entry's status; the caller holds a reference to its inode from now on.
  public func referencedStatus() throws(Ext4Error) -> FileStatus {
    let inode = try volume.inode(inode, namedIn: directory)
    volume.inodes.reference(inode)
    inode.noteAttributesKnown()
    return inode.statusLocked()
  }
}
