import CUring
import Glibc

/// An io_uring that can do what it was made for and nothing else (IORING_REGISTER_RESTRICTIONS).
///
/// It is made by any thread, and does nothing before it is enabled.
final class SubmissionRing: @unchecked Sendable {
  enum Purpose {
    /// Commands to the file, which is the only one that they can name. For the thread that enables it, alone.
    case commands(to: CInt)
    /// Messages to other rings. For one thread at a time.
    case messages
  }

  private let ring: UnsafeMutablePointer<io_uring>

  /// `entryCount`: submissions that there is room for; twice as many completions.
  init(entryCount: Int, for purpose: Purpose) throws(RingFailure) {
    ring = .allocate(capacity: 1)
    ring.initialize(to: io_uring())
    var parameters = io_uring_params()
    parameters.flags = UInt32(IORING_SETUP_R_DISABLED)
    if case .commands = purpose {
      // Larger submissions, for the commands. One thread submits, and requests are copied in when it waits, and at no other time.
      for flag in [
        IORING_SETUP_SQE128, IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_DEFER_TASKRUN,
      ] {
        parameters.flags |= UInt32(flag)
      }
    }
    let code = io_uring_queue_init_params(UInt32(entryCount), ring, &parameters)
    guard code == 0 else {
      ring.deallocate()
      throw RingFailure("make a ring", code: code)
    }
    try restrict(to: purpose)
  }

  deinit {
    io_uring_queue_exit(ring)
    ring.deallocate()
  }

  private func restrict(to purpose: Purpose) throws(RingFailure) {
    var restrictions = [io_uring_restriction(), io_uring_restriction()]
    restrictions[0].opcode = UInt16(IORING_RESTRICTION_SQE_OP)
    var code: CInt = 0
    switch purpose {
    case .commands(var file):
      restrictions[0].sqe_op = UInt8(IORING_OP_URING_CMD.rawValue)
      restrictions[1].opcode = UInt16(IORING_RESTRICTION_SQE_FLAGS_REQUIRED)
      restrictions[1].sqe_flags = Self.fixedFile
      code = Self.register(descriptor, IORING_REGISTER_FILES, &file, 1)
    case .messages:
      restrictions[0].sqe_op = UInt8(IORING_OP_MSG_RING.rawValue)
      restrictions.removeLast()
    }
    if code == 0 {
      code = Self.register(
        descriptor, IORING_REGISTER_RESTRICTIONS, restrictions, restrictions.count)
    }
    guard code == 0 else { throw RingFailure("restrict a ring", code: code) }
  }

  /// Io_uring_register(2). Debian's liburing 2.3 does not export all of its functions for single operations.
  private static func register(
    _ ring: CInt, _ operation: Int, _ argument: UnsafeRawPointer?, _ count: Int
  ) -> CInt {
    io_uring_register(UInt32(ring), UInt32(operation), argument, UInt32(count))
  }

  /// IOSQE_FIXED_FILE: the file is one of those that are registered.
  private static var fixedFile: UInt8 { UInt8(1 << IOSQE_FIXED_FILE_BIT) }

  /// From here on it works. For the commands of the calling thread alone.
  func enable() throws(RingFailure) {
    let code = Self.register(descriptor, IORING_REGISTER_ENABLE_RINGS, nil, 0)
    guard code == 0 else { throw RingFailure("enable a ring", code: code) }
  }

  var descriptor: CInt { ring.pointee.ring_fd }

  // MARK: Submissions

  /// Room for a submission, all zeros but for `opcode` and `tag`, which comes back with its completion. Nil while what is prepared
  /// leaves none.
  @inline(__always)
  private func prepare(_ opcode: io_uring_op, tag: UInt64) -> UnsafeMutablePointer<io_uring_sqe>? {
    guard let submission = io_uring_get_sqe(ring) else { return nil }
    submission.pointee = io_uring_sqe()
    submission.pointee.opcode = UInt8(opcode.rawValue)
    submission.pointee.user_data = tag
    return submission
  }

  /// Prepares a command to the registered file, with `areaSize` bytes of the command area for `body` to fill. False when there is no room.
  @inline(__always)
  func prepareCommand(
    _ operation: UInt32, tag: UInt64, areaSize: Int, address: UInt64 = 0, length: UInt32 = 0,
    _ body: (UnsafeMutableRawBufferPointer) -> Void
  ) -> Bool {
    guard let submission = prepare(IORING_OP_URING_CMD, tag: tag) else { return false }
    submission.pointee.flags = Self.fixedFile
    submission.pointee.fd = 0
    submission.pointee.cmd_op = operation
    submission.pointee.addr = address
    submission.pointee.len = length
    body(
      UnsafeMutableRawBufferPointer(start: curing_command_area(submission), count: areaSize))
    return true
  }

  /// Prepares a message for `target`, where it becomes a completion with `tag` and `result`.
  func prepareMessage(to target: CInt, tag: UInt64, result: UInt32) -> Bool {
    guard let submission = prepare(IORING_OP_MSG_RING, tag: 0) else { return false }
    submission.pointee.fd = target
    submission.pointee.off = tag
    submission.pointee.len = result
    return true
  }

  /// Submits what is prepared. Returns an errno below zero where that fails.
  @inline(__always)
  func submit() -> CInt { io_uring_submit(ring) }

  /// Submits what is prepared, and waits for a completion, or for `seconds`, after which it returns -ETIME.
  @inline(__always)
  func submitAndWait(seconds: Int?) -> CInt {
    guard let seconds else { return io_uring_submit_and_wait(ring, 1) }
    var completion: UnsafeMutablePointer<io_uring_cqe>?
    var time = __kernel_timespec(tv_sec: Int64(seconds), tv_nsec: 0)
    return io_uring_submit_and_wait_timeout(ring, &completion, 1, &time, nil)
  }

  /// Submits what is prepared, and looks for completions without waiting.
  @inline(__always)
  func submitAndLook() -> CInt { io_uring_submit_and_wait(ring, 0) }

  // MARK: Completions

  /// Takes the next completion that is there: what was submitted, and the result, an errno below zero if that failed.
  @inline(__always)
  func next() -> (tag: UInt64, result: Int32)? {
    var completion: UnsafeMutablePointer<io_uring_cqe>?
    guard io_uring_peek_cqe(ring, &completion) == 0, let completion else { return nil }
    defer { io_uring_cqe_seen(ring, completion) }
    return (completion.pointee.user_data, completion.pointee.res)
  }
}
