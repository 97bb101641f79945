import Glibc

/// The memory in which threads receive requests and make answers to reads.
///
/// Large answers are made in huge pages, where the system has them: the kernel looks every page up by itself, and a megabyte is copied
/// faster that way. But to clear a huge page takes longer than to serve many a request, so it is not touched for less.
public final class TransferMemory: @unchecked Sendable {
  /// What one thread has.
  struct Buffers {
    let input: UnsafeMutableRawBufferPointer
    /// For answers of up to its size, and for larger ones.
    let smallOutput: UnsafeMutableRawBufferPointer
    let output: UnsafeMutableRawBufferPointer
  }

  /// The largest write or read that is asked for, in bytes; the kernel's limit is 256 pages unless raised.
  public static let maximumTransfer = 1 << 20
  /// A write with its header (`FUSE_BUFFER_HEADER_SIZE` in libfuse: a page).
  private static let inputSize = maximumTransfer + 4096
  private static let smallOutputSize = 64 << 10
  private static let hugePage = 2 << 20

  private let ordinary: UnsafeMutableRawBufferPointer
  private let huge: UnsafeMutableRawBufferPointer

  /// Nil when the system gives no more memory.
  public init?(threadCount: Int) {
    let ordinary = Self.allocate(
      threadCount * (Self.inputSize + Self.smallOutputSize), alignment: 4096)
    let huge = Self.allocate(threadCount * Self.maximumTransfer, alignment: Self.hugePage)
    guard let ordinary, let huge else {
      free(ordinary?.baseAddress)
      free(huge?.baseAddress)
      return nil
    }
    self.ordinary = ordinary
    self.huge = huge
    // Only advice: without, it is a little slower.
    _ = madvise(huge.baseAddress, huge.count, MADV_HUGEPAGE)
  }

  deinit {
    free(ordinary.baseAddress)
    free(huge.baseAddress)
  }

  private static func allocate(
    _ byteCount: Int, alignment: Int
  ) -> UnsafeMutableRawBufferPointer? {
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, alignment, byteCount) == 0 else { return nil }
    return UnsafeMutableRawBufferPointer(start: memory, count: byteCount)
  }

  /// The buffers of thread `index`, which is below the number of threads.
  subscript(index: Int) -> Buffers {
    let own = part(of: ordinary, index, Self.inputSize + Self.smallOutputSize)
    return Buffers(
      input: UnsafeMutableRawBufferPointer(rebasing: own[..<Self.inputSize]),
      smallOutput: UnsafeMutableRawBufferPointer(rebasing: own[Self.inputSize...]),
      output: part(of: huge, index, Self.maximumTransfer))
  }

  private func part(
    of memory: UnsafeMutableRawBufferPointer, _ index: Int, _ size: Int
  ) -> UnsafeMutableRawBufferPointer {
    precondition((index + 1) * size <= memory.count)
    return UnsafeMutableRawBufferPointer(rebasing: memory[index * size..<(index + 1) * size])
  }
}
