import CExt2FS
import Glibc

/// A place that holds attributes: what an inode has room for behind its fields, or a block.
///
/// Entries grow from the front and end with a zero word, values grow from the end (Documentation/
/// filesystems/ext4/attributes.rst). Nothing but `check` may look at an area that has not passed it.
struct AttributeArea {
  /// What value offsets count from.
  let start: UnsafeMutableRawPointer
  /// Where entries begin, in bytes from `start`.
  let firstEntry: Int
  /// Bytes from `start` to the end; a multiple of four.
  let size: Int
  /// False when the place holds no attributes yet and whatever bytes are in it mean nothing.
  let isInUse: Bool

  /// The largest value that is believed (EXT4_XATTR_SIZE_MAX).
  static let maximumValueSize = 1 << 24

  /// Throws unless entries and values lie within the area and apart from each other, as check_xattrs in
  /// fs/ext4/xattr.c wants it. EUCLEAN.
  func check(_ owner: Inode) throws(Ext4Error) {
    guard isInUse else { return }
    let end = try checkNames(owner)
    for entry in entries {
      guard entry.valueSize <= Self.maximumValueSize else {
        throw .corrupted(owner.number, what: "an extended attribute's value is too large")
      }
      if let number = entry.valueInode {
        guard owner.volume.features.incompatible.contains(.attributeInodes) else {
          throw .corrupted(
            owner.number,
            what: "an extended attribute lies in an inode, but ea_inode is not enabled")
        }
        guard owner.volume.geometry.isForFiles(number), number != owner.number else {
          throw .corrupted(owner.number, what: "an extended attribute lies in an impossible inode")
        }
      } else if entry.valueSize > 0 {
        let offset = Int(entry.fields.pointee.e_value_offs)
        guard offset >= end, offset <= size, entry.valueByteCount <= size - offset else {
          throw .corrupted(owner.number, what: "an extended attribute's value is out of bounds")
        }
      }
    }
  }

  /// Returns the offset behind the zero word that ends the entries.
  private func checkNames(_ owner: Inode) throws(Ext4Error) -> Int {
    var offset = firstEntry
    while start.load(fromByteOffset: offset, as: UInt32.self) != 0 {
      let entry = self.entry(at: offset)
      // Strictly less: the zero word must fit behind the last entry.
      guard offset + entry.byteCount < size else {
        throw .corrupted(owner.number, what: "an extended attribute's name is out of bounds")
      }
      guard !entry.name.contains(0) else {
        throw .corrupted(owner.number, what: "an extended attribute's name has a zero byte")
      }
      offset += entry.byteCount
    }
    return offset + MemoryLayout<UInt32>.size
  }

  private func entry(at offset: Int) -> AttributeEntry {
    AttributeEntry(fields: (start + offset).assumingMemoryBound(to: ext2_ext_attr_entry.self))
  }

  var entries: Entries { Entries(area: self) }

  struct Entries: Sequence, IteratorProtocol {
    private let area: AttributeArea
    private var offset: Int

    init(area: AttributeArea) {
      self.area = area
      offset = area.firstEntry
    }

    mutating func next() -> AttributeEntry? {
      guard area.isInUse, area.start.load(fromByteOffset: offset, as: UInt32.self) != 0 else {
        return nil
      }
      let entry = area.entry(at: offset)
      offset += entry.byteCount
      return entry
    }
  }

  func entry(named name: AttributeName) -> AttributeEntry? {
    for entry in entries where entry.matches(name) { return entry }
    return nil
  }

  /// The value of an entry that has it in the area.
  func value(of entry: AttributeEntry) -> UnsafeRawBufferPointer {
    guard entry.valueInode == nil, entry.valueSize > 0 else {
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    return UnsafeRawBufferPointer(
      start: start + Int(entry.fields.pointee.e_value_offs), count: entry.valueSize)
  }

  /// True when a value of `valueSize` bytes finds room, in place of the value that `name` may have. Values leave the first
  /// `entryReserve` bytes to entries.
  func hasRoom(for name: AttributeName, valueSize: Int, entryReserve: Int = 0) -> Bool {
    var needed = firstEntry + Self.byteCount(of: name, valueSize: valueSize)
    var valueBytes = AttributeEntry.padded(valueSize)
    let addsValue = valueBytes > 0
    for entry in entries where !entry.matches(name) {
      needed += entry.byteCount + entry.valueByteCount
      valueBytes += entry.valueByteCount
    }
    return needed <= size && (!addsValue || size - valueBytes >= entryReserve)
  }

  /// What a single attribute takes, the zero word behind its entry included.
  static func byteCount(of name: AttributeName, valueSize: Int) -> Int {
    AttributeEntry.byteCount(nameLength: name.suffix.count) + AttributeEntry.padded(valueSize)
      + MemoryLayout<UInt32>.size
  }
}
