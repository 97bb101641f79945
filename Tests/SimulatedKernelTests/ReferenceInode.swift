import KernelDouble
import TestSupport

/// A file or directory of the reference server.
final class ReferenceInode {
  struct Block {
    var device: UInt64
    var isUnwritten: Bool
  }

  let number: UInt64
  let generation: UInt64
  var mode: UInt32
  var uid: UInt32 = 0
  var gid: UInt32 = 0
  var links: UInt32 = 1
  var size: UInt64 = 0
  var accessTime = InodeTruth.Time(seconds: 0, nanoseconds: 0)
  var modificationTime = InodeTruth.Time(seconds: 0, nanoseconds: 0)
  var changeTime = InodeTruth.Time(seconds: 0, nanoseconds: 0)
  var blocks: [UInt64: Block] = [:]
  var entries: [String: UInt64] = [:]
  var xattrs: [String: [UInt8]] = [:]
  var target = ""
  var inline: [UInt8]?
  var lookups: UInt64 = 0
  var opens = 0
  /// An IOEND of it told of an error that no FSYNC has passed on yet.
  var hasFailed = false
  /// It has been changed since a commit began.
  var isDirty: Bool {
    get { isChanged || isCommitting }
    set {
      isChanged = newValue
      if !newValue { isCommitting = false }
    }
  }
  var isChanged = false
  var isCommitting = false
  /// Chosen when the kernel saw it first.
  var isShown = false
  var oldMapping: [UInt8]?

  init(number: UInt64, generation: UInt64, mode: UInt32) {
    self.number = number
    self.generation = generation
    self.mode = mode
  }

  var isRegular: Bool { mode & 0o170000 == 0o100000 }
  var isDirectory: Bool { mode & 0o170000 == 0o040000 }

  var truth: InodeTruth {
    var truth = InodeTruth(number: number, size: size, mode: mode, links: links, extents: [])
    truth.accessTime = accessTime
    truth.modificationTime = modificationTime
    truth.changeTime = changeTime
    for (index, block) in blocks.sorted(by: { $0.key < $1.key }) {
      truth.append(
        .init(
          fileBlock: index, count: 1, deviceBlock: block.device, isUnwritten: block.isUnwritten))
    }
    return truth
  }
}
