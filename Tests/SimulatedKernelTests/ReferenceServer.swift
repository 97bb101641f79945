import Foundation
import Glibc
import KernelDouble
import SystemPackage
import TestSupport

/// A small file server that does everything right, or exactly one thing wrong: what the simulated
/// kernel is tested against. Its metadata is in memory; data blocks are those of an image file.
final class ReferenceServer: @unchecked Sendable {
  struct Options: Sendable {
    var fault = Fault.none
    var workers = 4
    var blockSize: UInt64 = 4096
    /// Files whose blocks have no unwritten state.
    var isIndirect = false
    /// Has a file "small" with its data in the inode.
    var hasInlineData = false
    /// Serves without iomap.
    var isClassic = false
    /// Writes its metadata to the image at each commit, and reads it when it starts.
    var persists = false
    var device: CInt = -1
    var blocks: UInt64 = 16_384
  }

  struct Request {
    let opcode: UInt32
    let unique: UInt64
    let node: UInt64
    let uid: UInt32
    let body: ByteReader
  }

  /// Thrown by handlers: the errno to answer with.
  struct Refusal: Error {
    let code: CInt
    init(_ code: CInt) { self.code = code }
  }

  let options: Options
  var fault: Fault { options.fault }
  let kernel: SimulatedKernel
  let descriptor: CInt
  /// Of all that follows.
  let lock = NSRecursiveLock()
  var inodes: [UInt64: ReferenceInode] = [:]
  var nextNumber: UInt64 = 12
  var usesIomap = false
  var isV7 = true
  var cookie: UInt32 = 0
  var isFrozen = false
  var isShutDown = false
  var isReadOnly = false
  var opened = 0
  var free: Set<UInt64> = []
  var nextBlock: UInt64 = 0
  /// Freed, but not committed yet.
  var freed: [UInt64] = []
  /// For the faults that remember something.
  var scratch: [String: UInt64] = [:]
  var stale: (node: UInt64, mapping: ReferenceMapping)?
  var hoard: [[UInt8]] = []
  /// Taken before `lock`.
  let idle = NSCondition()
  var commits: UInt64 = 0
  var fsyncs = 0
  private let ended = NSCondition()
  private var running = 0

  /// Blocks before it are metadata.
  static let firstDataBlock: UInt64 = 512

  init(kernel: SimulatedKernel, options: Options) {
    self.kernel = kernel
    self.options = options
    descriptor = kernel.daemonDescriptor
    free = Set(Self.firstDataBlock..<options.blocks)
    nextBlock = Self.firstDataBlock
    let root = ReferenceInode(number: 2, generation: 0, mode: 0o040755)
    root.links = 2
    inodes[2] = root
    if options.hasInlineData { makeInlineFile() }
    if options.persists { recover() }
  }

  private func makeInlineFile() {
    let inode = ReferenceInode(number: nextNumber, generation: 1, mode: 0o100644)
    inode.inline = Array(ScenarioSubject.Fixture.contents.prefix(40))
    inode.size = 40
    inodes[nextNumber] = inode
    root.entries["small"] = nextNumber
    nextNumber += 1
  }

  private var root: ReferenceInode {
    inodes[2] ?? ReferenceInode(number: 2, generation: 0, mode: 0)
  }

  func run() {
    running = options.workers
    for _ in 0..<options.workers {
      Thread.detachNewThread { [self] in
        serve()
        ended.lock()
        running -= 1
        ended.broadcast()
        ended.unlock()
      }
    }
  }

  /// Waits until all workers have seen the end of the connection.
  func join() {
    ended.lock()
    while running > 0 && ended.wait(until: Date().addingTimeInterval(10)) {}
    ended.unlock()
  }

  private func serve() {
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count >= 40 else { return }
      let header = ByteReader(bytes: Array(buffer[..<40]))
      let request = Request(
        opcode: header.get(4), unique: header.get(8), node: header.get(16), uid: header.get(24),
        body: ByteReader(bytes: Array(buffer[40..<count])))
      handle(request)
    }
  }

  private func handle(_ request: Request) {
    // FORGET, BATCH_FORGET, INTERRUPT have no answer.
    switch request.opcode {
    case 2:
      withLock { forget(request) }
      return
    case 36:
      if fault == .repliesTwice {
        let target: UInt64 = request.body.get(0)
        usleep(10_000)
        reply(target, error: EINTR)
      }
      return
    default: break
    }
    if request.opcode == 20 && fault != .oneLockForAll {
      // It waits for the disk, so that it needs a thread of its own: workers must not wait.
      Thread.detachNewThread { [self] in complete(request) }
    } else {
      complete(request)
    }
  }

  private func complete(_ request: Request) {
    do {
      let payload = try answer(to: request)
      reply(request.unique, payload)
    } catch {
      reply(request.unique, error: (error as? Refusal)?.code ?? EIO)
    }
  }

  func reply(_ unique: UInt64, _ payload: [UInt8] = [], error: CInt = 0) {
    var writer = ByteWriter()
    writer.put(UInt32(16 + payload.count))
    writer.put(-error)
    writer.put(unique)
    writer.bytes += payload
    _ = send(descriptor, writer.bytes, writer.bytes.count, CInt(MSG_NOSIGNAL))
  }

  func withLock<R>(_ body: () throws -> R) rethrows -> R {
    lock.lock()
    defer { lock.unlock() }
    return try body()
  }

  private func answer(to request: Request) throws -> [UInt8] {
    switch request.opcode {
    case 26: return try initialize(request)
    case 4092: return try configure(request)
    case 38: return try destroy(request)
    case 20: return try fsync(request)
    case 50: return try syncfs(request)
    case 4: return try setattr(request)
    case 4093: return try ioend(request)
    case 4094: return try begin(request)
    case 18:
      if fault == .destroysEarly && withLock({ opened < 4 }) { usleep(300_000) }
      let answer = try withLock { try release(request) }
      // Without `lock`: DESTROY takes it while it holds this one.
      idle.lock()
      idle.broadcast()
      idle.unlock()
      return answer
    default: return try withLock { try answerLocked(request) }
    }
  }

  private func answerLocked(_ request: Request) throws -> [UInt8] {
    if isShutDown && fault == .writesAfterShutdown { writeMetadata() }
    if isFrozen && fault == .writesWhileFrozen && request.opcode == 1 { writeMetadata() }
    if isShutDown && ![4090, 14, 18, 25, 29].contains(request.opcode) { throw Refusal(EIO) }
    switch request.opcode {
    case 1: return try lookup(request)
    case 3: return try getattr(request)
    case 5: return Array(try inode(request).target.utf8)
    case 6: return try symlink(request)
    case 8: return try mknod(request)
    case 9: return try mkdir(request)
    case 10, 11: return try unlink(request)
    case 12: return try rename(request, names: request.body.names(8), flags: 0)
    case 45: return try rename(request, names: request.body.names(16), flags: request.body.get(8))
    case 13: return try link(request)
    case 14: return try open(request)
    case 15: return try read(request)
    case 16: return try write(request)
    case 21: return try setxattr(request)
    case 22: return try getxattr(request)
    case 24: return try removexattr(request)
    case 25: return try flush(request)
    case 27: return openReply()
    case 29: return []
    case 35: return try create(request)
    case 43: return try fallocate(request)
    case 44: return try readdirplus(request)
    case 47, 53: return try copyRange(request)
    case 52: return try statx(request)
    case 4089: return try freeze(request)
    case 4090:
      isFrozen = false
      return []
    case 4091:
      isShutDown = true
      return []
    case 4095: return try end(request)
    default: throw Refusal(ENOSYS)
    }
  }

  func inode(_ request: Request) throws -> ReferenceInode {
    guard let inode = inodes[number(ofNode: request.node)] else { throw Refusal(ENOENT) }
    return inode
  }

  /// Node 1 is the root, inode 2; the second node of an inode is a fault's.
  func number(ofNode node: UInt64) -> UInt64 {
    node == 1 ? 2 : node >= 1_000_000 ? node - 1_000_000 : node
  }

  func node(of inode: ReferenceInode) -> UInt64 { inode.number == 2 ? 1 : inode.number }

  // MARK: The device

  /// A block of metadata, before the first data block.
  func writeMetadata() {
    let bytes = [UInt8](repeating: 0x4d, count: Int(options.blockSize))
    write(bytes, at: options.blockSize * 8)
  }

  func write(_ bytes: [UInt8], at offset: UInt64) {
    bytes.withUnsafeBytes { kernel.serverWillWrite(offset: offset, bytes: $0) }
    _ = pwrite(options.device, bytes, bytes.count, off_t(offset))
  }

  func flushDevice() {
    kernel.serverWillFlush()
    kernel.serverDidFlush()
  }

  /// Data first, then the metadata, then what that has freed can be used again.
  func commit() {
    if withLock({ isShutDown }) && fault != .writesAfterShutdown { return }
    let changed = withLock {
      let changed = inodes.values.filter { $0.isChanged }
      for inode in changed { (inode.isChanged, inode.isCommitting) = (false, true) }
      return changed
    }
    flushDevice()
    let blocks = withLock {
      defer { freed = [] }
      commits += 1
      if !isFrozen || fault == .writesWhileFrozen {
        if options.persists { persist() } else { writeMetadata() }
      }
      return freed
    }
    flushDevice()
    withLock {
      for inode in changed { inode.isCommitting = false }
      for block in blocks {
        if fault != .noDeviceInval { invalidateDevice(block, 1) }
        free.insert(block)
      }
    }
  }
}
