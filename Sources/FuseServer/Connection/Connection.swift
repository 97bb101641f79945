import FuseProtocol
import IomapCache
import Synchronization

/// What kernel and server have agreed on.
///
/// INIT and CONFIG settle it. They are served by the first thread, before there is another one.
final class Connection: @unchecked Sendable {
  let options: Session.Options
  let iomap: IomapMode
  let ring = RingMode()
  /// How messages are laid out.
  private(set) var negotiated = NegotiatedProtocol(minor: NegotiatedProtocol.latestMinor)
  /// Whether the kernel takes ENOSYS to OPEN for "never ask me again", and the same for OPENDIR.
  private(set) var declinesOpen = false
  private(set) var declinesOpendir = false
  private(set) var hasBegun = false
  private let settled = Atomic<Bool>(false)

  init(_ options: Session.Options, iomap: IomapMode) {
    self.options = options
    self.iomap = iomap
  }

  /// The kernel and we have agreed that it is to move data; whether it does is seen when the devices are registered.
  var usesIomap: Bool { iomap.isAgreed }

  /// How the kernel that moves data speaks; nil where it does not.
  @inline(__always)
  var iomapRevision: IomapRevision? { iomap.revision }

  /// Whether the kernel has been told all that it asks first.
  var isSettled: Bool { settled.load(ordering: .acquiring) }

  func noteSettled() { settled.store(true, ordering: .releasing) }

  /// The answer to INIT. EPROTO for a kernel that speaks an older major.
  func answer(_ request: Request.Initialize) -> Reply.Initialize {
    iomap.noteOffer(request.flags.hasIomap(minor: request.minor))
    let usesRing = ring.answer(
      isOffered: request.flags.contains(.overIOUring), usesIomap: usesIomap)
    let reply = Negotiation.reply(
      to: request, options: options, usesIomap: usesIomap, usesRing: usesRing)
    negotiated = NegotiatedProtocol(request, reply)
    declinesOpen =
      !usesIomap && !options.checksOpening && request.flags.contains(.noOpenSupport)
    declinesOpendir = request.flags.contains(.noOpendirSupport)
    hasBegun = true
    return reply
  }

  /// CONFIG has told how the kernel speaks.
  func noteRevision() { negotiated.iomapRevision = iomap.revision }
}
