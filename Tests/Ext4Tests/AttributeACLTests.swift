import Glibc
import TestSupport
import Testing

import struct SystemPackage.Errno
import struct SystemPackage.FilePath

@testable import Ext4

/// ACLs of files: the kernel's ext4 and this one do the same to equal images. Wants root, for loop mounts.
@Suite(.enabled(if: getuid() == 0)) struct AttributeACLTests {
  static let access = "system.posix_acl_access"
  static let `default` = "system.posix_acl_default"

  /// Something in the form of setxattr(2), mostly a valid ACL.
  static func randomACL(using generator: inout SeededGenerator) -> [UInt8] {
    var entries: [(tag: UInt16, permissions: UInt16, id: UInt32)] = []
    func permissions() -> UInt16 { UInt16(generator.number(0..<8)) }
    entries.append((1, permissions(), .max))
    let users = generator.oneIn(2) ? generator.number(1..<4) : 0
    for user in 0..<users { entries.append((2, permissions(), UInt32(1000 + user))) }
    entries.append((4, permissions(), .max))
    let groups = generator.oneIn(3) ? generator.number(1..<4) : 0
    for group in 0..<groups { entries.append((8, permissions(), UInt32(50 + group))) }
    if users + groups > 0 || generator.oneIn(4) { entries.append((0x10, permissions(), .max)) }
    entries.append((0x20, permissions(), .max))
    var version: UInt8 = 2
    switch generator.number(0..<24) {
    case 0: entries.remove(at: generator.number(0..<entries.count))
    case 1: entries.swapAt(0, entries.count - 1)
    case 2: entries[generator.number(0..<entries.count)].permissions = 9
    case 3: entries[generator.number(0..<entries.count)].tag = 3
    case 4: version = 1
    case 5: entries.removeAll()
    case 6: entries.append(generator.pick(entries))
    default: break
    }
    var bytes: [UInt8] = [version, 0, 0, 0]
    for entry in entries {
      withUnsafeBytes(of: entry.tag) { bytes += $0 }
      withUnsafeBytes(of: entry.permissions) { bytes += $0 }
      withUnsafeBytes(of: entry.id) { bytes += $0 }
    }
    if generator.oneIn(30) { bytes.removeLast(generator.number(1..<5)) }
    return bytes
  }

  enum Step {
    case set(String, [UInt8])
    case remove(String)
    case chmod(UInt16)

    static func random(using generator: inout SeededGenerator) -> Step {
      let name = generator.oneIn(3) ? AttributeACLTests.default : access
      switch generator.number(0..<8) {
      case 0: return .remove(name)
      case 1, 2, 3: return .chmod(UInt16(generator.number(0..<0o10000)))
      default: return .set(name, randomACL(using: &generator))
      }
    }
  }

  struct Outcome: Equatable {
    var errno: Errno?
    var mode: UInt16
    var attributes: [String: [UInt8]]
  }

  @Test(arguments: [128, 256], [1, 2, 10] as [UInt64])
  func changes(inodeSize: Int, seed: UInt64) throws {
    try Scratch.with { scratch in
      let point = try scratch.directory("mnt")
      let tree = try scratch.directory("tree")
      try Syscall.close(Syscall.open(tree.appending("file"), O_CREAT | O_RDWR))
      try Syscall.mkdir(tree.appending("directory"))
      try Syscall.symlink("file", tree.appending("link"))
      let names = ["file", "directory", "link"]
      let theirs = try Image(
        at: scratch.appending("theirs"), size: "16M", tree: tree,
        options: ["-I", String(inodeSize)])
      let ours = Image(existing: scratch.appending("ours"))
      try Command(["cp", theirs.path.string, ours.path.string]).succeed()
      let numbers = try ours.rootInodes()

      var generator = SeededGenerator(seed: seed)
      var steps: [(name: String, step: Step)] = []
      for _ in 0..<400 {
        let name = generator.oneIn(20) ? "link" : generator.pick(names.dropLast())
        let step = Step.random(using: &generator)
        if name == "link", case .chmod = step { continue }  // chmod(2) follows links
        steps.append((name, step))
      }
      let outcomes = try KernelMount.with(theirs, at: point) { _ throws in
        try steps.map { name, step in try kernelOutcome(of: step, on: point.appending(name)) }
      }
      try AttributeVolume.with(ours) { volume in
        for ((name, step), expected) in zip(steps, outcomes) {
          let inode = try volume.inode(#require(numbers[name]))
          #expect(try outcome(of: step, on: inode, volume) == expected, "\(name): \(step)")
        }
      }
      try ours.check()
    }
  }

  private func kernelOutcome(of step: Step, on path: FilePath) throws -> Outcome {
    var errno: Errno?
    do throws(Errno) {
      switch step {
      case .set(let name, let value): try Syscall.setXattr(path, name, value)
      case .remove(let name): try Syscall.removeXattr(path, name)
      case .chmod(let mode): try Syscall.chmod(path, mode: mode_t(mode))
      }
    } catch {
      errno = error
    }
    return Outcome(
      errno: errno, mode: UInt16(try Syscall.lstat(path).st_mode),
      attributes: try KernelMount.attributes(of: path))
  }

  private func outcome(
    of step: Step, on inode: Inode, _ volume: AttributeVolume
  ) throws -> Outcome {
    let errno: Errno? =
      switch step {
      case .set(let name, let value): volume.set(name, of: inode, to: value)
      case .remove(let name): volume.remove(name, of: inode)
      case .chmod(let mode):
        volume.errno { () throws(Ext4Error) in
          inode.mode = inode.mode & 0o170000 | mode
          try inode.adjustACL(forMode: inode.mode)
          try inode.store()
        }
      }
    return Outcome(
      errno: errno, mode: inode.mode, attributes: try volume.attributes(of: inode))
  }

  /// New files in directories with and without a default ACL.
  @Test(arguments: [128, 256]) func inheritance(inodeSize: Int) throws {
    try Scratch.with { scratch in
      let point = try scratch.directory("mnt")
      let directories = 30
      let image = try Image(
        at: scratch.appending("image"), size: "16M", options: ["-I", String(inodeSize)])
      var generator = SeededGenerator(seed: 7)
      let umasks = (0..<directories).map { _ in UInt16(generator.number(0..<0o1000)) }
      let expected = try KernelMount.with(image, at: point) { _ throws in
        try (0..<directories).map { index in
          let directory = point.appending("d\(index)")
          try Syscall.mkdir(directory)
          if index % 5 != 0 {
            do throws(Errno) {
              try Syscall.setXattr(directory, Self.default, Self.randomACL(using: &generator))
            } catch {
              guard error != .noSpace else { throw error }  // not a valid one
            }
          }
          try Command(
            shell: "umask 0\(String(umasks[index], radix: 8)); mkdir d; mkfifo p; >f; ln -s f l",
            in: directory
          ).succeed()
          return try ["d", "p", "f", "l"].map { name in
            let path = directory.appending(name)
            return Outcome(
              errno: nil, mode: UInt16(try Syscall.lstat(path).st_mode),
              attributes: try KernelMount.attributes(of: path))
          }
        }
      }
      #expect(expected.joined().contains { $0.attributes.count == 2 })
      let numbers = try image.rootInodes()
      try AttributeVolume.with(image) { volume in
        for index in 0..<directories {
          let parent = try volume.inode(#require(numbers["d\(index)"]))
          for (mode, outcome) in zip([0o040777, 0o010666, 0o100666, 0o120777], expected[index]) {
            let inode = try volume.volume.metadata.withLock { () throws(Ext4Error) in
              let inode = try volume.volume.allocateInode(
                in: parent, mode: UInt16(mode), userID: 0, groupID: 0)
              inode.linkCount = 1
              inode.mode = try inode.inheritACL(
                from: parent, mode: UInt16(mode), umask: umasks[index])
              try inode.store()
              return inode
            }
            let ours = Outcome(
              errno: nil, mode: inode.mode, attributes: try volume.attributes(of: inode))
            #expect(ours == outcome, "in directory \(index)")
            #expect(
              volume.errno { () throws(Ext4Error) in
                try inode.releaseAttributes()
                try volume.volume.deallocateInode(inode)
              } == nil)
          }
        }
      }
      try image.check()
    }
  }

  @Test func setGroupID() throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "8M",
        tree: try AttributeModelTests.makeTree(scratch, files: 1))
      let number = try #require(try image.rootInodes()["f0"])
      try AttributeVolume.with(image) { volume in
        let inode = try volume.inode(number)
        let acl = AccessControlListTests.extended.attributeForm
        for clears in [false, true] {
          inode.mode = 0o102755
          let errno = acl.withUnsafeBytes { bytes in
            volume.errno { () throws(Ext4Error) in
              try inode.setAccessACL(bytes, clearSetGroupID: clears)
            }
          }
          #expect(errno == nil)
          #expect(inode.mode == (clears ? 0o100761 : 0o102761))
        }
      }
      try image.check()
    }
  }
}
