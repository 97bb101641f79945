import IomapCache

/// What INIT has settled, as far as the layout of later messages follows from it.
public struct NegotiatedProtocol: Hashable, Sendable {
  /// The latest minor whose structures are all here.
  public static var latestMinor: UInt32 { 45 }

  /// The smaller of the minors that kernel and server have named; the major is 7.
  public var minor: UInt32
  /// The flags of the reply to INIT.
  public var flags: InitFlags
  /// How a kernel with iomap speaks; nil where that is not settled, and IOEND is taken as its size has it.
  public var iomapRevision: IomapRevision?

  public init(minor: UInt32, flags: InitFlags = [], iomapRevision: IomapRevision? = nil) {
    self.minor = minor
    self.flags = flags
    self.iomapRevision = iomapRevision
  }

  /// From the kernel's INIT and the reply to it. The flags are those that both have.
  public init(_ request: Request.Initialize, _ reply: Reply.Initialize) {
    self.init(
      minor: min(request.minor, reply.minor), flags: request.flags.intersection(reply.flags))
  }

  /// Whether SETXATTR has the longer structure (FUSE_SETXATTR_EXT).
  var extendsSetxattr: Bool { flags.contains(.setxattrExtension) }

  /// Whether all that follows the names of a request that makes a file are security contexts: in 7.36 and 7.37, when the header did not yet say how
  /// long extensions are.
  var hasUnmeasuredExtensions: Bool {
    (36...37).contains(minor) && flags.contains(.securityContext)
  }
}
