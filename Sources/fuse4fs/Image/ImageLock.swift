import Glibc
import SystemPackage

/// The lock that keeps two writers, or a writer and readers, off one image: flock(2) on the file
/// description that the mount uses, exclusive for writers, shared for readers. It ends with the
/// daemon, after everything is on disk, so that others can wait for that.
enum ImageLock {
  /// - Throws: a mount failure that names the holder of the lock that is in the way.
  static func take(on image: borrowing OpenImage, path: String, writable: Bool)
    throws(StartupFailure)
  {
    // A daemon whose mount was just unmounted still writes, and udev holds a shared lock on a block device for a
    // moment while it looks at it.
    let attempts = 40
    for attempt in 1...attempts {
      if flock(image.descriptor, (writable ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 { return }
      let error = Errno.last
      guard error == .wouldBlock else { throw .mount("cannot lock '\(path)': \(error)") }
      if attempt < attempts { usleep(50_000) }
    }
    throw failure(path: path, holder: Holder.find(of: image.identity))
  }

  /// The message for a file that could not be opened because another program has it; nil if that program holds no lock that
  /// /proc/locks shows.
  static func conflict(path: String, status: stat) -> StartupFailure? {
    Holder.find(of: FileIdentity(status)).map { failure(path: path, holder: $0) }
  }

  private static func failure(path: String, holder: Holder?) -> StartupFailure {
    let who = holder.flatMap(\.process).map { " (process \($0))" } ?? ""
    guard let holder, holder.program == "fuse4fs" else {
      let program = holder?.program ?? "another fuse4fs or another program that locks it"
      return .mount("'\(path)' is in use by \(program)\(who); try again when that has ended")
    }
    if holder.isExclusive {
      return .mount(
        "'\(path)' is already mounted for writing by another fuse4fs\(who); unmount that first")
    }
    return .mount(
      "'\(path)' is already mounted read-only by another fuse4fs\(who); unmount that first, "
        + "or mount this one read-only, too, with -o ro")
  }

  /// The program that has a lock on a file, as far as /proc/locks (proc(5)) shows it.
  private struct Holder {
    let isExclusive: Bool
    let process: Int32?
    let program: String?

    static func find(of file: FileIdentity) -> Holder? {
      let lines = SystemFile.contents("/proc/locks")?.split(separator: "\n") ?? []
      return lines.lazy.compactMap { Holder(line: $0, file: file) }.first
    }

    /// `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`: the mode, the process, and the file by
    /// its device, in hexadecimal, and inode.
    private init?(line: Substring, file: FileIdentity) {
      let fields = line.split(separator: " ")
      guard fields.count >= 6, fields[1] == "FLOCK" else { return nil }
      let place = fields[5].split(separator: ":")
      guard place.count == 3, let major = UInt32(place[0], radix: 16),
        let minor = UInt32(place[1], radix: 16), let inode = UInt64(place[2]),
        file.device == "\(major):\(minor)", file.inode == inode
      else { return nil }
      isExclusive = fields[3] == "WRITE"
      process = Int32(fields[4]).flatMap { $0 > 0 ? $0 : nil }
      program = process.flatMap { SystemFile.line("/proc/\($0)/comm") }
    }
  }
}
