import Foundation

/// A user without privileges, made on first use, whom tests really become.
public struct TestUser: Sendable, Equatable {
  public let name: String
  public let uid: UInt32
  public let gid: UInt32
  public let home: String

  /// The user who mounts.
  public static let mounter = Swift.Result { try TestUser(named: "fuse4fs-test") }
  /// Somebody else.
  public static let other = Swift.Result { try TestUser(named: "fuse4fs-other") }

  private init(named name: String) throws {
    if getpwnam(name) == nil {
      try Command(["useradd", "--create-home", "--shell", "/bin/sh", name]).succeed()
    }
    guard let entry = getpwnam(name) else { throw Failure("no user \(name), though made") }
    self.name = name
    uid = entry.pointee.pw_uid
    gid = entry.pointee.pw_gid
    home = String(cString: entry.pointee.pw_dir)
    // Anybody may use FUSE where udev sets this up; a bare machine has it for root only.
    if chmod("/dev/fuse", 0o666) != 0 { throw Failure("chmod 0666 /dev/fuse failed") }
  }
}
