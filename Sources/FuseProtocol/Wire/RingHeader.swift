/// `struct fuse_uring_req_header`, 288 bytes: where a request over io_uring has all that is not in its payload, and where its reply has the same.
/// Since 7.42.
///
/// The kernel fills it with a request: the request's header, the structure that its arguments begin with, and the sizes. The server leaves the
/// reply's header and size in it.
public struct RingHeader {
  /// In bytes.
  @inlinable public static var size: Int { 288 }
  /// FUSE_URING_IN_OUT_HEADER_SZ and FUSE_URING_OP_IN_OUT_SZ: bytes for the header of the request or of the reply, and then for the structure.
  @inlinable static var headerSpace: Int { 128 }
  @inlinable static var structureSpace: Int { 128 }
  /// `struct fuse_uring_ent_in_out`, which comes last: flags, commit id, size of the payload, padding, reserved.
  @inlinable static var commitIDOffset: Int { 264 }
  @inlinable static var payloadSizeOffset: Int { 272 }

  public let memory: UnsafeMutableRawBufferPointer

  /// `memory` has `size` bytes, aligned to 8, and outlives this.
  @inlinable
  public init(_ memory: UnsafeMutableRawBufferPointer) {
    precondition(memory.count == Self.size, "the caller gave no room for the header")
    self.memory = memory
  }

  /// What the kernel calls the request when the reply is handed over.
  @inlinable public var commitID: UInt64 {
    UnsafeRawBufferPointer(memory).field(Self.commitIDOffset)
  }

  /// Bytes of the request's payload that are in use, or of the reply's.
  @inlinable public var payloadSize: UInt32 {
    get { UnsafeRawBufferPointer(memory).field(Self.payloadSizeOffset) }
    nonmutating set { memory.put(newValue, at: Self.payloadSizeOffset) }
  }

  /// The request that is there, whose names and data are in `payload`. Nil when the sizes in it contradict each other, or what there is room for.
  ///
  /// The structure is as long as the request is without its header and payload: nothing says it by itself.
  @inlinable
  public func request(_ payload: UnsafeRawBufferPointer) -> RequestParts? {
    let bytes = UnsafeRawBufferPointer(memory)
    let header = UnsafeRawBufferPointer(rebasing: bytes[..<RequestHeader.size])
    let payloadSize = Int(payloadSize)
    let structureSize =
      Int(RequestHeader(unchecked: header).length) - RequestHeader.size - payloadSize
    guard payloadSize <= payload.count, (0...Self.structureSpace).contains(structureSize) else {
      return nil
    }
    return RequestParts(
      header: header,
      arguments: UnsafeRawBufferPointer(
        rebasing: bytes[Self.headerSpace..<(Self.headerSpace + structureSize)]),
      payload: UnsafeRawBufferPointer(rebasing: payload[..<payloadSize]))
  }

  /// Leaves a reply, whose payload of `payloadSize` bytes is in its place.
  @inlinable
  public func reply(_ header: ReplyHeader, payloadSize: Int) {
    header.encode(into: memory)
    self.payloadSize = UInt32(payloadSize)
  }
}
