import FuseProtocol
import Glibc
import Synchronization

/// Where one request at a time comes in, and its reply goes out.
///
/// It is the kernel's until a request is there, then the server's until the reply is handed over: to the thread of its ring, which commits it.
/// It holds on to its memory, so that a reply that is due when the connection ends has a place.
final class RingEntry: @unchecked Sendable {
  /// Among those of its thread.
  let index: Int
  let queue: RingQueue
  let header: RingHeader
  let payload: UnsafeMutableRawBufferPointer
  private let memory: RingMemory
  private let mailbox: RingMailbox

  /// What follows belongs to the thread that has the entry, which hands it on by the mailbox or by the pool.
  private struct State {
    /// How many bytes of the payload may have been touched since it was trimmed.
    var touched = 0
    /// Whether the reply was taken over, to come later.
    var isHeld = false
  }

  private var state = State()

  init(_ index: Int, _ queue: RingQueue, _ memory: RingMemory, _ mailbox: RingMailbox) {
    self.index = index
    self.queue = queue
    header = memory.header(of: index)
    payload = memory.payload(of: index)
    self.memory = memory
    self.mailbox = mailbox
  }

  // MARK: The request

  /// The request that has come. Nil when it makes no sense.
  @inline(__always)
  func request() -> RequestParts? {
    note(touched: Int(min(header.payloadSize, UInt32(payload.count))))
    return header.request(UnsafeRawBufferPointer(payload))
  }

  /// Where a reply of up to `size` bytes can be made, in the place of the request's names and data.
  @inline(__always)
  func output(_ size: Int) -> UnsafeMutableRawBufferPointer {
    let size = min(size, payload.count)
    note(touched: size)
    return UnsafeMutableRawBufferPointer(rebasing: payload[..<size])
  }

  // MARK: The reply

  /// Puts a reply in its place. It need not be copied if it was made there (`output`).
  @inline(__always)
  func fill(error: Int32, _ reply: UnsafeRawBufferPointer, unique: UInt64) {
    if !reply.isEmpty, reply.baseAddress != UnsafeRawPointer(payload.baseAddress) {
      precondition(reply.count <= payload.count, "a reply is no larger than the largest transfer")
      note(touched: reply.count)
      payload.copyMemory(from: reply)
    }
    header.reply(
      ReplyHeader(payloadSize: reply.count, error: error, unique: unique),
      payloadSize: reply.count)
  }

  /// The reply is in its place: the thread of the ring hands it over. For other threads.
  func finish() { mailbox.put(index) }

  /// The reply comes later, and may have to wait for other requests.
  func hold() {
    state.isHeld = true
    queue.held.add(1, ordering: .relaxed)
  }

  /// The reply is there.
  @inline(__always)
  func release() {
    guard state.isHeld else { return }
    state.isHeld = false
    queue.held.subtract(1, ordering: .relaxed)
  }

  // MARK: Memory

  /// What is kept, in bytes.
  private static let kept = 64 << 10

  @inline(__always)
  private func note(touched size: Int) {
    if size > state.touched { state.touched = size }
  }

  @inline(__always)
  var isLarge: Bool { state.touched > Self.kept }

  /// Gives memory back that a large transfer has touched.
  func trim() {
    guard isLarge else { return }
    madvise(payload.baseAddress! + Self.kept, payload.count - Self.kept, MADV_DONTNEED)
    state.touched = Self.kept
  }
}

/// The entries of one processor, whose programs send their requests there.
final class RingQueue: Sendable {
  /// The processor's.
  let number: UInt16
  let entryCount: Int
  /// Entries whose replies were taken over, to come later.
  let held = Atomic<Int>(0)

  init(_ number: UInt16, entryCount: Int) {
    self.number = number
    self.entryCount = entryCount
  }

  /// Whether so many entries are free of replies that come later that requests for which these wait find room.
  var hasRoom: Bool { held.load(ordering: .relaxed) < entryCount / 2 }
}
