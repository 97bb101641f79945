import FuseTransport

/// Whose a thread is, for requests that do not say: where mounts may have mapped ids, most of them (FUSE_INVALID_UIDGID).
enum CallerIdentity {
  private static let unknown = UInt32.max

  /// The ids of the request, or else those by which the thread accesses files; `UInt32.max` where /proc tells nothing.
  static func of(_ thread: Int32, userID: UInt32, groupID: UInt32) -> (UInt32, UInt32) {
    guard userID == unknown, let status = ThreadStatus(of: thread) else {
      return (userID, groupID)
    }
    // Real, effective, saved and file system's: the last counts.
    func id(_ field: String) -> UInt32 {
      status.values(of: field).last.flatMap { UInt32($0) } ?? unknown
    }
    return (id("Uid"), id("Gid"))
  }
}
