import Glibc

/// Tells a user whose image belongs to someone else about the options made for that.
enum OwnershipHint {
  /// - Parameters:
  ///   - uid: who owns the file system's root directory.
  ///   - mode: its mode.
  /// - Returns: the sentence to show, or nil where it would not help.
  static func sentence(rootUID uid: UInt32, rootMode mode: UInt16, options: MountOptions)
    -> String?
  {
    let user = geteuid()
    let wanted: UInt16 = options.readOnly ? 0o5 : 0o7
    guard user != 0, uid != user, options.uid == nil, !options.fakeroot, mode & wanted != wanted
    else { return nil }
    return "the root directory of this file system belongs to user \(uid), and you are user "
      + "\(user), so that you may do there only what its mode "
      + "\(String(mode & 0o7777, radix: 8)) allows; with -o fakeroot you act as root in it, "
      + "with -o uid=\(user),gid=\(getegid()) everything in it appears as yours"
  }
}
