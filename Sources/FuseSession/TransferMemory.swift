import Glibc

/// The memory in which workers receive requests and make answers to reads. All of it is one piece, for the system to make it of huge pages: a
/// megabyte is copied faster that way, since the kernel looks every page up by itself.
final class TransferMemory: @unchecked Sendable {
  /// What one worker has.
  struct Buffers {
    let input: UnsafeMutableRawBufferPointer
    let output: UnsafeMutableRawBufferPointer
  }

  /// The largest write or read that is asked for, in bytes; the kernel's limit is 256 pages unless raised.
  static let maximumTransfer = 1 << 20
  /// A write with its header (`FUSE_BUFFER_HEADER_SIZE` in libfuse: a page).
  private static let inputSize = maximumTransfer + 4096
  private static let hugePage = 2 << 20

  private let memory: UnsafeMutableRawBufferPointer
  private let workerCount: Int

  init(workerCount: Int) {
    self.workerCount = workerCount
    memory = .allocate(
      byteCount: workerCount * (Self.maximumTransfer + Self.inputSize), alignment: Self.hugePage)
    // Only advice: without, it is a little slower.
    _ = madvise(memory.baseAddress, memory.count, MADV_HUGEPAGE)
  }

  deinit { memory.deallocate() }

  /// The buffers of worker `index`, which is below the number of workers.
  subscript(index: Int) -> Buffers {
    precondition(index < workerCount)
    let outputs = workerCount * Self.maximumTransfer
    func part(_ start: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + count])
    }
    return Buffers(
      input: part(outputs + index * Self.inputSize, Self.inputSize),
      output: part(index * Self.maximumTransfer, Self.maximumTransfer))
  }
}
