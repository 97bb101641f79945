import FuseServer

/// What a caller may do that the kernel leaves to the file system to decide.
struct Privilege {
  /// Every user who may use the mount can do in it what root could (`fakeroot`).
  let isForEverybody: Bool

  /// CAP_SYS_ADMIN.
  func administers(_ caller: Caller) -> Bool { has(21, caller) }

  /// CAP_SYS_RESOURCE.
  func takesResources(_ caller: Caller) -> Bool { has(24, caller) }

  /// The owner, or CAP_FOWNER.
  func owns(_ owner: UInt32, _ caller: Caller) -> Bool { caller.userID == owner || has(3, caller) }

  /// FUSE tells only ids. Root has the capabilities that /proc shows, or all of them if /proc shows none. The capabilities of other
  /// users may be those of another user namespace, and do not count.
  private func has(_ capability: UInt64, _ caller: Caller) -> Bool {
    if isForEverybody { return true }
    guard caller.userID == 0 else { return false }
    return caller.effectiveCapabilities.map { $0 >> capability & 1 != 0 } ?? true
  }
}
