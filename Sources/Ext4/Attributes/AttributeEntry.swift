import CExt2FS
import Glibc

/// One attribute in an `AttributeArea`: the fixed fields, followed by the name's bytes.
struct AttributeEntry {
  let fields: UnsafeMutablePointer<ext2_ext_attr_entry>

  /// Bytes that values and entries are padded to a multiple of (EXT4_XATTR_PAD).
  static let alignment = 4

  static func padded(_ count: Int) -> Int { (count + alignment - 1) & ~(alignment - 1) }

  /// Bytes of an entry with a name of this length, without its value.
  static func byteCount(nameLength: Int) -> Int {
    padded(MemoryLayout<ext2_ext_attr_entry>.size + nameLength)
  }

  var name: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(
      start: UnsafeRawPointer(fields) + MemoryLayout<ext2_ext_attr_entry>.size,
      count: Int(fields.pointee.e_name_len))
  }

  var byteCount: Int { Self.byteCount(nameLength: Int(fields.pointee.e_name_len)) }

  /// The inode that holds the value; nil when the value is in the area.
  var valueInode: InodeNumber? {
    fields.pointee.e_value_inum == 0 ? nil : InodeNumber(fields.pointee.e_value_inum)
  }

  var valueSize: Int { Int(fields.pointee.e_value_size) }

  /// Bytes that the value takes up in the area.
  var valueByteCount: Int { valueInode == nil ? Self.padded(valueSize) : 0 }

  func matches(_ other: AttributeName) -> Bool { order(against: other) == 0 }

  /// Negative when the entry comes before `other` in an attribute block, which is sorted by namespace,
  /// length and bytes of the name (fs/ext4/xattr.c, xattr_find_entry).
  func order(against other: AttributeName) -> Int {
    let namespaces = Int(fields.pointee.e_name_index) - Int(other.namespace.rawValue)
    if namespaces != 0 { return namespaces }
    let lengths = name.count - other.suffix.count
    if lengths != 0 || name.isEmpty { return lengths }
    return Int(memcmp(name.baseAddress!, other.suffix.baseAddress!, name.count))
  }
}

/// `e_hash`, which blocks with equal contents are found by (fs/ext4/xattr.c, ext4_xattr_hash_entry).
enum AttributeHash {
  static func of(name: UnsafeRawBufferPointer) -> UInt32 {
    name.reduce(0) { hash, byte in hash << 5 ^ hash >> 27 ^ UInt32(byte) }
  }

  /// As old kernels computed it on machines where `char` is signed.
  static func signed(name: UnsafeRawBufferPointer) -> UInt32 {
    name.reduce(0) { hash, byte in
      hash << 5 ^ hash >> 27 ^ UInt32(bitPattern: Int32(Int8(bitPattern: byte)))
    }
  }

  static func adding(_ word: UInt32, to hash: UInt32) -> UInt32 { hash << 16 ^ hash >> 16 ^ word }

  /// `value` is padded with zeros to a multiple of four bytes.
  static func of(name: UnsafeRawBufferPointer, paddedValue value: UnsafeRawBufferPointer) -> UInt32
  {
    stride(from: 0, to: value.count, by: 4).reduce(of(name: name)) { hash, offset in
      adding(value.loadUnaligned(fromByteOffset: offset, as: UInt32.self), to: hash)
    }
  }
}
