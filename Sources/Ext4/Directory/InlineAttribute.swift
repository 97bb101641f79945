import CExt2FS
import Glibc

/// Where the attribute `system.data` lies in an inode: the part of inline data that does not fit into
/// `i_block`.
///
/// Kernel Documentation/filesystems/ext4/attributes.rst: behind the inode's fields a magic number, then
/// entries up to one that starts with four zero bytes; values lie at the end of the inode, their offsets
/// count from the first entry.
struct InlineAttribute {
  private static let magic: UInt32 = 0xEA02_0000
  private static let entryHeaderLength = 16
  private static let systemIndex: UInt8 = 7

  /// Where things are, in bytes from the inode's start.
  let entry: Int
  let value: Int
  let valueLength: Int

  private let header: Int
  /// Where the four zero bytes are that end the entries.
  private let end: Int

  private var first: Int { header + 4 }

  /// EUCLEAN when there is none, or when the inode's attributes are damaged.
  init(in inode: Inode) throws(Ext4Error) {
    let raw = UnsafeRawPointer(inode.raw)
    let size = inode.volume.inodeSize
    let number = inode.number
    let missing = Ext4Error.corrupted(number, what: "inline data lacks its attribute")
    let damaged = Ext4Error.corrupted(number, what: "the inode's extended attributes are damaged")

    let fixed = MemoryLayout<ext2_inode>.size
    guard size > fixed else { throw missing }
    let extra = Int(inode.raw.pointee.i_extra_isize)
    guard extra & 3 == 0, fixed + extra + 8 <= size else { throw damaged }
    header = fixed + extra
    guard Self.word(raw, header) == Self.magic else { throw missing }

    var found: Int?
    var position = header + 4
    while true {
      guard position + 4 <= size else { throw damaged }
      if Self.word(raw, position) == 0 { break }
      guard position + Self.entryHeaderLength <= size else { throw damaged }
      let length = Self.entryLength(raw, position)
      guard position + length <= size else { throw damaged }
      if Self.isData(raw, position) { found = position }
      position += length
    }
    end = position
    guard let found else { throw missing }
    entry = found
    valueLength = Int(Self.word(raw, found + 8))
    value = header + 4 + Self.valueOffset(raw, found)
    guard Self.word(raw, found + 4) == 0, valueLength <= size,
      valueLength == 0 || value >= end + 4 && value + valueLength <= size
    else { throw damaged }
  }

  /// Takes the attribute out of the inode. The values in front of its own move up to close the gap, as all
  /// who add attributes expect (ext4_xattr_set_entry).
  func remove(from inode: Inode) {
    let raw = UnsafeMutableRawPointer(inode.raw)
    let occupied = (valueLength + 3) & ~3
    if valueLength > 0, value + occupied <= inode.volume.inodeSize {
      var lowest = value
      var position = first
      while position < end {
        let offset = first + Self.valueOffset(raw, position)
        if Self.hasValueInside(raw, position), offset < value {
          lowest = max(min(lowest, offset), end + 4)
          Self.setValueOffset(raw, position, offset + occupied - first)
        }
        position += Self.entryLength(raw, position)
      }
      memmove(raw + lowest + occupied, raw + lowest, value - lowest)
      memset(raw + lowest, 0, occupied)
    }
    let length = Self.entryLength(raw, entry)
    memmove(raw + entry, raw + entry + length, end + 4 - (entry + length))
    memset(raw + (end + 4 - length), 0, length)
    if end - length == first { raw.storeBytes(of: 0, toByteOffset: header, as: UInt32.self) }
  }

  private static func word(_ raw: UnsafeRawPointer, _ offset: Int) -> UInt32 {
    UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  private static func entryLength(_ raw: UnsafeRawPointer, _ entry: Int) -> Int {
    (entryHeaderLength + Int(raw.load(fromByteOffset: entry, as: UInt8.self)) + 3) & ~3
  }

  private static func isData(_ raw: UnsafeRawPointer, _ entry: Int) -> Bool {
    raw.load(fromByteOffset: entry, as: UInt8.self) == 4
      && raw.load(fromByteOffset: entry + 1, as: UInt8.self) == systemIndex
      && memcmp(raw + entry + entryHeaderLength, "data", 4) == 0
  }

  private static func hasValueInside(_ raw: UnsafeRawPointer, _ entry: Int) -> Bool {
    word(raw, entry + 4) == 0 && word(raw, entry + 8) > 0
  }

  private static func valueOffset(_ raw: UnsafeRawPointer, _ entry: Int) -> Int {
    Int(UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: entry + 2, as: UInt16.self)))
  }

  private static func setValueOffset(_ raw: UnsafeMutableRawPointer, _ entry: Int, _ offset: Int) {
    raw.storeBytes(
      of: UInt16(truncatingIfNeeded: offset).littleEndian, toByteOffset: entry + 2,
      as: UInt16.self)
  }
}
