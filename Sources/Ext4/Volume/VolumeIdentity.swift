import CExt2FS
import SystemPackage

// What a file system is called.
extension Volume {
  /// The most bytes of a label (EXT4_LABEL_MAX).
  private static let maximumLabelLength = 16

  /// Without the zeros at its end.
  public var label: [UInt8] {
    metadata.withLock { Array(superblock.label.prefix { $0 != 0 }) }
  }

  /// EINVAL for more than 16 bytes. It is on stable storage when this returns; backups of the superblock keep the old one until the file
  /// system is next resized or tuned.
  public func setLabel(_ label: some Collection<UInt8>) throws(Ext4Error) {
    guard label.count <= Self.maximumLabelLength else { throw .errno(.invalidArgument) }
    try requireWritable()
    try change { () throws(Ext4Error) in
      superblock.setLabel(label)
      superblock.markDirty()
    }
    try synchronize()
    // Programs that read the device by themselves, such as blkid(8), find the label there.
    try checkpoint()
  }
}
