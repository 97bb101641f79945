import FuseProtocol
import Glibc
import SystemPackage

/// The way of a reply to the kernel: where the request came in, and its number there. It can outlive the exchange of the request.
public struct ReplyRoute: Sendable {
  /// The number that the reply must carry.
  public internal(set) var unique: UInt64
  let descriptor: KernelDescriptor
  let observer: (any ExchangeObserver)?
  let statistics: RequestStatistics
  /// When the request came.
  var stamp = RequestStamp.none

  /// Sends a reply: to be called once. False when the caller does not wait for it any more.
  @discardableResult
  public func send(_ payload: UnsafeRawBufferPointer) -> Bool { send(error: 0, payload) }

  /// The same, with an error or without.
  @discardableResult
  public func send(_ error: Errno?) -> Bool {
    send(error: error.map { -$0.rawValue } ?? 0, UnsafeRawBufferPointer(start: nil, count: 0))
  }

  /// The same with a structure.
  @discardableResult
  public func send<R: ReplyArguments>(_ reply: R) -> Bool {
    let minor = NegotiatedProtocol.latestMinor
    return withUnsafeTemporaryAllocation(byteCount: R.size(at: minor), alignment: 8) { bytes in
      reply.encode(into: bytes, at: minor)
      return send(error: 0, UnsafeRawBufferPointer(bytes))
    }
  }

  private func send(error: Int32, _ payload: UnsafeRawBufferPointer) -> Bool {
    let header = ReplyHeader(payloadSize: payload.count, error: error, unique: unique)
    statistics.answered(stamp, error: error, payload)
    if let observer { observer.sends(header, payload) }
    var room = InlineArray<2, UInt64>(repeating: 0)
    return withUnsafeMutableBytes(of: &room) { head in
      header.encode(into: head)
      var parts = [
        iovec(iov_base: head.baseAddress, iov_len: ReplyHeader.size),
        iovec(
          iov_base: UnsafeMutableRawPointer(mutating: payload.baseAddress), iov_len: payload.count),
      ]
      // The kernel takes a reply whole or not at all, and not when the caller does not wait for it any more.
      return writev(descriptor.number, &parts, payload.isEmpty ? 1 : 2) >= 0
    }
  }
}
