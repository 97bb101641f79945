import FuseProtocol
import FuseTransport

/// Who makes a request. Meaningless in writes that the kernel makes from its cache.
public struct Caller {
  public let userID: UInt32
  public let groupID: UInt32
  public let umask: UInt16
  /// The thread, as this process sees it; 0 where it does not.
  public let thread: Int32

  /// `umask`: as far as the request tells it.
  init(of header: RequestHeader, umask: UInt32 = 0) {
    (userID, groupID) = CallerIdentity.of(
      header.thread, userID: header.userID, groupID: header.groupID)
    self.umask = UInt16(truncatingIfNeeded: umask)
    thread = header.thread
  }

  /// The capabilities that the caller uses, a bit for each (capabilities(7)); nil where /proc tells nothing.
  public var effectiveCapabilities: UInt64? {
    ThreadStatus(of: thread)?.values(of: "CapEff").first.flatMap { UInt64($0, radix: 16) }
  }

  /// Whether the caller is in the group, by its supplementary groups as well. Reads /proc; false where that tells nothing.
  public func isMember(of group: UInt32) -> Bool {
    group == groupID || ThreadStatus(of: thread)?.isMember(of: group) == true
  }
}
