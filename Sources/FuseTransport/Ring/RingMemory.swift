import FuseProtocol
import Glibc

/// The memory of the entries of one thread: a header and room for a payload each. What has not been touched costs nothing.
final class RingMemory: @unchecked Sendable {
  /// Of an entry's header, with room to keep it in cache lines of its own.
  private static let headerStride = 320
  /// A power of two and multiple of the page size.
  static let payloadSize = TransferMemory.maximumTransfer

  private let headers: UnsafeMutableRawPointer
  private let headerSize: Int
  private let payloads: UnsafeMutableRawPointer
  private let payloadSize: Int

  init(entryCount: Int) throws(RingFailure) {
    headerSize = entryCount * Self.headerStride
    payloadSize = entryCount * Self.payloadSize
    let headers = Self.map(headerSize)
    let payloads = Self.map(payloadSize)
    guard let headers, let payloads else {
      if let headers { munmap(headers, headerSize) }
      if let payloads { munmap(payloads, payloadSize) }
      throw RingFailure("have memory for a ring", code: -ENOMEM)
    }
    self.headers = headers
    self.payloads = payloads
  }

  deinit {
    munmap(headers, headerSize)
    munmap(payloads, payloadSize)
  }

  private static func map(_ size: Int) -> UnsafeMutableRawPointer? {
    let memory = mmap(
      nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return memory == MAP_FAILED ? nil : memory
  }

  func header(of entry: Int) -> RingHeader {
    precondition((entry + 1) * Self.headerStride <= headerSize)
    return RingHeader(
      UnsafeMutableRawBufferPointer(
        start: headers + entry * Self.headerStride, count: RingHeader.size))
  }

  func payload(of entry: Int) -> UnsafeMutableRawBufferPointer {
    precondition((entry + 1) * Self.payloadSize <= payloadSize)
    return UnsafeMutableRawBufferPointer(
      start: payloads + entry * Self.payloadSize, count: Self.payloadSize)
  }
}
