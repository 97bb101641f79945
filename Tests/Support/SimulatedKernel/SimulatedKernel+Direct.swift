import Glibc
import SystemPackage

/// O_DIRECT (ABI 1.1). Offsets and counts are multiples of the logical block size.
extension SimulatedKernel {
  public struct DirectOptions: Sendable {
    /// As from io_submit(2): the inode lock is given up before the bytes reach the device.
    public var isAsynchronous = false
    public var isSynchronous = false

    public init(isAsynchronous: Bool = false, isSynchronous: Bool = false) {
      self.isAsynchronous = isAsynchronous
      self.isSynchronous = isSynchronous
    }
  }

  private func checkAlignment(_ position: UInt64, _ count: Int) throws(Errno) {
    let unit = UInt64(configuration.logicalBlockSize)
    guard position % unit == 0, UInt64(count) % unit == 0 else { throw .invalidArgument }
  }

  public func readDirect(_ file: OpenFile, at position: UInt64, count: Int) throws(Errno)
    -> [UInt8]
  {
    let inode = file.inode
    guard inode.usesIomap else { return try readPlainly(file, position, count) }
    try checkAlignment(position, count)
    inode.ioLock.lockShared()
    defer { inode.ioLock.unlockShared() }
    beginDirect(inode)
    defer { endDirect(inode) }
    let size = inode.monitor.withLock { inode.size }
    guard position < size, count > 0 else { return [] }
    let end = min(position + UInt64(count), size)
    try writeBack(inode, from: position, to: end)
    // Whole blocks of the device come in; what is behind the end is cut off.
    let unit = UInt64(configuration.logicalBlockSize)
    var bytes = [UInt8](repeating: 0, count: Int(roundUp(end - position, unit)))
    var current = position
    while current < end {
      let mapping = try map(inode, .direct, at: current, count: end - current)
      let stop = min(roundUp(end, unit), mapping.target.end)
      let target = mapping.target
      if target.type == MappingType.mapped {
        let isRead = bytes.withUnsafeMutableBytes {
          device.read(
            UnsafeMutableRawBufferPointer(
              rebasing: $0[Int(current - position)..<Int(stop - position)]),
            at: target.deviceOffset(of: current))
        }
        guard isRead else { throw .ioError }
      } else if target.type == MappingType.inline || target.type == MappingType.delalloc {
        throw .ioError
      }
      current = stop
    }
    return Array(bytes[..<Int(end - position)])
  }

  @discardableResult
  public func writeDirect(
    _ file: OpenFile, at position: UInt64, _ bytes: [UInt8],
    _ options: DirectOptions = DirectOptions()
  ) throws(Errno) -> Int {
    let inode = file.inode
    guard inode.usesIomap else { return try writePlainly(file, position, bytes) }
    try checkAlignment(position, bytes.count)
    guard !bytes.isEmpty else { return 0 }
    do throws(Errno) {
      return try writeDirectly(file, position, bytes, options)
    } catch {
      // 4.3.4: again, through the page cache and to the device.
      guard [ENOTBLK, ENOSYS].contains(error.rawValue) else { throw error }
      guard file.replyFlags & OpenReplyFlags.directIO == 0 else { throw .ioError }
      let written = try write(file, at: position, bytes)
      try fsync(file, dataOnly: true)
      return written
    }
  }

  /// What a direct write has been mapped to.
  private struct Submission {
    var pieces: [(bytes: [UInt8], address: UInt64)] = []
    var isUnwritten = false
    /// O_DSYNC is done with FUA alone: clean written blocks, and nothing grows.
    var isPureOverwrite = true
  }

  private func writeDirectly(
    _ file: OpenFile, _ position: UInt64, _ bytes: [UInt8], _ options: DirectOptions
  ) throws(Errno) -> Int {
    let inode = file.inode
    let end = position + UInt64(bytes.count)
    let isUnaligned = position % blockSize != 0 || end % blockSize != 0
    let isAsynchronous = options.isAsynchronous && !isUnaligned
    inode.ioLock.lockExclusive()
    var isLocked = true
    defer { if isLocked { inode.ioLock.unlockExclusive() } }
    try prepareWrite(file, at: position, count: UInt64(bytes.count))
    if isUnaligned { waitForDirectIO(inode) }
    beginDirect(inode)
    defer { endDirect(inode) }
    try writeBack(inode, from: position, to: end)
    try invalidatePages(inode, from: position, to: end)
    let submission = try submit(inode, position, bytes)
    if isAsynchronous {
      isLocked = false
      inode.ioLock.unlockExclusive()
    }
    try finish(submission, inode, position, bytes.count)
    // Readers may have brought the old bytes in meanwhile.
    try? invalidatePages(inode, from: position, to: end)
    if isLocked {
      isLocked = false
      inode.ioLock.unlockExclusive()
    }
    if options.isSynchronous || file.isSynchronous {
      board.add(submission.isPureOverwrite ? "fua" : "direct sync")
      if submission.isPureOverwrite {
        ledger.fuaEnded(submission.pieces.map { $0.address })
      } else {
        try fsync(file, dataOnly: true)
      }
    }
    return bytes.count
  }

  /// Maps all of it, and zeroes around the edges in blocks that hold nothing yet.
  private func submit(
    _ inode: KernelInode, _ position: UInt64, _ bytes: [UInt8]
  ) throws(Errno) -> Submission {
    let end = position + UInt64(bytes.count)
    var submission = Submission()
    var current = position
    while current < end {
      let mapping = try map(inode, [.write, .direct], at: current, count: end - current)
      let target = mapping.target
      guard target.hasBlocks else { throw .ioError }
      let stop = min(end, target.end)
      var piece = Array(bytes[Int(current - position)..<Int(stop - position)])
      var address = target.deviceOffset(of: current)
      if target.type == MappingType.unwritten {
        submission.isUnwritten = true
        let (head, tail) = (current % blockSize, (blockSize - stop % blockSize) % blockSize)
        if head > 0 { piece.insert(contentsOf: repeatElement(0, count: Int(head)), at: 0) }
        piece.append(contentsOf: repeatElement(0, count: Int(tail)))
        address -= head
      } else if stop == end, stop % blockSize != 0,
        stop >= inode.monitor.withLock({ inode.size })
      {
        // iomap zeroes the rest of the block behind the end of the file, too.
        let tail = blockSize - stop % blockSize
        piece.append(contentsOf: repeatElement(0, count: Int(tail)))
      }
      let isClean = target.flags & (MappingFlags.dirty | MappingFlags.shared) == 0
      if target.type != MappingType.mapped || !isClean { submission.isPureOverwrite = false }
      submission.pieces.append((piece, address))
      current = stop
    }
    if end > inode.monitor.withLock({ inode.size }) { submission.isPureOverwrite = false }
    return submission
  }

  private func finish(
    _ submission: Submission, _ inode: KernelInode, _ position: UInt64, _ count: Int
  ) throws(Errno) {
    var error: Errno?
    for piece in submission.pieces where !write(piece.bytes, at: piece.address) {
      error = .ioError
    }
    if chance.happens(configuration.completionDelayProbability) {
      usleep(UInt32(chance.number(0..<max(1, configuration.completionDelay * 1000))))
    }
    var flags = CompletionFlags.direct
    if submission.isUnwritten { flags |= CompletionFlags.unwritten }
    let result = ioend(
      inode, flags: flags, at: position, written: UInt64(count), error: error,
      address: Special.nullAddress, device: 0)
    if let result { throw result }
  }

  // MARK: In flight

  private func beginDirect(_ inode: KernelInode) {
    inode.monitor.withLock { inode.directRequests += 1 }
  }

  private func endDirect(_ inode: KernelInode) {
    inode.monitor.withLock {
      inode.directRequests -= 1
      inode.monitor.broadcast()
    }
  }

  /// inode_dio_wait.
  func waitForDirectIO(_ inode: KernelInode) {
    let isDone = inode.monitor.withLock {
      inode.monitor.wait(until: Deadline(milliseconds: configuration.deadline)) {
        inode.directRequests == 0
      }
    }
    if !isDone { rules.fail("direct I/O of node \(inode.node) does not end") }
  }

  // MARK: Untorn writes

  /// RWF_ATOMIC: one block, directly, in one piece.
  @discardableResult
  public func writeAtomic(_ file: OpenFile, at position: UInt64, _ bytes: [UInt8]) throws(Errno)
    -> Int
  {
    let inode = file.inode
    guard inode.usesIomap, inode.flags.contains(.atomic) else { throw .unsupported }
    guard UInt64(bytes.count) == blockSize, position % blockSize == 0 else {
      throw .invalidArgument
    }
    inode.ioLock.lockExclusive()
    defer { inode.ioLock.unlockExclusive() }
    try prepareWrite(file, at: position, count: blockSize)
    beginDirect(inode)
    defer { endDirect(inode) }
    try writeBack(inode, from: position, to: position + blockSize)
    try invalidatePages(inode, from: position, to: position + blockSize)
    let mapping = try map(inode, [.write, .direct, .atomic], at: position, count: blockSize)
    guard mapping.target.hasBlocks, mapping.target.end >= position + blockSize else {
      throw .ioError
    }
    var submission = Submission()
    submission.isUnwritten = mapping.target.type == MappingType.unwritten
    submission.pieces = [(bytes, mapping.target.deviceOffset(of: position))]
    try finish(submission, inode, position, bytes.count)
    return bytes.count
  }
}
