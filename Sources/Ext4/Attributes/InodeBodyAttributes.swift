import CExt2FS
import Glibc

// Attributes in the inode itself, behind the `i_extra_isize` bytes of its newer fields: a magic number, then
// entries, whose value offsets count from the first of them. Metadata lock held, for all of them.
extension Inode {
  private static let goodOldSize = MemoryLayout<ext2_inode>.size
  /// The magic number (struct ext4_xattr_ibody_header).
  private static let headerSize = MemoryLayout<UInt32>.size

  /// The place for attributes, checked; nil when the inode has no room for any.
  func readBodyArea() throws(Ext4Error) -> AttributeArea? {
    guard let area = bodyArea else { return nil }
    try area.check(self)
    return area
  }

  var hasBodyAttributes: Bool { bodyArea?.isInUse ?? false }

  /// EXT4_INODE_HAS_XATTR_SPACE: there must be room for the magic number and the zero word.
  private var bodyArea: AttributeArea? {
    let goodOldSize = Self.goodOldSize
    guard volume.inodeSize > goodOldSize else { return nil }
    let extra = extraFieldsSize
    let firstEntry = goodOldSize + extra + Self.headerSize
    guard extra > 0, extra % 4 == 0, firstEntry + MemoryLayout<UInt32>.size <= volume.inodeSize
    else { return nil }
    let start = UnsafeMutableRawPointer(raw) + firstEntry
    return AttributeArea(
      start: start, firstEntry: 0, size: volume.inodeSize - firstEntry,
      isInUse: (start - Self.headerSize).load(as: UInt32.self) == AttributeBlock.magic)
  }

  /// Sets `name` to `value`, for which there must be room, or removes it. Does not store the inode.
  func changeBody(
    _ area: AttributeArea, _ name: AttributeName, to value: AttributeContent?
  ) throws(Ext4Error) {
    let dropped = try valueInodes(in: area) { $0.matches(name) }
    let packed = try PackedAttributes(area, setting: name, to: value, of: self)
    try value?.valueInode?.changeValueReferences(by: 1)
    replaceBody(with: packed)
    try changeReferences(to: dropped, by: -1)
  }

  /// `packed` is as large as the place for attributes.
  func replaceBody(with packed: borrowing PackedAttributes) {
    guard let area = bodyArea else { return }
    memcpy(area.start, packed.bytes, area.size)
    // Without attributes there is no magic number either, so that other bytes may follow the fields.
    area.header.storeBytes(of: packed.isEmpty ? 0 : AttributeBlock.magic, as: UInt32.self)
  }
}

extension AttributeArea {
  /// The magic number before the first entry of an inode body.
  var header: UnsafeMutableRawPointer { start - MemoryLayout<UInt32>.size }
}
