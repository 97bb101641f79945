import FuseServer
import Glibc

/// The memory of the process that waits for the answer to a request.
enum CallerMemory {
  /// Nil where this process may not look (ptrace(2), "Ptrace access mode checking").
  static func read<T: BitwiseCopyable>(
    _ type: T.Type, at address: UInt64, of caller: Caller
  ) -> T? {
    guard caller.thread > 0, let offset = off_t(exactly: address) else { return nil }
    let memory = open("/proc/\(caller.thread)/mem", O_RDONLY | O_CLOEXEC)
    guard memory >= 0 else { return nil }
    defer { close(memory) }
    let size = MemoryLayout<T>.size
    return withUnsafeTemporaryAllocation(byteCount: size, alignment: MemoryLayout<T>.alignment) {
      bytes in
      guard pread(memory, bytes.baseAddress, size, offset) == size else { return nil }
      return bytes.load(as: T.self)
    }
  }
}
