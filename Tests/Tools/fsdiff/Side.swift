import Glibc
import SystemPackage
import TestSupport

/// One of the two trees, with its own table of open files.
final class Side {
  let root: CInt
  private var slots = [CInt?](repeating: nil, count: Workload.slots)
  private let buffer: UnsafeMutableRawBufferPointer

  init(_ path: FilePath) throws(Errno) {
    root = try Syscall.open(path, O_RDONLY | O_DIRECTORY)
    buffer = .allocate(byteCount: 262_144, alignment: 4096)
  }

  deinit {
    closeAll()
    try? Syscall.close(root)
    buffer.deallocate()
  }

  /// In bytes.
  var blockSize: Int {
    get throws(Errno) { Int(try Syscall.fstatvfs(root).f_bsize) }
  }

  func closeAll() {
    for slot in slots.indices {
      if let file = slots[slot] { try? Syscall.close(file) }
      slots[slot] = nil
    }
  }

  /// Performs it in this tree, as its user.
  func perform(_ step: Step) throws(Errno) -> Outcome {
    try Syscall.fchdir(root)
    setegid(step.user)
    seteuid(step.user)
    defer {
      seteuid(0)
      setegid(0)
    }
    do throws(Errno) {
      return try perform(step.operation)
    } catch {
      return Outcome(error)
    }
  }

  private func perform(_ operation: Operation) throws(Errno) -> Outcome {
    switch operation {
    case .open(let slot, let path, let flags, let mode):
      let opened = try Syscall.open(path, flags, mode: mode)
      if let old = slots[slot] { try Syscall.close(old) }
      slots[slot] = opened
    case .truncate(let path, let size): try Syscall.truncate(path, size: size)
    case .mkdir(let path, let mode): try Syscall.mkdir(path, mode: mode)
    case .rmdir(let path): try Syscall.rmdir(path)
    case .unlink(let path): try Syscall.unlink(path)
    case .rename(let from, let to, let flags): try Syscall.rename(from, to, flags: flags)
    case .link(let from, let to): try Syscall.link(from, to)
    case .symlink(let target, let path): try Syscall.symlink(target, path)
    case .readlink(let path): return Outcome(try Syscall.readlink(path))
    case .mknod(let path, let mode, let device):
      try Syscall.mknod(path, mode: mode, device: device)
    case .status(let path): return Outcome(Attributes(try Syscall.lstat(path)).description)
    case .access(let path, let mode): try Syscall.access(path, mode: mode)
    case .chmod(let path, let mode): try Syscall.chmod(path, mode: mode)
    case .chown(let path, let user, let group):
      try Syscall.lchown(path, user: user, group: group)
    case .times(let path, let access, let modification):
      try Syscall.setTimes(path, access: access.value, modification: modification.value)
    case .setXattr(let path, let name, let value, let flags):
      try Syscall.setXattr(path, name, value, flags: flags)
    case .getXattr(let path, let name): return Outcome(try Syscall.xattr(path, name))
    case .listXattrs(let path):
      return Outcome(try Syscall.xattrNames(path).joined(separator: "\n"))
    case .removeXattr(let path, let name): try Syscall.removeXattr(path, name)
    case .setFlags(let path, let set, let clear):
      try Syscall.withOpen(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW) { (file) throws(Errno) in
        try Syscall.setFlags(file, try Syscall.flags(file) & ~clear | set)
      }
    case .directRead, .directWrite: return try performDirect(operation)
    case .syncDirectory, .resume, .fill, .drain: return try performOnDirectory(operation)
    case .umask(let mask): Glibc.umask(mask)
    case .close, .read, .write, .fileTruncate, .fileStatus, .fileMode, .sync, .allocate, .copy,
      .mapRead, .mapWrite, .seek:
      return try performOnSlot(operation)
    }
    return Outcome()
  }

  private func performOnSlot(_ operation: Operation) throws(Errno) -> Outcome {
    switch operation {
    case .close(let slot):
      let file = try self.file(slot)
      slots[slot] = nil
      try Syscall.close(file)
    case .read(let slot, let offset, let count):
      let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
      let read = try Syscall.read(try file(slot), target, at: offset)
      return Outcome([UInt8](target[..<read]), value: read)
    case .write(let slot, let offset, let count, let seed):
      let data = SeededGenerator.bytes(count, seed: seed)
      return Outcome(value: try Syscall.write(try file(slot), data, at: offset))
    case .fileTruncate(let slot, let size): try Syscall.ftruncate(try file(slot), size: size)
    case .fileStatus(let slot):
      return Outcome(Attributes(try Syscall.fstat(try file(slot))).description)
    case .fileMode(let slot, let mode): try Syscall.fchmod(try file(slot), mode: mode)
    case .sync(let slot, let dataOnly):
      let file = try self.file(slot)
      if dataOnly { try Syscall.fdatasync(file) } else { try Syscall.fsync(file) }
    case .allocate(let slot, let mode, let offset, let length):
      try Syscall.fallocate(try file(slot), mode: mode, offset: offset, length: length)
    case .copy(let from, let source, let to, let target, let count):
      let copied = try Syscall.copyRange(
        from: try file(from), at: source, to: try file(to), at: target, count: count)
      return Outcome(value: copied)
    case .mapRead(let slot, let offset, let count):
      guard let range = try mappable(slot, offset, count) else { break }
      return Outcome(
        try Syscall.withMapping(
          try file(slot), offset: range.lowerBound, count: range.count, protection: PROT_READ
        ) { [UInt8]($0) })
    case .mapWrite(let slot, let offset, let count, let seed):
      guard let range = try mappable(slot, offset, count) else { break }
      // Storing into an immutable file is SIGBUS.
      if try Syscall.flags(try file(slot)) & 0x10 != 0 { throw .notPermitted }
      let data = SeededGenerator.bytes(range.count, seed: seed)
      try Syscall.withMapping(
        try file(slot), offset: range.lowerBound, count: range.count,
        protection: PROT_READ | PROT_WRITE, synchronous: seed % 8 == 0
      ) { $0.copyBytes(from: data) }
    case .seek(let slot, let offset): return try seek(try file(slot), from: offset)
    default: break
    }
    return Outcome()
  }

  /// What is open in a slot; EBADF when nothing is.
  func file(_ slot: Int) throws(Errno) -> CInt {
    guard let file = slots[slot] else { throw .badFileDescriptor }
    return file
  }

  /// The part of a range that the file has now: touching pages beyond it would be SIGBUS.
  private func mappable(_ slot: Int, _ offset: Int, _ count: Int) throws(Errno) -> Range<Int>? {
    let status = try Syscall.fstat(try file(slot))
    guard status.st_mode & S_IFMT == S_IFREG else { throw .noSuchAddressOrDevice }
    let size = Int(status.st_size)
    guard size > 0 else { return nil }
    let start = offset % size
    let range = start..<min(start + count, size)
    return range.isEmpty ? nil : range
  }

  /// What counts as data is the file system's choice as long as everything that is not zero does, so
  /// the answers are not compared with the other side's but with the contents.
  private func seek(_ file: CInt, from offset: Int) throws(Errno) -> Outcome {
    let status = try Syscall.fstat(file)
    // The positions of directories mean something else.
    guard status.st_mode & S_IFMT == S_IFREG else { throw .illegalSeek }
    let size = Int(status.st_size)
    var data = size
    do throws(Errno) {
      data = try Syscall.seekData(file, from: offset)
    } catch {
      guard error == .noSuchAddressOrDevice && offset < size else { throw error }
    }
    guard offset < size else { return Outcome("data at \(data), beyond the end") }
    let hole = try Syscall.seekHole(file, from: offset)
    guard data >= offset && data <= size && hole >= offset && hole <= size else {
      return Outcome("data at \(data) and a hole at \(hole), out of \(offset)..<\(size)")
    }
    let examined = UnsafeMutableRawBufferPointer(
      rebasing: buffer[..<min(data - offset, buffer.count)])
    // A file open for writing only cannot be read back.
    guard let read = try? Syscall.read(file, examined, at: offset) else { return Outcome() }
    let clean = examined[..<read].allSatisfy { $0 == 0 }
    return Outcome(clean ? "" : "data between \(offset) and \(data), said to be a hole")
  }

  private func performDirect(_ operation: Operation) throws(Errno) -> Outcome {
    let flags = Syscall.directFlag | O_NONBLOCK
    switch operation {
    case .directRead(let path, let offset, let count):
      return try Syscall.withOpen(path, O_RDONLY | flags) { (file) throws(Errno) in
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        let read = try Syscall.read(file, target, at: offset)
        return Outcome([UInt8](target[..<read]), value: read)
      }
    case .directWrite(let path, let offset, let count, let seed):
      return try Syscall.withOpen(path, O_WRONLY | flags) { (file) throws(Errno) in
        buffer.copyBytes(from: SeededGenerator.bytes(count, seed: seed))
        let data = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        return Outcome(value: try Syscall.write(file, data, at: offset))
      }
    default: return Outcome()
    }
  }
}
