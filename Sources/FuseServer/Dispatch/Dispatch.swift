import FuseProtocol
import FuseTransport
import Glibc
import SystemPackage

/// Decodes each request, has the file system carry it out, and encodes what comes of it.
final class Dispatch: RequestServer {
  let operations: any FileSystemOperations
  let connection: Connection
  let channel: any KernelChannel
  let interruptions: Interruptions
  let handles = OpenHandles()
  let readdirplusPolicy = ReaddirplusPolicy()
  let listingFreshness = ListingFreshness()
  let deferred: DeferredRequests
  let synchronizations: SynchronizationQueue
  let directWrites: DirectWrites

  init(
    _ operations: any FileSystemOperations, _ connection: Connection,
    _ channel: any KernelChannel, _ statistics: RequestStatistics
  ) {
    self.operations = operations
    self.connection = connection
    self.channel = channel
    interruptions = Interruptions()
    deferred = DeferredRequests(operations, channel, interruptions, statistics)
    synchronizations = SynchronizationQueue(operations, statistics)
    directWrites = DirectWrites(operations, channel)
  }

  func serve(_ exchange: Exchange) {
    do throws(DecodingError) {
      let message = try RequestMessage(exchange.message, connection.negotiated)
      serve(message.request, exchange)
    } catch {
      refuse(exchange, error)
    }
  }

  /// A request that is unknown, or no request.
  private func refuse(_ exchange: Exchange, _ error: DecodingError) {
    refuse(exchange, error.flaw == .unknownOpcode ? .noFunction : .invalidArgument)
  }

  private func refuse(_ exchange: Exchange, _ error: Errno) {
    if exchange.header.opcode?.hasReply == false {
      exchange.dropReply()
    } else {
      exchange.send(error)
    }
  }

  /// Hands a request to the part that answers it.
  private func serve(_ request: Request, _ exchange: Exchange) {
    switch request {
    case .initialize(let request): initialize(request, exchange)
    case _ where !connection.hasBegun: refuse(exchange, .ioError)
    case .lookup(let request): lookup(request, exchange)
    case .forget(let request): forget(request, exchange)
    case .batchForget(let request): forget(request, exchange)
    case .mknod(let request): makeNode(request, exchange)
    case .mkdir(let request): makeDirectory(request, exchange)
    case .symlink(let request): makeSymbolicLink(request, exchange)
    case .readlink: readLink(exchange)
    case .link(let request): link(request, exchange)
    case .unlink(let request): unlink(request, exchange)
    case .rmdir(let request): removeDirectory(request, exchange)
    case .rename(let request), .rename2(let request): rename(request, exchange)
    case .getattr(let request): attributes(request, exchange)
    case .statx: statx(exchange)
    case .setattr(let request): setAttributes(request, exchange)
    case .getxattr(let request): extendedAttribute(request, exchange)
    case .listxattr(let request): extendedAttributeNames(request, exchange)
    case .setxattr(let request): setExtendedAttribute(request, exchange)
    case .removexattr(let request): removeExtendedAttribute(request, exchange)
    case .ioctl(let request): control(request, exchange)
    case .statfs: statistics(exchange)
    case .opendir: openDirectory(exchange)
    case .releasedir: releaseDirectory(exchange)
    case .readdir(let request): readDirectory(request, exchange, isPlus: false)
    case .readdirplus(let request): readDirectory(request, exchange, isPlus: true)
    case .interrupt(let request): interrupt(request, exchange)
    case .destroy: destroy(exchange)
    case .freeze, .unfreeze, .shutdown, .iomapConfig, .iomapBegin, .iomapEnd, .iomapIOEnd:
      serveIomap(request, exchange)
    // The kernel locks by itself; the others are not asked of servers like this one, or optional.
    case .access, .getlk, .setlk, .setlkw, .poll, .setupmapping, .removemapping:
      exchange.send(.noFunction)
    case .notifyReply: exchange.dropReply()
    default: serveData(request, exchange)
    }
  }

  // MARK: The connection

  private func interrupt(_ request: Request.Interrupt, _ exchange: Exchange) {
    if !deferred.interrupt(request.unique) { interruptions.interrupt(request.unique) }
    exchange.dropReply()
  }

  private func initialize(_ request: Request.Initialize, _ exchange: Exchange) {
    // A kernel with a higher major comes down to ours (fuse_init_in in include/uapi/linux/fuse.h).
    guard request.major >= Self.major else {
      exchange.send(Errno(rawValue: EPROTO))
      return
    }
    let reply = connection.answer(request)
    withUnsafeTemporaryAllocation(
      byteCount: Reply.Initialize.size(at: request.minor), alignment: 8
    ) { bytes in
      reply.encode(into: bytes, at: request.minor)
      _ = exchange.send(UnsafeRawBufferPointer(bytes))
    }
    if request.major == Self.major, !connection.usesIomap { connection.noteSettled() }
  }

  /// FUSE_KERNEL_VERSION.
  private static let major: UInt32 = 7

  /// Seconds that the end of a mount waits for files to be closed.
  private static let releasePatience = 30

  /// The kernel says that the mount has ended.
  private func destroy(_ exchange: Exchange) {
    if connection.options.workerCount > 1, !handles.waitForNone(seconds: Self.releasePatience) {
      Session.log.error("the kernel has ended the mount without closing all files")
    }
    operations.destroy()
    exchange.send(nil)
  }

  // MARK: Replies

  /// Answers with what `body` returns, or with the errno that it throws.
  @inline(__always)
  func answer(
    _ exchange: Exchange, _ body: () throws(Errno) -> some ReplyArguments
  ) {
    do throws(Errno) {
      exchange.send(try body())
    } catch {
      exchange.send(error)
    }
  }

  /// Answers that it is done, or with the errno that `body` throws.
  @inline(__always)
  func acknowledge(_ exchange: Exchange, _ body: () throws(Errno) -> Void) {
    do throws(Errno) {
      try body()
      exchange.send(nil)
    } catch {
      exchange.send(error)
    }
  }
}
