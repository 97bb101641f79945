import Glibc

/// How large files may become that the daemon writes (RLIMIT_FSIZE, `ulimit -f`): the image is one of them.
enum FileSizeLimit {
  /// What is beyond the limit cannot be written from here on (EFBIG), where SIGXFSZ would end the process.
  static func becomeError() { signal(SIGXFSZ, SIG_IGN) }

  /// Bytes; nil for no limit.
  static var bytes: UInt64? {
    var limit = rlimit()
    // Of an enumeration in C, which is imported as another type than the function takes.
    guard getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0,
      limit.rlim_cur != ~0
    else { return nil }
    return UInt64(limit.rlim_cur)
  }

  /// Why a write failed, as the end of a sentence.
  static var reason: String {
    "the daemon may write files of \(bytes ?? 0) bytes at most (ulimit -f), and the file system is larger"
  }
}
