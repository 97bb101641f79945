import Ext4
import FuseServer
import SystemPackage

/// How the shutdown ioctl ends writing (EXT4_GOING_FLAGS_*).
enum ShutdownMode: UInt32 {
  /// Everything is written, and the file system left clean.
  case afterEverything = 0
  /// The running transaction is committed.
  case afterCommit = 1
  /// As if the power failed.
  case atOnce = 2
}

extension Ext4Operations {
  func shutDown(_ request: ControlRequest) throws(Errno) {
    guard privilege.administers(request.caller) else { throw .notPermitted }
    guard let mode = ShutdownMode(request) else { throw .invalidArgument }
    guard !shutdownHasBegun.exchange(true, ordering: .acquiringAndReleasing) else { return }
    // Other workers receive what the kernel has cached.
    if mode == .afterEverything, !isSingleThreaded { KernelCache.writeBack(mountpoint) }
    let failure = errorPolicy.failure(in: { () throws(Ext4Error) in
      switch mode {
      case .afterEverything: try volume.freeze(unlinkedFilesInUse: 0)
      case .afterCommit: try volume.commit()
      case .atOnce: break
      }
    })
    volume.shutDown()
    iomap?.withdraw()
    log.critical("shut down on request: nothing is written any more")
    if !isSingleThreaded { haveWritersAsk() }
    if let failure { throw failure }
  }

  /// The kernel goes on taking data into its cache for as long as it does not ask. It asks before a write when it does not know the
  /// attributes, and gets an error.
  private func haveWritersAsk() {
    for inode in volume.knownNodes where inode.isRegularFile && !inode.hasNoName {
      Session.invalidateAttributes(of: inode.number.nodeID)
    }
  }
}

extension ShutdownMode {
  /// The command's number says that the mode comes out of the file system, so that the kernel does not pass it in; it is read where
  /// the caller has it. Where that is not allowed, everything is written: no mode promises that something is lost. Nil for a mode that
  /// there is not.
  fileprivate init?(_ request: ControlRequest) {
    guard let value = CallerMemory.read(UInt32.self, at: request.argument, of: request.caller)
    else {
      self = .afterEverything
      return
    }
    self.init(rawValue: value)
  }
}
