import CExt2FS
import Glibc

// The inline_data feature: a small file's bytes are in the 60 bytes of `i_block` and, beyond those, in the
// inode's attribute "system.data" (Documentation/filesystems/ext4/inlinedata.rst). Metadata lock held, for
// all of them.
extension Inode {
  /// The bytes of a regular file with inline data, as many as its size says. EUCLEAN when that is more than
  /// an inode could hold.
  func inlineData() throws(Ext4Error) -> [UInt8] {
    guard size <= UInt64(volume.inodeSize) else {
      throw .corrupted(number, what: "its inline data is larger than an inode")
    }
    let count = Int(size)
    var data = [UInt8](repeating: 0, count: count)
    let head = min(count, blockField.count)
    data.replaceSubrange(..<head, with: blockField.prefix(head))
    // A file may be longer than what was ever written to it; the rest is zeros.
    if count > head, let body = try readBodyArea(), let entry = body.entry(named: .inlineData) {
      let tail = body.value(of: entry).prefix(count - head)
      data.replaceSubrange(head..<head + tail.count, with: tail)
    }
    return data
  }

  /// Drops the attribute that holds inline data, if there is one: the data has moved to blocks.
  func removeInlineDataAttribute() throws(Ext4Error) {
    guard let body = try readBodyArea(), body.entry(named: .inlineData) != nil else { return }
    try changeBody(body, .inlineData, to: nil)
    try store()
  }
}
