import FuseProtocol
import Glibc
import SystemPackage

/// The way of a reply to the kernel: where the request came in, and its number there. It can outlive the exchange of the request.
public struct ReplyRoute: Sendable {
  /// Where a reply goes out.
  enum Destination: Sendable {
    case device(KernelDescriptor)
    case ring(RingEntry)
  }

  /// The number that the reply must carry.
  public internal(set) var unique: UInt64
  var destination: Destination
  let observer: (any ExchangeObserver)?
  let statistics: RequestStatistics
  /// When the request came.
  var stamp = RequestStamp.none

  /// Sends a reply: to be called once. False when the caller does not wait for it any more, as far as that can be known.
  @discardableResult
  public func send(_ payload: UnsafeRawBufferPointer) -> Bool { send(payload, by: nil) }

  /// The same, with an error or without.
  @discardableResult
  public func send(_ error: Errno?) -> Bool { send(error, by: nil) }

  /// The same with a structure.
  @discardableResult
  public func send<R: ReplyArguments>(_ reply: R) -> Bool { send(reply, by: nil) }

  // `thread`: the calling one, if the entry is of its ring.

  @inline(__always)
  func send(_ payload: UnsafeRawBufferPointer, by thread: RingThread?) -> Bool {
    send(error: 0, payload, by: thread)
  }

  @inline(__always)
  func send(_ error: Errno?, by thread: RingThread?) -> Bool {
    send(
      error: error.map { -($0 == Exchange.wouldWait ? EIO : $0.rawValue) } ?? 0,
      UnsafeRawBufferPointer(start: nil, count: 0), by: thread)
  }

  @inline(__always)
  func send<R: ReplyArguments>(_ reply: R, by thread: RingThread?) -> Bool {
    let minor = NegotiatedProtocol.latestMinor
    let size = R.size(at: minor)
    if case .ring(let entry) = destination {
      let place = entry.output(size)
      reply.encode(into: place, at: minor)
      return send(error: 0, UnsafeRawBufferPointer(place), by: thread)
    }
    return withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { bytes in
      reply.encode(into: bytes, at: minor)
      return send(error: 0, UnsafeRawBufferPointer(bytes), by: thread)
    }
  }

  private func send(error: Int32, _ payload: UnsafeRawBufferPointer, by thread: RingThread?) -> Bool
  {
    statistics.answered(stamp, error: error, payload)
    if let observer {
      observer.sends(
        ReplyHeader(payloadSize: payload.count, error: error, unique: unique), payload)
    }
    switch destination {
    case .device(let descriptor): return write(error, payload, to: descriptor)
    case .ring(let entry):
      entry.fill(error: error, payload, unique: unique)
      entry.release()
      if let thread { thread.commit(entry) } else { entry.finish() }
      return true
    }
  }

  private func write(
    _ error: Int32, _ payload: UnsafeRawBufferPointer, to descriptor: KernelDescriptor
  ) -> Bool {
    let header = ReplyHeader(payloadSize: payload.count, error: error, unique: unique)
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
