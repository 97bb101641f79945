import Ext4
import TestSupport

/// Carries out a bounded sequence on the library, as its requests reach it from a kernel with a page cache: write(2) as write-back of
/// the pages that it touches, direct writes as they are, stores to mappings as write-back at the next persistence point, before the next
/// operation on the data of that file, or at the end; of a file that has no name by then, never.
struct BoundedWork {
  /// What happened in one step.
  struct Trace: Sendable {
    /// Bytes that were written, and where.
    var written: (bytes: [UInt8], offset: Int)?
    /// The state after the step, by the number of its last operation.
    var operation: Int
  }

  private struct Dirty {
    var file: Int
    var offset: Int
    var bytes: [UInt8]
  }

  private static let pageSize = 4096

  private let volume: RecordedVolume
  private var dirty: [Dirty] = []
  private(set) var trace: [Trace] = []

  init(_ volume: RecordedVolume) { self.volume = volume }

  /// All steps; afterwards nothing is in the page cache.
  mutating func run(_ sequence: BoundedSequence) throws {
    for step in sequence.steps {
      trace.append(Trace(operation: 0))
      try perform(step.operation)
      if step.persistence != .none {
        try writeBack()
        try volume.synchronize()
      }
      trace[trace.count - 1].operation = volume.history.operationCount
    }
    try writeBack()
  }

  private mutating func perform(_ operation: BoundedOperation) throws {
    switch operation {
    case .create(let path): try volume.create(path)
    case .makeDirectory(let path): try volume.makeDirectory(path)
    case .allocate(let path, let mode, let place):
      try writeBack(path)
      let range = BoundedOperation.range(place, size: volume.size(of: path))
      try volume.allocate(path, mode, range)
    case .write(let path, let way, let place):
      let range = BoundedOperation.range(place, way, size: volume.size(of: path))
      try write(path, way, range)
    case .fill(let path): try write(path, .buffered, 0..<BoundedOperation.filled)
    case .truncate(let path, let size):
      try writeBack(path)
      try volume.truncate(path, to: BoundedOperation.length(size))
    case .link(let old, let new): try volume.link(old, as: new)
    case .symbolicLink(let target, let path): try volume.makeSymbolicLink(path, to: target)
    case .unlink(let path): try volume.unlink(path)
    case .remove(let path):
      if volume.directories.contains(path) {
        try volume.removeDirectory(path)
      } else {
        try volume.unlink(path)
      }
    case .rename(let old, let new, _): try volume.rename(old, to: new)
    case .setAttribute(let path):
      let value = Array("operation \(volume.history.operationCount + 1) ".utf8)
      trace[trace.count - 1].written = (value, 0)
      try volume.setAttribute(path, BoundedOperation.attribute, to: value)
    case .removeAttribute(let path):
      try volume.removeAttribute(path, BoundedOperation.attribute)
    }
  }

  private mutating func write(
    _ path: String, _ way: BoundedOperation.Way, _ range: Range<Int>
  ) throws {
    try writeBack(path)
    guard let file = volume.history.tree.node(at: path) else { return }
    let bytes = FilePattern.bytes(
      file: file, operation: volume.history.operationCount + 1, at: range.lowerBound,
      count: range.count)
    trace[trace.count - 1].written = (bytes, range.lowerBound)
    let dirty = Dirty(file: file, offset: range.lowerBound, bytes: bytes)
    switch way {
    case .buffered: try writeBack(dirty, to: path)
    case .direct: try volume.write(path, bytes, at: range.lowerBound, [])
    case .mapped: self.dirty.append(dirty)
    }
  }

  // MARK: The page cache

  /// What is dirty of one file, or of all.
  private mutating func writeBack(_ path: String? = nil) throws {
    let file = path.map { volume.history.tree.node(at: $0) }
    let due = dirty.filter { file == nil || $0.file == file }
    dirty.removeAll { file == nil || $0.file == file }
    for one in due {
      guard let path = path ?? volume.path(of: one.file) else { continue }
      try writeBack(one, to: path)
    }
  }

  /// Whole pages, as far as the file goes.
  private func writeBack(_ dirty: Dirty, to path: String) throws {
    let old = volume.history.files[dirty.file]?.bytes ?? []
    let range = dirty.offset..<dirty.offset + dirty.bytes.count
    let size = max(old.count, range.upperBound)
    let start = range.lowerBound / Self.pageSize * Self.pageSize
    let end = min((range.upperBound + Self.pageSize - 1) / Self.pageSize * Self.pageSize, size)
    var pages = Array(old[min(start, old.count)..<min(end, old.count)])
    pages += [UInt8](repeating: 0, count: end - start - pages.count)
    pages.replaceSubrange(range.lowerBound - start..<range.upperBound - start, with: dirty.bytes)
    try volume.write(path, pages, at: start, .writeback)
  }
}

extension RecordedVolume {
  /// One of the names of a file.
  fileprivate func path(of file: Int) -> String? {
    files.first { history.tree.node(at: $0) == file }
  }

  fileprivate func write(
    _ path: String, _ bytes: [UInt8], at offset: Int, _ options: Inode.WriteOptions
  ) throws {
    try withFile(path) { id, inode in
      _ = try perform("write \(bytes.count) bytes at \(offset) of /\(path)") {
        history, tree, operation in
        history.files[id]?.write(bytes, at: offset, operation: operation)
        tree[id].size = history.files[id]?.size ?? 0
      } _: {
        try bytes.withUnsafeBytes { try inode.writeAll($0, at: UInt64(offset), options: options) }
      }
    }
  }

  fileprivate func allocate(
    _ path: String, _ mode: BoundedOperation.Allocation, _ range: Range<Int>
  ) throws {
    let change: Inode.RangeOperation =
      switch mode {
      case .allocate: .allocate(keepSize: false)
      case .keepSize: .allocate(keepSize: true)
      case .zeroRange: .zeroRange(keepSize: false)
      case .zeroRangeKeepSize: .zeroRange(keepSize: true)
      case .punchHole: .punchHole
      }
    try withFile(path) { id, inode in
      _ = try perform("\(mode) \(range) of /\(path)") { history, tree, operation in
        switch mode {
        case .allocate, .keepSize:
          history.files[id]?.allocate(range, keepSize: mode == .keepSize, operation: operation)
        case .zeroRange, .zeroRangeKeepSize, .punchHole:
          history.files[id]?.zero(range, growing: mode == .zeroRange, operation: operation)
        }
        tree[id].size = history.files[id]?.size ?? 0
      } _: {
        try inode.change(
          change, at: UInt64(range.lowerBound), length: UInt64(range.count), options: [])
      }
    }
  }
}
