import CFuse3
import Glibc

/// What the kernel has cached of a mount.
enum KernelCache {
  /// Returns when dirty pages have been written to the daemon, by the threads that serve requests meanwhile.
  static func writeBack(_ mountpoint: String) {
    let directory = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { return }
    _ = cfuse_syncfs(directory)
    close(directory)
  }
}
