import CLinux
import Synchronization

/// The last messages about each node, to be printed with a violation: sender, message and thread, in order. The thread of a server's
/// worker shows which request its notifications belong to.
final class MessageHistory: Sendable {
  private enum Kind { case request, reply, notification, refusal }

  private struct Message {
    let seconds: Double
    let thread: Int32
    let kind: Kind
    /// Of a request and its reply.
    let unique: UInt64
    /// An `Opcode` or a `NotificationCode`.
    let code: Int32
    let error: Int32
    /// What follows the header; it becomes text only when the history is printed.
    let payload: [UInt8]
  }

  /// By node; the oldest first.
  private let messages = Mutex<[UInt64: [Message]]>([:])
  /// Of a node, at least so many of what there has been, and at most twice as many.
  private static let kept = 40

  func sent(_ request: PendingRequest) {
    note(
      request.node, .request, request.unique, Int32(request.opcode.rawValue),
      request.message.dropFirst(40))
  }

  func answered(_ request: PendingRequest, _ reply: Reply) {
    note(
      request.node, .reply, request.unique, Int32(request.opcode.rawValue), reply.payload[...],
      error: reply.error)
  }

  /// Called before the notification has any effect.
  func notified(_ node: UInt64, _ code: Int32, _ payload: MessageReader) {
    note(node, .notification, 0, code, Array(payload.bytes)[...])
  }

  func refused(_ node: UInt64, _ code: Int32, _ error: Int32) {
    note(node, .refusal, 0, code, [], error: error)
  }

  private func note(
    _ node: UInt64, _ kind: Kind, _ unique: UInt64, _ code: Int32, _ payload: ArraySlice<UInt8>,
    error: Int32 = 0
  ) {
    let message = Message(
      seconds: monotonicSeconds(), thread: clinux_thread_number(), kind: kind, unique: unique,
      code: code, error: error, payload: Array(payload.prefix(80)))
    messages.withLock {
      var all = $0.removeValue(forKey: node) ?? []
      if all.count >= 2 * Self.kept { all.removeFirst(Self.kept) }
      all.append(message)
      $0[node] = all
    }
  }

  /// A line for each message since the last call.
  func take(_ node: UInt64) -> String {
    let taken = messages.withLock { $0.removeValue(forKey: node) } ?? []
    let start = taken.first?.seconds ?? 0
    return taken.map {
      "\n  \(Int(($0.seconds - start) * 1e6)) us, thread \($0.thread): \(Self.words($0))"
    }.joined()
  }

  // MARK: Words

  private static func words(_ message: Message) -> String {
    switch message.kind {
    case .request: "-> \(message.unique) \(name(message))\(arguments(message))"
    case .reply: "<- \(message.unique) \(name(message))\(result(message))"
    case .notification: "<- \(notification(message))"
    case .refusal: "-> notification \(message.code): errno \(message.error)"
    }
  }

  private static func name(_ message: Message) -> String {
    Opcode(rawValue: UInt32(message.code)).map { "\($0)" } ?? "\(message.code)"
  }

  private static func range(_ offset: UInt64, _ length: UInt64) -> String {
    length == Special.toEOF ? "[\(hex(offset)) …]" : "[\(hex(offset)) +\(hex(length))]"
  }

  private static func arguments(_ message: Message) -> String {
    message.payload.read { payload in
      switch (Opcode(rawValue: UInt32(message.code)), payload.bytes.count) {
      case (.begin, 32...):
        " \(OperationFlags(rawValue: payload.u32(0)).name) \(range(payload.u64(16), payload.u64(24)))"
      case (.end, 40...):
        " \(OperationFlags(rawValue: payload.u32(0)).name) \(range(payload.u64(16), payload.u64(24)))"
          + ", written \(hex(payload.u64(32)))"
      case (.ioend, 40...):
        // v6 has 32 bits for the count, where v7 has the lower half of it.
        " flags \(hex(payload.u32(0))) \(range(payload.u64(16), UInt64(payload.u32(32))))"
          + " errno \(-payload.i32(4))"
      case (.setattr, 24...): " valid \(hex(payload.u32(0))), size \(hex(payload.u64(16)))"
      case (.fallocate, 28...):
        " mode \(payload.u32(24)) \(range(payload.u64(8), payload.u64(16)))"
      default: ""
      }
    }
  }

  private static func result(_ message: Message) -> String {
    if message.error != 0 { return ": errno \(message.error)" }
    guard message.code == Opcode.begin.rawValue, message.payload.count >= 32 else { return "" }
    return message.payload.read { " \($0.mapping(0))" }
  }

  private static func notification(_ message: Message) -> String {
    message.payload.read { payload in
      switch (message.code, payload.bytes.count) {
      case (NotificationCode.upsert, 48...): "UPSERT \(payload.mapping(16))"
      case (NotificationCode.invalidate, 32...):
        "INVAL \(range(payload.u64(16), payload.u64(24)))"
      default: "notification \(message.code)"
      }
    }
  }
}
