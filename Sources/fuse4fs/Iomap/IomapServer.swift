import Ext4
import FuseServer
import Glibc
import IomapCache
import Logging
import SystemPackage

/// Answers a kernel that moves the data of files by itself: says where the data lies, and records what the kernel has written.
///
/// No file data passes here. What the kernel is told is told under the file's mapping lock (fuse-iomap ABI 5.11), by the
/// `MappingPublisher`.
final class IomapServer: IomapOperations, @unchecked Sendable {
  private let volume: Volume
  private let device: any IomapDevice
  private let usesCache: Bool
  private let errorPolicy: RequestErrorPolicy
  let statistics = IomapStatistics()
  private let log = Logger(label: "fuse4fs.iomap")

  /// Nil until the kernel moves data; set before there is a second thread.
  private(set) var publisher: MappingPublisher?
  private var reclaimer: IomapReclaimer?

  init(volume: Volume, device: any IomapDevice, usesCache: Bool, errorPolicy: RequestErrorPolicy) {
    self.volume = volume
    self.device = device
    self.usesCache = usesCache
    self.errorPolicy = errorPolicy
  }

  /// Writes of one block can be atomic.
  var hasAtomicWrites: Bool { device.hasAtomicWrites }

  // MARK: Beginning and end

  func activate(_ kernel: IomapConnection) throws(IomapRefusal) {
    let cookie: DeviceCookie
    do throws(Ext4Error) {
      // What has been freed so far is on disk, and forgotten below with all else that the page cache of the device holds: the
      // kernel takes no notifications yet.
      try volume.synchronize()
    } catch {
      throw IomapRefusal("the device cannot be flushed: \(error.errno)")
    }
    do throws(Errno) {
      try device.prepare(blockSize: volume.blockSize)
      cookie = try kernel.channel.register(device: device.registeredDescriptor)
    } catch {
      throw IomapRefusal("the kernel does not take the device: \(error)")
    }
    volume.letKernelMoveData()
    let notifier = kernel.notifier
    volume.holdFreedBlocks { [log, weak volume] offset, length in
      guard volume?.isBroken(at: .keepsDeviceCopies) != true else { return }
      do throws(Errno) {
        try notifier.invalidateDevice(cookie, at: DeviceOffset(offset), length: length)
      } catch {
        // The mount has ended, so that nothing is cached any more, or a test has injected the error.
        log.debug("the kernel keeps \(length) bytes of the device at \(offset): \(error)")
      }
    }
    let publisher = MappingPublisher(
      kernel, device: cookie, statistics: statistics, pushesAhead: usesCache)
    self.publisher = publisher
    reclaimer = IomapReclaimer(volume: volume, publisher: publisher, errorPolicy: errorPolicy)
  }

  /// What is done in the background may begin: the daemon may have more than one thread.
  func startReclaimer() { reclaimer?.start() }

  func configuration(answering request: IomapWire.ConfigRequest) -> IomapWire.ConfigReply {
    let isFine = volume.timeGranularity == 1
    return IomapWire.ConfigReply(
      uuid: IomapWire.VolumeUUID(volume.uuid),
      blockSize: UInt32(volume.blockSize),
      timeGranularity: volume.timeGranularity,
      timeRange: Int64(Int32.min)...(isFine ? 0x3_7FFF_FFFF : Int64(Int32.max)),
      maximumBytes: Int64(volume.maximumMappedBytes),
      cacheMaximumBytes: MappingPublisher.largestCache
    ).restricted(to: request.flags)
  }

  /// The mount has ended: nothing is told to the kernel from now on, and nothing is done in the background.
  func stop() {
    publisher?.stop()
    reclaimer?.stop()
    statistics.report(publisher?.notifier.counters)
  }

  // MARK: Requests

  func begin(
    _ node: NodeID, _ request: IomapWire.BeginRequest
  ) throws(Errno) -> MappingPair {
    statistics.note(request.operation)
    let inode = try inode(node, request.attributeInode)
    guard let publisher else { throw .ioError }
    let operation = request.operation
    let position = FileOffset(request.position)
    if operation.contains(.atomic) {
      // Untorn writes are direct ones of a whole block, on devices that have them (fuse-iomap ABI 4.3.1).
      guard device.hasAtomicWrites, operation.contains(.direct) else { throw .notSupported }
    }
    if operation.contains(.swapFile) { try prepareSwapFile(inode) }
    if volume.isBroken(at: .publishesWithoutLock) {
      return try errorPolicy.attempt { () throws(Ext4Error) in
        let window = try inode.withMapping(
          at: position, count: request.count, for: Self.purpose(of: operation)
        ) { window throws(Ext4Error) in window }
        Session.willWait()
        usleep(300)
        return try publisher.answer(request, with: window, of: inode, blockSize: volume.blockSize)
      }
    }
    return try errorPolicy.attempt { () throws(Ext4Error) in
      try inode.withMapping(
        at: position, count: request.count, for: Self.purpose(of: operation)
      ) { window throws(Ext4Error) in
        try publisher.answer(request, with: window, of: inode, blockSize: volume.blockSize)
      }
    }
  }

  private static func purpose(of operation: IomapWire.Operation) -> MappingPurpose {
    let writes = !operation.isDisjoint(with: [.write, .unshare, .writeback])
    // A write that must not wait for blocks gets none; what it finds is checked where the answer is made.
    return writes && !operation.contains(.overwriteOnly) ? .write : .inspect
  }

  /// The kernel takes no block of a swap file whose metadata is not on disk.
  private func prepareSwapFile(_ inode: Inode) throws(Errno) {
    try errorPolicy.attempt { () throws(Ext4Error) in
      if inode.hasVolatileChanges { try volume.synchronize() }
    }
  }

  func end(_ node: NodeID, _ request: IomapWire.EndRequest) throws(Errno) {
    let inode = try inode(node, request.attributeInode)
    guard request.operation.contains(.write), !request.operation.contains(.direct),
      request.mapping.flags.contains(.sizeChanged), request.written > 0
    else { return }
    try complete(
      inode,
      CompletedWrite(
        position: FileOffset(request.position), count: UInt64(request.written),
        convertsUnwritten: false, extends: true))
  }

  func complete(_ node: NodeID, _ request: IomapWire.IOEndRequest) throws(Errno) -> UInt64 {
    statistics.noteCompletion()
    let inode = try inode(node, request.attributeInode)
    if request.flags.contains(.swapOff) { return inode.sizeOnDisk }
    guard request.error == 0 else {
      // Swift's negation of the smallest number would trap.
      let error = Errno(rawValue: CInt(clamping: -Int64(request.error)))
      inode.noteWriteError(error)
      throw error
    }
    return try complete(
      inode,
      CompletedWrite(
        position: FileOffset(request.position), count: request.written,
        convertsUnwritten: request.flags.contains(.unwritten),
        extends: request.flags.contains(.append)))
  }

  @discardableResult
  private func complete(_ inode: Inode, _ write: CompletedWrite) throws(Errno) -> UInt64 {
    do throws(Errno) {
      let size = try errorPolicy.attempt { () throws(Ext4Error) in try inode.complete(write) }
      inode.published.withLock { $0.noteChange() }
      return size
    } catch {
      // The kernel reports an error that this returns to no process, if it comes from its writeback (fuse-iomap ABI 4.5.2).
      inode.noteWriteError(error)
      throw error
    }
  }

  func freeze(unlinked: UInt64) throws(Errno) {
    try errorPolicy.attempt { () throws(Ext4Error) in
      try volume.freeze(unlinkedFilesInUse: unlinked)
    }
  }

  func thaw() throws(Errno) {
    try errorPolicy.attempt { () throws(Ext4Error) in try volume.thaw() }
  }

  func shutDown() {
    log.critical("the kernel says that the device has died: nothing is written any more")
    volume.shutDown()
    withdraw()
  }

  /// The file system has become read-only.
  func withdraw() { reclaimer?.withdraw() }

  /// The inode that the kernel asks about by both of its names, which must be one whose data the kernel moves.
  private func inode(_ node: NodeID, _ attributeInode: UInt64) throws(Errno) -> Inode {
    let number = InodeNumber(node: node)
    guard UInt64(number.rawValue) == attributeInode, node.rawValue <= UInt64(UInt32.max),
      let inode = volume.knownNode(number)
    else { throw .staleNFSFileHandle }
    guard inode.usesIomap else { throw .invalidArgument }
    return inode
  }

  // MARK: What other requests mean for mappings

  /// Attributes of the inode are on their way to the kernel. While a file is open it may be longer in the kernel's memory than
  /// on disk. Such a kernel takes the length in its memory for the one on disk when it learns attributes, and then does not
  /// say when the file on disk has grown (fuse_change_attributes_i, v7). It does not take over attributes that it has
  /// been told to forget after it asked for them.
  func noteAttributes(of inode: Inode) {
    guard inode.isOpen, inode.usesIomap else { return }
    publisher?.forgetAttributes(inode)
  }

  func noteAttributes(of number: InodeNumber) {
    if let inode = volume.knownNode(number) { noteAttributes(of: inode) }
  }

  /// The file is opened: the kernel gets the mappings that it will ask for.
  func noteOpen(_ inode: Inode) {
    guard inode.usesIomap else { return }
    inode.noteOpen()
    publish(inode)
  }

  /// The file was written back: the mappings that the kernel has dropped with that are pushed again.
  func noteSynchronization(_ inode: Inode) {
    guard inode.usesIomap, publisher?.mayHaveLost(inode) == true else { return publish(inode) }
    push(inode)
  }

  private func publish(_ inode: Inode) {
    guard inode.usesIomap, publisher?.wants(inode) == true else { return }
    push(inode)
  }

  private func push(_ inode: Inode) {
    guard let publisher, inode.sizeOnDisk > 0 else { return }
    // No request waits for this. If it fails, the kernel asks, and gets its answer then.
    _ = try? inode.withMapping(at: FileOffset(0), count: 1, for: .inspect) {
      (window) throws(Ext4Error) in
      try publisher.pushUnasked(window, of: inode)
    }
  }

  func noteRelease(_ inode: Inode) {
    guard inode.usesIomap else { return }
    if inode.noteClose() { reclaimer?.trim(inode) }
  }
}
