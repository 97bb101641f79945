import Glibc
import SystemPackage

/// The socket at which a daemon answers what its user wants to know. It has the name of the mount's device, which is found from the mount point without a word to the
/// daemon, and is made before the daemon confines itself.
struct ControlSocket: Sendable {
  let descriptor: CInt
  /// Of the socket's file.
  let number: UInt64

  /// Clients that may wait for the one that is being served.
  private static let backlog: CInt = 8

  /// - Parameter device: `major:minor`, as in the mount table.
  static func name(forDevice device: String) -> String { device + suffix }

  private static let suffix = ".socket"

  /// Makes the socket of a mount, and listens. A file of that name is of a daemon that is gone, since the kernel has given the number of
  /// the device to this mount.
  init(for mount: MountTable.Entry) throws(Errno) {
    guard let directory = ControlDirectory.own() else { throw .noSuchFileOrDirectory }
    Self.removeAbandoned(in: directory)
    let kind =
      CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
      | CInt(SOCK_NONBLOCK.rawValue)
    let descriptor = socket(AF_UNIX, kind, 0)
    guard descriptor >= 0 else { throw .last }
    do throws(Errno) {
      number = try Self.listen(descriptor, in: directory, Self.name(forDevice: mount.device))
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
  }

  /// Has the socket listen before it can be found. Returns the number of its file.
  private static func listen(
    _ descriptor: CInt, in directory: borrowing ControlDirectory, _ name: String
  ) throws(Errno) -> UInt64 {
    let unfinished = ".\(name).\(getpid())"
    directory.remove(unfinished)
    let path = directory.path(to: unfinished)
    guard let address = SocketAddress(path) else { throw .fileNameTooLong }
    guard address.with({ bind(descriptor, $0, $1) }) == 0 else { throw .last }
    guard chmod(path, 0o600) == 0, Glibc.listen(descriptor, backlog) == 0,
      let number = directory.number(ofSocket: unfinished),
      rename(path, directory.path(to: name)) == 0
    else {
      let error = Errno.last
      directory.remove(unfinished)
      throw error
    }
    return number
  }

  /// Removes the files of this user's daemons that are gone.
  static func removeAbandoned() {
    for path in ControlDirectory.candidates(for: geteuid()) {
      if let directory = ControlDirectory(path, of: geteuid()) { removeAbandoned(in: directory) }
    }
  }

  /// A socket has its name only once it listens, so that one that refuses connections is abandoned.
  private static func removeAbandoned(in directory: borrowing ControlDirectory) {
    for name in directory.names where name.hasSuffix(suffix) {
      guard let number = directory.number(ofSocket: name) else { continue }
      do throws(Errno) {
        _ = try ControlConnection(to: directory.path(to: name))
      } catch {
        guard error == .connectionRefused, directory.number(ofSocket: name) == number else {
          continue
        }
        directory.remove(name)
      }
    }
  }

  /// Removes the file of a mount's socket, if it is the one with this number or none is given.
  static func remove(forDevice device: String, number: UInt64? = nil) {
    let name = name(forDevice: device)
    for path in ControlDirectory.candidates(for: geteuid()) {
      guard let directory = ControlDirectory(path, of: geteuid()),
        let found = directory.number(ofSocket: name), number == nil || found == number
      else { continue }
      directory.remove(name)
    }
  }
}
