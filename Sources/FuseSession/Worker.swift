import CFuse3
import FuseProtocol
import Glibc
import SystemPackage

/// A thread that reads requests from the kernel and sees each through to its answer, with the memory that this takes.
final class Worker {
  let session: Session
  /// Where this thread reads requests. The answer to a request must go out where it came in.
  let descriptor: CInt
  private let ownsDescriptor: Bool
  /// The session's, for as long as it lives.
  private let buffers: TransferMemory.Buffers
  /// Whether this thread is the one that reads requests.
  private var isLeader = false
  private var attention = Attention()
  /// A node whose attributes the kernel is to forget once the request has been answered.
  var staleAfterAnswer: NodeID?
  /// The request being served.
  private(set) var request = UnsafeRawBufferPointer(start: nil, count: 0)
  /// When it came.
  private(set) var stamp = RequestStamp.none
  private let served: ServedRequest

  /// `index`: which of the session's workers it is, from 0 on.
  init(session: Session, index: Int, descriptor: CInt, ownsDescriptor: Bool) {
    self.session = session
    self.descriptor = descriptor
    self.ownsDescriptor = ownsDescriptor
    buffers = session.transferMemory[index]
    served = session.interruptions.add()
  }

  deinit {
    session.interruptions.remove(served)
    if ownsDescriptor { close(descriptor) }
  }

  /// The worker whose thread this is.
  static var current: Worker? {
    pthread_getspecific(key).map { Unmanaged<Worker>.fromOpaque($0).takeUnretainedValue() }
  }

  /// The same, where it is known to be one: in what libfuse calls.
  static var serving: Worker {
    Unmanaged<Worker>.fromOpaque(pthread_getspecific(key)!).takeUnretainedValue()
  }

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
  }()

  /// Where an answer of up to `size` bytes is made, or of as many as there is room for; used by one request at a time.
  func output(_ size: Int) -> UnsafeMutableRawBufferPointer {
    let buffer = size <= buffers.smallOutput.count ? buffers.smallOutput : buffers.output
    return UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(size, buffer.count)])
  }

  var header: RequestHeader { RequestHeader(unchecked: request) }

  /// The bytes of the request behind its header.
  var payload: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: request[RequestHeader.size...])
  }

  /// Those of a READ.
  var readFlags: ReadFlags { ReadFlags(rawValue: Request.TransferFields(payload)?.flags ?? 0) }

  /// Those of a WRITE.
  var writeFlags: WriteFlags { WriteFlags(rawValue: Request.TransferFields(payload)?.flags ?? 0) }

  /// Makes this the calling thread's worker for as long as `body` runs.
  func adopt(_ body: () -> Void) {
    pthread_setspecific(Self.key, Unmanaged.passUnretained(self).toOpaque())
    session.statistics.enter()
    served.adopt(body)
    pthread_setspecific(Self.key, nil)
  }

  /// Serves requests until the file system is unmounted or `isDone` says so.
  func serve(until isDone: () -> Bool) {
    cfuse_set_nonblocking(descriptor)
    adopt {
      while session.leadership.take(until: isDone) {
        isLeader = true
        attention.begin()
        while isLeader {
          guard receive(until: isDone) else { return passLeadership() }
          serveOne()
        }
      }
    }
  }

  private func serveOne() {
    stamp = session.statistics.received(header.rawOpcode)
    if let trace = session.trace { trace.received(request) }
    switch RequestDuration(header.opcode, payload) {
    case .short: session.dispatch(self)
    case .shortWrite:
      let start = Attention.now
      if session.leadership.writesAreSlow(at: start) { passLeadership() }
      session.dispatch(self)
      if isLeader { session.leadership.noteWrite(from: start, to: Attention.now) }
    case .long:
      passLeadership()
      session.dispatch(self)
    }
    if header.opcode?.hasReply == false { session.statistics.answered(stamp) }
    if let node = staleAfterAnswer {
      staleAfterAnswer = nil
      session.channel.forgetAttributes(of: node)
    }
  }

  /// From here on another thread reads requests.
  func passLeadership() {
    guard isLeader else { return }
    isLeader = false
    session.leadership.pass()
  }

  /// Waits for a request. False when there will be no more.
  private func receive(until isDone: () -> Bool) -> Bool {
    var slept: UInt64?
    while !isDone() {
      let count = Glibc.read(descriptor, buffers.input.baseAddress!, buffers.input.count)
      if count >= RequestHeader.size {
        request = UnsafeRawBufferPointer(rebasing: buffers.input[..<count])
        // Before another worker can read what interrupts it.
        served.begin(header.unique, caller: header.thread)
        attention.found(afterSleeping: slept)
        session.wakefulness.noteRequest(afterSleeping: slept)
        return true
      }
      if count >= 0 { return false }
      switch errno {
      case EAGAIN: if !attention.looksAgain(at: Attention.now) { slept = sleep() }
      // ENOENT: the request was withdrawn before it could be read.
      case EINTR, ENOENT: continue
      // ENODEV: unmounted. Anything else is as final.
      default: return false
      }
    }
    return false
  }

  /// Waits until there is something to read, or a signal comes. Returns how many nanoseconds it took.
  private func sleep() -> UInt64 {
    let start = Attention.now
    var file = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    let wakefulness = session.wakefulness
    if !wakefulness.isHeld || poll(&file, 1, ProcessorWakefulness.patienceMilliseconds) == 0 {
      wakefulness.release()
      poll(&file, 1, -1)
    }
    return Attention.now - start
  }

  /// Lets libfuse decode the request and call the operation.
  func processInLibrary() {
    var buffer = fuse_buf()
    buffer.size = request.count
    buffer.mem = UnsafeMutableRawPointer(mutating: request.baseAddress)
    fuse_session_process_buf(session.handle, &buffer)
  }

  /// Answers the request without libfuse. False when the caller does not wait for the answer any more.
  @discardableResult
  func reply(_ payload: UnsafeRawBufferPointer) -> Bool {
    send(error: 0, payload, to: header.unique, stamp)
  }

  /// The same with a structure.
  @discardableResult
  func reply(with reply: some ReplyArguments) -> Bool {
    answer(header.unique, stamp, with: reply)
  }

  func reply(_ error: Errno) {
    send(
      error: -error.rawValue, UnsafeRawBufferPointer(start: nil, count: 0), to: header.unique,
      stamp)
  }

  /// Answers another request that came in here, with an errno or none.
  func acknowledge(_ unique: UInt64, _ stamp: RequestStamp, _ error: Errno?) {
    send(
      error: error.map { -$0.rawValue } ?? 0, UnsafeRawBufferPointer(start: nil, count: 0),
      to: unique, stamp)
  }

  /// The same, with what it has asked for.
  @discardableResult
  func answer<R: ReplyArguments>(
    _ unique: UInt64, _ stamp: RequestStamp, with reply: R
  ) -> Bool {
    let minor = NegotiatedProtocol.latestMinor
    return withUnsafeTemporaryAllocation(byteCount: R.size(at: minor), alignment: 8) { bytes in
      reply.encode(into: bytes, at: minor)
      return send(error: 0, UnsafeRawBufferPointer(bytes), to: unique, stamp)
    }
  }

  @discardableResult
  private func send(
    error: Int32, _ payload: UnsafeRawBufferPointer, to unique: UInt64, _ stamp: RequestStamp
  ) -> Bool {
    session.statistics.answered(stamp, error: error, payload)
    let header = ReplyHeader(payloadSize: payload.count, error: error, unique: unique)
    if let trace = session.trace { trace.sends(header, payload) }
    var room = InlineArray<2, UInt64>(repeating: 0)
    return withUnsafeMutableBytes(of: &room) { head in
      header.encode(into: head)
      var parts = [
        iovec(iov_base: head.baseAddress, iov_len: ReplyHeader.size),
        iovec(
          iov_base: UnsafeMutableRawPointer(mutating: payload.baseAddress), iov_len: payload.count),
      ]
      // The kernel takes an answer whole or not at all, and not when the caller does not wait for it any more.
      return writev(descriptor, &parts, payload.isEmpty ? 1 : 2) >= 0
    }
  }
}
