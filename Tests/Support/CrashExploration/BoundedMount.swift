import CLinux
import Foundation
import SystemPackage
import TestSupport

/// A bounded sequence through a real mount: system calls, the kernel's page cache and the daemon. What the image is when a persistence
/// point has returned must be what the model has then.
///
/// Files are closed after each step, which has the kernel write back what it holds of them. So not only the file that was synchronised is
/// as it should be, but everything: the daemon commits all that it has been told.
struct BoundedMount {
  private let fresh: DiskImage
  private let sequence: BoundedSequence
  private let trace: [BoundedWork.Trace]
  private let synchronizes: Bool

  init(
    fresh: DiskImage, sequence: BoundedSequence, trace: [BoundedWork.Trace], synchronizes: Bool
  ) {
    self.fresh = fresh
    self.sequence = sequence
    self.trace = trace
    self.synchronizes = synchronizes
  }

  /// What is wrong; nil if nothing is. Counts the images that were judged.
  func flaw(_ judge: Judge, _ history: History, _ images: inout Int) throws -> String? {
    try Scratch.with { scratch in
      let image = Image(existing: scratch.appending("disk.img"))
      let point = try scratch.directory("mnt")
      try writeImage(to: image.path)
      let mounted = try Mounted(image.path, at: point)
      defer {
        Daemon.kill(at: point)
        _ = try? Command(["umount", "--lazy", point.string]).run()
      }
      for (index, step) in sequence.steps.enumerated() {
        try perform(step.operation, trace[index], in: point)
        guard step.persistence != .none else { continue }
        if synchronizes { try persist(step, in: point) }
        if index == sequence.steps.count - 1 {
          Daemon.kill(at: point)
          try Mounted.waitForEnd(of: mounted.source)
        }
        images += 1
        let operation = trace[index].operation
        let expectation = Expectation(synchronized: operation, begun: operation)
        var failure: (any Error)?
        let flaw = try judge.flaw(expecting: [expectation]) { buffer in
          do { try readImage(image.path, into: buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        if let flaw { return "after \(step.operation), \(step.persistence.rawValue): \(flaw)" }
      }
      return nil
    }
  }

  // MARK: The image

  private func writeImage(to path: FilePath) throws {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: fresh.byteCount, alignment: 4096)
    defer { buffer.deallocate() }
    fresh.copy(into: buffer)
    try Data(buffer).write(to: URL(fileURLWithPath: path.string))
  }

  /// While the daemon lives, or after its end.
  private func readImage(_ path: FilePath, into buffer: UnsafeMutableRawBufferPointer) throws {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path.string))
    guard bytes.count == buffer.count else { throw Failure("the image has \(bytes.count) bytes") }
    bytes.withUnsafeBytes { buffer.copyMemory(from: $0) }
  }

  // MARK: System calls

  private func perform(
    _ operation: BoundedOperation, _ trace: BoundedWork.Trace, in root: FilePath
  ) throws {
    func place(_ path: String) -> FilePath { root.appending(path) }
    switch operation {
    case .create(let path):
      try Syscall.close(try Syscall.open(place(path), O_WRONLY | O_CREAT | O_EXCL, mode: 0o644))
    case .makeDirectory(let path): try Syscall.mkdir(place(path), mode: 0o755)
    case .allocate(let path, let mode, let region):
      try allocate(place(path), mode, region)
    case .write(let path, let way, _): try write(place(path), way, trace)
    case .fill(let path): try write(place(path), .buffered, trace)
    case .truncate(let path, let size):
      try Syscall.truncate(place(path), size: BoundedOperation.length(size))
    case .link(let old, let new): try Syscall.link(place(old), place(new))
    case .symbolicLink(let target, let path): try Syscall.symlink(FilePath(target), place(path))
    case .unlink(let path): try Syscall.unlink(place(path))
    case .remove(let path):
      let isDirectory = try Syscall.lstat(place(path)).st_mode & S_IFMT == S_IFDIR
      if isDirectory { try Syscall.rmdir(place(path)) } else { try Syscall.unlink(place(path)) }
    case .rename(let old, let new, _): try Syscall.rename(place(old), place(new))
    case .setAttribute(let path):
      try Syscall.setXattr(
        place(path), BoundedOperation.attribute, trace.written?.bytes ?? [])
    case .removeAttribute(let path):
      try Syscall.removeXattr(place(path), BoundedOperation.attribute)
    }
  }

  private func allocate(
    _ path: FilePath, _ mode: BoundedOperation.Allocation, _ place: BoundedOperation.Place
  ) throws {
    let range = BoundedOperation.range(place, size: Int(try Syscall.stat(path).st_size))
    let flags: CInt =
      switch mode {
      case .allocate: 0
      case .keepSize: FALLOC_FL_KEEP_SIZE
      case .zeroRange: FALLOC_FL_ZERO_RANGE
      case .zeroRangeKeepSize: FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE
      case .punchHole: FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
      }
    try Syscall.withOpen(path, O_RDWR) { (file) throws(Errno) in
      try Syscall.fallocate(file, mode: flags, offset: range.lowerBound, length: range.count)
    }
  }

  private func write(
    _ path: FilePath, _ way: BoundedOperation.Way, _ trace: BoundedWork.Trace
  ) throws {
    guard let (bytes, offset) = trace.written else { throw Failure("nothing to write to \(path)") }
    switch way {
    case .buffered:
      try Syscall.withOpen(path, O_WRONLY) { (file) throws(Errno) in
        _ = try Syscall.write(file, bytes, at: offset)
      }
    case .direct:
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 4096)
      defer { memory.deallocate() }
      memory.copyBytes(from: bytes)
      try Syscall.withOpen(path, O_WRONLY | clinux_o_direct()) { (file) throws(Errno) in
        let count = try Syscall.write(file, UnsafeRawBufferPointer(memory), at: offset)
        guard count == memory.count else { throw .ioError }
      }
    case .mapped:
      try Syscall.withOpen(path, O_RDWR) { (file) throws(Errno) in
        try Syscall.withMapping(
          file, offset: offset, count: bytes.count, protection: PROT_READ | PROT_WRITE
        ) { $0.copyBytes(from: bytes) }
      }
    }
  }

  /// What the operation was about, or where it was if that is gone. For sync(2), which stock kernels do not pass on for a mount of an
  /// image, the root stands in.
  private func persist(_ step: BoundedSequence.Step, in root: FilePath) throws {
    var path = step.operation.paths[0]
    if step.persistence == .sync { path = "" }
    if step.persistence == .fsyncOfParent { path = path.parentAndName.parent }
    var place = root.appending(path)
    // What is gone has a directory, and a symbolic link cannot be synchronised itself.
    while (try? Syscall.lstat(place).st_mode & S_IFMT).map({ $0 == S_IFLNK }) ?? true {
      path = path.parentAndName.parent
      place = root.appending(path)
    }
    try Syscall.withOpen(place, O_RDONLY) { (file) throws(Errno) in
      if step.persistence == .fdatasync {
        try Syscall.fdatasync(file)
      } else {
        try Syscall.fsync(file)
      }
    }
  }
}
