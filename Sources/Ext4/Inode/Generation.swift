import SystemPackage

// The number that tells an inode from those that had its number before: NFS handles hold both.
extension Inode {
  /// ENOTTY with metadata checksums, which include the number, as in the kernel (fs/ext4/ioctl.c).
  ///
  /// The kernel is told the old number until it has forgotten the inode: it takes an inode whose number changes for another one.
  public func setGeneration(_ generation: UInt32) throws(Ext4Error) {
    guard !volume.features.readOnlyCompatible.contains(.metadataChecksums) else {
      throw .errno(.inappropriateIOCTL)
    }
    try volume.requireWritable()
    try volume.change { () throws(Ext4Error) in
      if knownGeneration == nil { knownGeneration = self.generation }
      self.generation = generation
      noteChangeTime()
      try store()
    }
  }
}
