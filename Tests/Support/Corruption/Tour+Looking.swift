import Ext4
import Glibc
import IomapCache

extension Tour {
  /// Everything that can be reached from the root, or by the number of an inode, each looked at once.
  func lookAround() -> [FoundEntry] {
    guard let root = result("root", { () throws(Ext4Error) in try volume.node(.root) }) else {
      return []
    }
    var found: [FoundEntry] = []
    var seen: Set<InodeNumber> = [.root]
    var waiting = [root]
    look(at: root)
    while !waiting.isEmpty, seen.count < Self.inodeLimit {
      let directory = waiting.removeFirst()
      for name in list(directory) {
        let inode = result("lookup") { () throws(Ext4Error) in
          try withName(name) { name throws(Ext4Error) in
            try volume.lookup(name, in: directory)
          }
        }
        guard let inode else { continue }
        refer(to: inode)
        found.append(FoundEntry(name: name, parent: directory, inode: inode))
        guard seen.insert(inode.number).inserted else { continue }
        look(at: inode)
        if inode.isDirectory { waiting.append(inode) }
      }
    }
    // As by handles that were kept (open_by_handle_at): also what has no name.
    for number in 1...UInt32(Self.inodeLimit) where !seen.contains(InodeNumber(number)) {
      lookByNumber(InodeNumber(number))
    }
    return found
  }

  private func lookByNumber(_ number: InodeNumber) {
    attempt("handle") { () throws(Ext4Error) in
      let inode = try volume.node(number)
      let found = try withName(".") { name throws(Ext4Error) in
        try volume.lookup(name, in: inode)
      }
      refer(to: found)
      look(at: found)
    }
  }

  /// Names from all over the directory, as READDIRPLUS and READDIR find them.
  private func list(_ directory: Inode) -> [[UInt8]] {
    var names: [[UInt8]] = []
    var position: UInt64 = 0
    var pages = 0
    var isAtEnd = false
    while !isAtEnd, pages < 64 {
      pages += 1
      isAtEnd = true
      var count = 0
      attempt("readdir") { () throws(Ext4Error) in
        try volume.list(directory, from: position) { entry in
          guard count < 32 else {
            isAtEnd = false
            return false
          }
          count += 1
          position = entry.next
          if !entry.isSelfOrParent, names.count < Self.entryLimit || count == 1 {
            names.append(Array(entry.name))
          }
          return true
        }
      }
    }
    // With attributes, and from places that no listing ever gave.
    attempt("readdirplus") { () throws(Ext4Error) in
      var failure: Ext4Error?
      var referenced: [InodeNumber] = []
      try volume.list(directory, from: 0) { entry in
        guard referenced.count < 8, !entry.isSelfOrParent else { return referenced.count < 8 }
        do throws(Ext4Error) {
          referenced.append(try entry.referencedStatus().inode)
        } catch {
          failure = error
        }
        return failure == nil
      }
      for number in referenced { try volume.forget(number, count: 1) }
      if let failure { throw failure }
    }
    for position in [UInt64(1), 4096, 0x4000_0000_0000_0001, .max] {
      var count = 0
      attempt("readdir") { () throws(Ext4Error) in
        try volume.list(directory, from: position) { _ in
          count += 1
          return count < 4
        }
      }
    }
    for name in ["absent", String(repeating: "n", count: 255)] {
      attempt("lookup") { () throws(Ext4Error) in
        let inode = try withName(name) { name throws(Ext4Error) in
          try volume.lookup(name, in: directory)
        }
        refer(to: inode)
      }
    }
    return Array(names.prefix(2 * Self.entryLimit))
  }

  /// Everything that changes nothing.
  func look(at inode: Inode) {
    let status = inode.status()
    lookAtAttributes(of: inode)
    attempt("readlink") { () throws(Ext4Error) in _ = try inode.linkTarget() }
    attempt("open") { () throws(Ext4Error) in
      try inode.requireOpenable(forWriting: true, appending: false)
    }
    guard inode.isRegularFile else { return }
    let size = status.size
    for offset in [0, size / 2, size > 5000 ? size - 5000 : 3, size, 1 << 33, UInt64(Int64.max)] {
      attempt("read") { () throws(Ext4Error) in _ = try inode.read(into: buffer, at: offset) }
    }
    for toData in [true, false] {
      var position: UInt64 = 0
      for _ in 0..<24 {
        let next = result(toData ? "seek data" : "seek hole") { () throws(Ext4Error) in
          try inode.seek(from: position, toData: toData)
        }
        guard let next, next >= position, next < .max - 4096 else { break }
        position = next + 4096
      }
    }
    for block in [0, 1, 13, 300, 70_000, size / UInt64(volume.blockSize)] {
      attempt("bmap") { () throws(Ext4Error) in
        _ = try inode.devicePosition(
          at: block &* UInt64(volume.blockSize), count: UInt64(volume.blockSize))
      }
    }
    attempt("mappings") { () throws(Ext4Error) in
      try inode.withMapping(at: FileOffset(0), count: 4096, for: .inspect) {
        window throws(Ext4Error) in
        var count = 0
        try window.walk { _ in
          count += 1
          return count < 1000
        }
      }
    }
    attempt("all mappings") { () throws(Ext4Error) in try inode.loadAllMappings() }
  }

  private func lookAtAttributes(of inode: Inode) {
    let names = result("listxattr") { () throws(Ext4Error) in
      try inode.extendedAttributeNames(toPrivileged: true)
    }
    var wanted = names.map { $0.split(separator: 0).prefix(8).map { Array($0) } } ?? []
    wanted += ["user.absent", "security.capability", "system.posix_acl_access"].map {
      Array($0.utf8)
    }
    for name in wanted {
      attempt("getxattr") { () throws(Ext4Error) in
        try Self.withCString(name) { name throws(Ext4Error) in
          _ = try inode.extendedAttribute(name)
        }
      }
    }
  }

  static func withCString(
    _ bytes: [UInt8], _ body: (UnsafePointer<CChar>) throws(Ext4Error) -> Void
  ) throws(Ext4Error) {
    var outcome: Result<Void, Ext4Error> = .success(())
    (bytes.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { name in
      guard let start = name.baseAddress else { return }
      outcome = Result { () throws(Ext4Error) in try body(start) }
    }
    try outcome.get()
  }
}
