import Ext4
import Glibc
import IomapCache

extension Tour {
  /// Changes each inode in every way, makes new ones, and removes half of what there is.
  func changeAll(_ found: [FoundEntry]) {
    var seen: Set<InodeNumber> = []
    for entry in found where seen.insert(entry.inode.number).inserted {
      if entry.inode.isRegularFile { changeData(of: entry.inode) }
      changeAttributes(of: entry.inode)
    }
    attempt("sync") { () throws(Ext4Error) in try volume.synchronize() }
    if let root = result("root", { () throws(Ext4Error) in try volume.node(.root) }) {
      changeNames(in: root, found)
    }
    for entry in found.prefix(8) where entry.inode.isDirectory {
      changeNames(in: entry.inode, [])
    }
    for (index, entry) in found.enumerated() where index % 2 == 0 { remove(entry) }
  }

  /// Removes everything; then there is room for new things, some of which find it.
  func removeAll(_ found: [FoundEntry]) {
    for (index, entry) in found.enumerated() where !entry.inode.isDirectory {
      if index % 3 == 1 { truncate(entry.inode, to: 0) }
      remove(entry)
    }
    for entry in found.reversed() where entry.inode.isDirectory { remove(entry) }
    attempt("background commit") { () throws(Ext4Error) in try volume.commitInBackground() }
    if let root = result("root", { () throws(Ext4Error) in try volume.node(.root) }) {
      changeNames(in: root, [])
    }
  }

  /// What a kernel that moves data by itself asks for, and tells.
  func mapAll(_ found: [FoundEntry]) {
    var seen: Set<InodeNumber> = []
    for entry in found where entry.inode.isRegularFile {
      let inode = entry.inode
      guard seen.insert(inode.number).inserted else { continue }
      inode.noteOpen()
      for position in [0, UInt64(5 * volume.blockSize), inode.status().size] {
        let end = position &+ 8192
        attempt("begin write") { () throws(Ext4Error) in
          try inode.withMapping(at: FileOffset(position), count: 8192, for: .write) {
            window throws(Ext4Error) in
            var count = 0
            try window.walk { _ in
              count += 1
              return count < 64
            }
          }
        }
        guard end > position, end < 1 << 44 else { continue }
        attempt("complete") { () throws(Ext4Error) in
          _ = try inode.complete(
            CompletedWrite(
              position: FileOffset(position), count: 8192, convertsUnwritten: true,
              extends: true))
        }
      }
      _ = inode.noteClose()
      if inode.announceTrim() != nil {
        attempt("trim ahead") { () throws(Ext4Error) in _ = try inode.finishTrim() }
      }
    }
    attempt("freeze") { () throws(Ext4Error) in try volume.freeze(unlinkedFilesInUse: 0) }
    attempt("thaw") { () throws(Ext4Error) in try volume.thaw() }
    for entry in found.prefix(6) where !entry.inode.isDirectory { remove(entry) }
  }

  private func changeData(of inode: Inode) {
    let block = UInt64(volume.blockSize)
    let size = inode.status().size
    let few = UnsafeRawBufferPointer(rebasing: buffer[..<100])
    let many = UnsafeRawBufferPointer(rebasing: buffer[..<3000])
    for (bytes, offset) in [(few, 10), (many, size), (many, 3 * block + 7), (few, 1 << 31)] {
      attempt("write") { () throws(Ext4Error) in
        _ = try inode.write(bytes, at: offset, options: [])
      }
    }
    let operations: [(StaticString, Inode.RangeOperation, UInt64, UInt64)] = [
      ("punch", .punchHole, block, 2 * block),
      ("allocate", .allocate(keepSize: false), 0, 12 * block),
      ("allocate", .allocate(keepSize: true), 40 * block, 3 * block),
      ("zero", .zeroRange(keepSize: false), 5 * block + 3, 3 * block),
      ("collapse", .collapse, block, block),
      ("insert", .insert, 2 * block, 2 * block),
      ("punch", .punchHole, size / 2, 1 << 34),
    ]
    for (name, operation, offset, length) in operations {
      attempt(name) { () throws(Ext4Error) in
        try inode.change(operation, at: offset, length: length, options: [.clearSetID])
      }
    }
    attempt("copy") { () throws(Ext4Error) in
      _ = try volume.copyRange(
        from: inode, at: 0, to: inode, at: 20 * block, length: Int(2 * block), options: [])
    }
    truncate(inode, to: size / 2 + 11)
    truncate(inode, to: size &+ 5000)
    attempt("read") { () throws(Ext4Error) in _ = try inode.read(into: buffer, at: 0) }
    truncate(inode, to: size)
  }

  private func truncate(_ inode: Inode, to size: UInt64) {
    attempt("truncate") { () throws(Ext4Error) in
      var change = AttributeChange()
      change.size = size
      try inode.apply(change)
    }
  }

  private func changeAttributes(of inode: Inode) {
    attempt("chmod") { () throws(Ext4Error) in
      var change = AttributeChange()
      change.mode = 0o640
      change.userID = 70_000
      change.modificationTime = Timestamp(seconds: 1 << 33, nanoseconds: 5)
      try inode.apply(change)
    }
    // The kernel allows attributes of this kind on nothing else.
    if inode.isRegularFile || inode.isDirectory { changeUserAttributes(of: inode) }
    attempt("chattr") { () throws(Ext4Error) in
      try inode.setFlags(inode.status().flags, projectID: nil)
    }
  }

  private func changeUserAttributes(of inode: Inode) {
    let values = [("user.few", 20), ("user.more", volume.blockSize / 2), ("user.many", 9000)]
    for (name, count) in values {
      attempt("setxattr") { () throws(Ext4Error) in
        try Self.withCString(Array(name.utf8)) { name throws(Ext4Error) in
          try inode.setExtendedAttribute(
            name, to: UnsafeRawBufferPointer(rebasing: buffer[..<count]), .createOrReplace
          ) { _ in true }
        }
      }
    }
    for name in ["user.few", "user.a", "user.big", "user.many"] {
      attempt("removexattr") { () throws(Ext4Error) in
        try Self.withCString(Array(name.utf8)) { name throws(Ext4Error) in
          try inode.removeExtendedAttribute(name)
        }
      }
    }
  }

  private func changeNames(in directory: Inode, _ found: [FoundEntry]) {
    let contents: [(String, NewNode.Content)] = [
      ("new", .regularFile), ("subdirectory", .directory),
      ("link", .symbolicLink(Array("target".utf8))),
      ("far", .symbolicLink([UInt8](repeating: 0x74, count: 200))), ("pipe", .fifo),
      (String(repeating: "l", count: 250), .regularFile),
    ]
    var made: [String: Inode] = [:]
    for (name, content) in contents {
      let node = NewNode(content, permissions: 0o755, umask: 0, userID: 0, groupID: 0)
      let inode = result("create") { () throws(Ext4Error) in
        try withName(name) { name throws(Ext4Error) in
          try volume.create(node, named: name, in: directory)
        }
      }
      if let inode { refer(to: inode) }
      made[name] = inode
    }
    if let file = made["new"] {
      attempt("write") { () throws(Ext4Error) in
        _ = try file.write(UnsafeRawBufferPointer(buffer), at: 0, options: .writeback)
      }
    }
    attempt("tmpfile") { () throws(Ext4Error) in
      let node = NewNode(.regularFile, permissions: 0o600, umask: 0, userID: 0, groupID: 0)
      refer(to: try volume.createTemporary(node, in: directory))
    }
    rename("new", "renamed", in: directory, [])
    rename("renamed", "subdirectory", in: directory, .exchange)
    for entry in found.prefix(6) { link(entry, in: directory) }
    for name in ["renamed", "subdirectory", "far"] {
      attempt("unlink") { () throws(Ext4Error) in
        try withName(name) { name throws(Ext4Error) in
          try volume.unlink(name, in: directory)
        }
      }
      attempt("rmdir") { () throws(Ext4Error) in
        try withName(name) { name throws(Ext4Error) in
          try volume.removeDirectory(name, in: directory)
        }
      }
    }
  }

  private func rename(
    _ old: String, _ new: String, in directory: Inode, _ flags: Volume.RenameFlags
  ) {
    attempt("rename") { () throws(Ext4Error) in
      try withName(old) { old throws(Ext4Error) in
        try withName(new) { new throws(Ext4Error) in
          try volume.rename(
            old, in: directory, to: new, in: directory, flags: flags, userID: 0, groupID: 0)
        }
      }
    }
  }

  /// Gives it another name, and moves the first into the directory.
  private func link(_ entry: FoundEntry, in directory: Inode) {
    attempt("link") { () throws(Ext4Error) in
      try withName("linked-\(entry.inode.number)") { name throws(Ext4Error) in
        try volume.link(entry.inode, as: name, in: directory)
      }
      refer(to: entry.inode)
    }
    attempt("rename") { () throws(Ext4Error) in
      try withName(entry.name) { old throws(Ext4Error) in
        try withName("moved-\(entry.inode.number)") { new throws(Ext4Error) in
          try volume.rename(
            old, in: entry.parent, to: new, in: directory, flags: [], userID: 0, groupID: 0)
        }
      }
    }
  }

  private func remove(_ entry: FoundEntry) {
    attempt(entry.inode.isDirectory ? "rmdir" : "unlink") { () throws(Ext4Error) in
      try withName(entry.name) { name throws(Ext4Error) in
        if entry.inode.isDirectory {
          try volume.removeDirectory(name, in: entry.parent)
        } else {
          try volume.unlink(name, in: entry.parent)
        }
      }
    }
  }
}
