import FuseProtocol
import FuseTransport
import Glibc
import IomapCache
import Synchronization
import SystemPackage

/// What `-d` prints: each request, each reply with the time since its request, and each notification, in a line.
///
/// It is told of them by the threads that receive and send them, and where no trace is wanted there is none.
final class RequestTrace: ExchangeObserver {
  private struct Pending {
    let opcode: Opcode
    /// Nanoseconds (`Clock.now`).
    let start: UInt64
  }

  private struct State {
    var pending: [UInt64: Pending] = [:]
    var negotiated = NegotiatedProtocol(minor: NegotiatedProtocol.latestMinor)
    var offer: Request.Initialize?

    /// What we have answered to INIT, whose length follows from the kernel's minor.
    mutating func initialize(_ payload: UnsafeRawBufferPointer) {
      guard let offer, let reply = Reply.Initialize(payload, at: offer.minor) else { return }
      negotiated = NegotiatedProtocol(offer, reply)
    }
  }

  private let state = Mutex(State())
  private let print: @Sendable (String) -> Void

  init(print: @escaping @Sendable (String) -> Void) { self.print = print }

  func received(_ exchange: Exchange) { received(exchange.message) }

  /// The same for a request in one piece.
  func received(_ message: UnsafeRawBufferPointer) {
    guard let parts = RequestParts(message) else {
      return print("#0 \(DecodingError(opcode: nil, .shortHeader(there: message.count)))")
    }
    received(parts)
  }

  private func received(_ parts: RequestParts) {
    let negotiated = state.withLock { $0.negotiated }
    let line: String
    do throws(DecodingError) {
      let request = try RequestMessage(parts, negotiated)
      note(request)
      line = request.description
    } catch {
      let header = RequestHeader(unchecked: parts.header)
      if let opcode = header.opcode { begin(header.unique, opcode) }
      line = "#\(header.unique) \(error)"
    }
    print(line)
  }

  private func note(_ message: RequestMessage) {
    switch message.request {
    case .initialize(let offer): state.withLock { $0.offer = offer }
    case .iomapConfig(let config):
      state.withLock { $0.negotiated.iomapRevision = config.revision }
    default: break
    }
    if let opcode = message.header.opcode, opcode.hasReply {
      begin(message.header.unique, opcode)
    }
  }

  private func begin(_ unique: UInt64, _ opcode: Opcode) {
    let pending = Pending(opcode: opcode, start: Clock.now)
    state.withLock { $0.pending[unique] = pending }
  }

  /// A reply is about to be sent, or a notification.
  func sends(_ header: ReplyHeader, _ payload: UnsafeRawBufferPointer) {
    guard header.unique != 0 else { return }
    let end = Clock.now
    let (found, negotiated) = state.withLock {
      state -> (Pending?, NegotiatedProtocol) in
      let found = state.pending.removeValue(forKey: header.unique)
      if found?.opcode == .initialize, header.error == 0 { state.initialize(payload) }
      return (found, state.negotiated)
    }
    guard let found else { return print("#\(header.unique) is answered, and was not asked") }
    let result =
      header.error == 0
      ? Reply.text(payload, to: found.opcode, negotiated)
      : "error \(-Int(header.error)) (\(Errno(rawValue: -header.error)))"
    print(
      "#\(header.unique) \(found.opcode.name) reply: \(result), "
        + "after \((end - min(found.start, end)) / 1000) µs")
  }

  /// A notification is about to be sent.
  func notifies(_ message: UnsafeRawBufferPointer) {
    print("notification \(FuseProtocol.Notification.text(message) ?? "that is none")")
  }
}
