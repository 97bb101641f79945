import Foundation

/// A user without privileges; tests switch to it.
///
/// Tests make no users, since they must not change those of the machine. scripts/test-namespace provides these; they may use FUSE and
/// `allow_other`.
public struct TestUser: Sendable, Equatable {
  public let name: String
  public let uid: UInt32
  public let gid: UInt32
  public let home: String

  /// The user who mounts.
  public static let mounter = Swift.Result { try TestUser(named: "fuse4fs-test") }
  /// Another user.
  public static let other = Swift.Result { try TestUser(named: "fuse4fs-other") }

  private init(named name: String) throws {
    guard let entry = getpwnam(name) else {
      throw Failure("there is no user \(name): scripts/test runs the tests where there is")
    }
    self.name = name
    uid = entry.pointee.pw_uid
    gid = entry.pointee.pw_gid
    home = String(cString: entry.pointee.pw_dir)
  }
}
