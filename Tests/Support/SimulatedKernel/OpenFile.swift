extension SimulatedKernel {
  /// A file that a program has open.
  public final class OpenFile: @unchecked Sendable {
    public let node: UInt64
    let inode: KernelInode
    /// The server's.
    let handle: UInt64
    let replyFlags: UInt32
    /// O_SYNC or O_DSYNC.
    public let isSynchronous: Bool
    private let monitor = Monitor()
    private var seenErrors: Int
    private var isClosed = false

    init(inode: KernelInode, handle: UInt64, replyFlags: UInt32, isSynchronous: Bool) {
      node = inode.node
      self.inode = inode
      self.handle = handle
      self.replyFlags = replyFlags
      self.isSynchronous = isSynchronous
      seenErrors = inode.monitor.withLock { inode.errorSequence }
    }

    /// Whether there were writeback errors since the last question (file_check_and_advance_wb_err).
    func takeErrors(_ sequence: Int) -> Bool {
      monitor.withLock {
        defer { seenErrors = sequence }
        return sequence != seenErrors
      }
    }

    /// False if it has been closed before.
    func close() -> Bool {
      monitor.withLock {
        defer { isClosed = true }
        return !isClosed
      }
    }

    /// In core.
    public var size: UInt64 { inode.monitor.withLock { inode.size } }
    /// Whether the kernel does its I/O.
    public var usesIomap: Bool { inode.usesIomap }
    /// attr.ino.
    public var number: UInt64 { inode.number }
  }
}
