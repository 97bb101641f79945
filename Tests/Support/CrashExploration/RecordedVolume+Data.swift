import Ext4
import TestSupport

extension RecordedVolume {
  /// Writes `count` bytes of the file's pattern. Returns how many found room.
  @discardableResult
  public func write(_ path: String, at offset: Int, count: Int) throws -> Int {
    try withFile(path) { id, inode in try write(id, inode, "/\(path)", at: offset, count: count) }
  }

  /// The same for an open file.
  @discardableResult
  public func write(open id: Int, at offset: Int, count: Int) throws -> Int {
    try write(id, try openInode(id), "file \(id)", at: offset, count: count)
  }

  @discardableResult
  public func append(_ path: String, count: Int) throws -> Int {
    try write(path, at: history.tree.node(at: path).map { size(of: $0) } ?? 0, count: count)
  }

  func size(of id: Int) -> Int { history.files[id]?.size ?? 0 }

  private func write(
    _ id: Int, _ inode: Inode, _ name: String, at offset: Int, count: Int
  ) throws -> Int {
    let operation = begin()
    let bytes = FilePattern.bytes(file: id, operation: operation, at: offset, count: count)
    func outcome(_ written: Int) -> History {
      history.adding("write \(count) bytes at \(offset) of \(name)") { history, tree, operation in
        if inode.status().flags.contains(.inlineData) {
          history.files[id]?.leaveInode(operation: operation)
        }
        history.files[id]?.write(Array(bytes[..<written]), at: offset, operation: operation)
        tree[id].size = history.files[id]?.size ?? 0
      }
    }
    let expected = outcome(count)
    let written: Int
    do {
      written = try bytes.withUnsafeBytes { bytes in
        try inode.write(bytes, at: UInt64(offset), options: [])
      }
    } catch let error as Ext4Error where error.errno == .noSpace && mayBeFull {
      noteRefusal()
      return 0
    } catch {
      noteAttempt(expected)
      throw error
    }
    guard written == count || mayBeFull else { throw Failure("\(name): a short write") }
    finish(written == count ? expected : outcome(written))
    return written
  }

  @discardableResult
  public func truncate(_ path: String, to size: Int) throws -> Bool {
    try changeFile(path, "truncate /\(path) to \(size)") { file, operation in
      file.truncate(to: size, operation: operation)
    } _: { inode in
      var change = AttributeChange()
      change.size = UInt64(size)
      try inode.apply(change)
    }
  }

  @discardableResult
  public func allocate(
    _ path: String, at offset: Int, count: Int, keepSize: Bool = false
  ) throws -> Bool {
    try changeFile(path, "allocate \(count) bytes at \(offset) of /\(path)") { file, operation in
      file.allocate(offset..<offset + count, keepSize: keepSize, operation: operation)
    } _: { inode in
      try inode.change(
        .allocate(keepSize: keepSize), at: UInt64(offset), length: UInt64(count), options: [])
    }
  }

  @discardableResult
  public func punchHole(_ path: String, at offset: Int, count: Int) throws -> Bool {
    try changeFile(path, "punch \(count) bytes at \(offset) of /\(path)") { file, operation in
      file.zero(offset..<offset + count, growing: false, operation: operation)
    } _: { inode in
      try inode.change(.punchHole, at: UInt64(offset), length: UInt64(count), options: [])
    }
  }

  @discardableResult
  public func zeroRange(_ path: String, at offset: Int, count: Int) throws -> Bool {
    try changeFile(path, "zero \(count) bytes at \(offset) of /\(path)") { file, operation in
      file.zero(
        offset..<offset + count, growing: true, operation: operation, inSteps: isInterleaved)
    } _: { inode in
      try inode.change(
        .zeroRange(keepSize: false), at: UInt64(offset), length: UInt64(count), options: [])
    }
  }

  /// Of a file that is all zeros, wherever it has blocks: so that the size tells whether it has happened.
  @discardableResult
  public func collapse(_ path: String, at offset: Int, count: Int) throws -> Bool {
    let size = size(of: path)
    return try changeFile(path, "collapse \(count) bytes at \(offset) of /\(path)") {
      file, operation in
      file.truncate(to: size - count, operation: operation)
    } _: { inode in
      try inode.change(.collapse, at: UInt64(offset), length: UInt64(count), options: [])
    }
  }

  /// Of a file that is all zeros.
  @discardableResult
  public func insertHole(_ path: String, at offset: Int, count: Int) throws -> Bool {
    let size = size(of: path)
    return try changeFile(path, "insert \(count) bytes at \(offset) of /\(path)") {
      file, operation in
      file.truncate(to: size + count, operation: operation)
    } _: { inode in
      try inode.change(.insert, at: UInt64(offset), length: UInt64(count), options: [])
    }
  }

  private func changeFile(
    _ path: String, _ name: String, foreseeing change: (inout FileHistory, Int) -> Void,
    _ action: (Inode) throws -> Void
  ) throws -> Bool {
    try withFile(path) { id, inode in
      try perform(name) { history, tree, operation in
        if inode.status().flags.contains(.inlineData) {
          history.files[id]?.leaveInode(operation: operation)
        }
        if var file = history.files[id] {
          change(&file, operation)
          history.files[id] = file
        }
        tree[id].size = history.files[id]?.size ?? 0
      } _: {
        try action(inode)
      }
    }
  }

  @discardableResult
  public func setMode(_ path: String, _ mode: UInt16) throws -> Bool {
    try withFile(path) { id, inode in
      try perform("chmod /\(path) to \(mode)") { _, tree, _ in
        tree[id].mode = mode
      } _: {
        var change = AttributeChange()
        change.mode = mode
        try inode.apply(change)
      }
    }
  }

  @discardableResult
  public func setAttribute(_ path: String, _ name: String, to value: [UInt8]) throws -> Bool {
    try withFile(path) { id, inode in
      try perform("set \(name) of /\(path) to \(value.count) bytes") { _, tree, _ in
        tree[id].attributes[name] = value
      } _: {
        try value.withUnsafeBytes {
          try inode.setExtendedAttribute(name, to: $0, .createOrReplace) { _ in true }
        }
      }
    }
  }

  @discardableResult
  public func removeAttribute(_ path: String, _ name: String) throws -> Bool {
    try withFile(path) { id, inode in
      try perform("remove \(name) of /\(path)") { _, tree, _ in
        tree[id].attributes[name] = nil
      } _: {
        try inode.removeExtendedAttribute(name)
      }
    }
  }
}
