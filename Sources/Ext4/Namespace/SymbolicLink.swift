import Glibc
import IomapCache
import Journal
import SystemPackage

// Metadata lock held, except where functions are public.
extension Inode {
  /// The target stands in the inode itself, in place of the block map (ext4_inode_is_fast_symlink).
  var isFastSymbolicLink: Bool {
    guard isSymbolicLink, !flags.contains(.inlineData) else { return false }
    if volume.features.incompatible.contains(.attributeInodes) {
      return size > 0 && size < UInt64(Self.inlineCapacity)
    }
    let attributes = attributeBlock == nil ? 0 : UInt64(volume.blockSize / 512)
    return sectorCount <= attributes
  }

  /// Bytes of `i_block`.
  static let inlineCapacity = 60

  /// Where the link points. EUCLEAN if what is stored cannot be a target.
  public func linkTarget() throws(Ext4Error) -> [UInt8] {
    try volume.withMetadata { () throws(Ext4Error) in
      guard isSymbolicLink else { throw .errno(.invalidArgument) }
      guard !flags.contains(.encrypted) else { throw .errno(.noKey) }
      let count = Int(min(size, UInt64(volume.blockSize)))
      let target: [UInt8]
      if flags.contains(.inlineData) {
        target = try inlineData()
      } else if isFastSymbolicLink {
        guard count < Self.inlineCapacity else {
          throw .corrupted(number, what: "a symbolic link is longer than its inode")
        }
        target = Array(blockField[..<count])
      } else {
        guard count > 0, let block = try block(at: LogicalBlock(0)) else {
          throw .corrupted(number, what: "a symbolic link has no target")
        }
        let buffer = try volume.readBlock(block, of: number)
        target = Array(UnsafeRawBufferPointer(start: buffer.data, count: count))
      }
      guard size < UInt64(volume.blockSize), !target.isEmpty else {
        throw .corrupted(number, what: "a symbolic link has no target")
      }
      return Array(target.prefix { $0 != 0 })
    }
  }

  /// Stores the target of a new link. ENAMETOOLONG when it does not fit into a block with its terminating NUL.
  func setLinkTarget(_ target: [UInt8]) throws(Ext4Error) {
    guard !target.isEmpty else { throw .errno(.noSuchFileOrDirectory) }
    guard target.count < volume.blockSize else { throw .errno(.fileNameTooLong) }
    if target.count < Self.inlineCapacity {
      _ = blockField.initializeMemory(as: UInt8.self, repeating: 0)
      blockField.copyBytes(from: target)
      size = UInt64(target.count)
      return try store()
    }
    initializeBlockMap()
    try store()
    let (_, block) = try appendBlock()
    let buffer = try volume.newBlock(block, of: number)
    target.withUnsafeBytes { _ = memcpy(buffer.data, $0.baseAddress!, $0.count) }
    volume.cache.markDirty(buffer)
    size = UInt64(target.count)
    try store()
  }
}

extension Errno {
  /// ENOKEY: the file is encrypted.
  static let noKey = Errno(rawValue: 126)
}
