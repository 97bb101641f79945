import Dispatch
import Synchronization

/// A reply: the error as errno (0: none) and what follows the header.
struct Reply: Sendable {
  /// Of the whole message.
  let length: Int
  let error: Int32
  let payload: [UInt8]
}

/// A request that the server has or will get, and its reply when there is one.
final class PendingRequest: Sendable {
  let unique: UInt64
  let opcode: Opcode
  let node: UInt64
  let message: [UInt8]
  /// Called on the receiving thread, for requests without a waiting thread.
  let completion: (@Sendable (Reply) -> Void)?
  private let answered = DispatchSemaphore(value: 0)
  private let reply = Mutex<Reply?>(nil)

  init(
    unique: UInt64, opcode: Opcode, node: UInt64, message: [UInt8],
    completion: (@Sendable (Reply) -> Void)?
  ) {
    self.unique = unique
    self.opcode = opcode
    self.node = node
    self.message = message
    self.completion = completion
  }

  func complete(_ value: Reply) {
    reply.withLock { $0 = value }
    completion?(value)
    answered.signal()
  }

  /// Nil when there is no reply in time.
  func wait(milliseconds: Int) -> Reply? {
    guard answered.wait(timeout: .now() + .milliseconds(milliseconds)) == .success else {
      return nil
    }
    // For other threads that wait for the same reply.
    answered.signal()
    return reply.withLock { $0 }
  }

  var isAnswered: Bool { reply.withLock { $0 != nil } }
  var description: String { "\(opcode) of node \(node) (unique \(unique))" }
}

extension SimulatedKernel {
  /// The user, group and process that ask.
  public struct Caller: Sendable, Hashable {
    public var uid: UInt32
    public var gid: UInt32
    public var pid: UInt32

    public init(uid: UInt32 = 0, gid: UInt32 = 0, pid: UInt32 = 4242) {
      self.uid = uid
      self.gid = gid
      self.pid = pid
    }

    /// Of requests that a kernel thread makes (ABI 3.3).
    static let kernel = Caller(uid: 0, gid: 0, pid: 0)
  }
}
