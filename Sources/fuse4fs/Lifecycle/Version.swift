import CExt2FS
import CFuse3

enum Version {
  static let number = "0.1.0"

  /// Ours, and those of the two libraries that do the work.
  static var report: String {
    var name: UnsafePointer<CChar>?
    var date: UnsafePointer<CChar>?
    ext2fs_get_library_version(&name, &date)
    let ext2fs = name.map { String(cString: $0) } ?? "unknown"
    return """
      fuse4fs \(number)
      libfuse \(String(cString: fuse_pkgversion()))
      libext2fs \(ext2fs)
      """
  }
}
