import FuseProtocol
import Glibc
import SystemPackage

/// A request, from its arrival to its reply, with the memory for both. A thread uses one for all the requests that it serves, one after the
/// other.
///
/// Each request that has a reply has it sent once, or taken over (`takeReply`), before the server returns. A request that the server
/// leaves without is answered with EIO, since its caller would wait for ever.
public final class Exchange: @unchecked Sendable {
  private enum Reply {
    case due
    /// The server would have had to wait: another thread serves the request again, from the beginning.
    case postponed
    /// It was sent, taken over, or is none.
    case settled
  }

  /// The whole request, valid until the server returns or sends the reply.
  public private(set) var message: RequestParts
  public private(set) var header: RequestHeader
  /// What the request was handed to last.
  public private(set) unowned(unsafe) var server: (any RequestServer)?
  /// Whether the thread may wait while it serves this request. One that may not answers with `wouldWait`, before it has changed anything.
  public var mayWait: Bool
  /// Called once the server has returned, on the same thread, and forgotten then.
  public var afterReply: (() -> Void)?
  private var reply = Reply.settled
  /// Of a thread that reads /dev/fuse.
  private let buffers: TransferMemory.Buffers?
  /// With the number of the request that is being served.
  private var route: ReplyRoute
  private let served: ServedRequest
  private let interruptions: Interruptions
  /// The thread's part in reading requests; nil for a thread that reads none.
  unowned(unsafe) var reader: DeviceReader?
  /// The thread, if requests come to it from a ring of its own.
  private unowned(unsafe) let ringThread: RingThread?

  /// For a thread that reads /dev/fuse.
  convenience init(
    _ descriptor: KernelDescriptor, _ buffers: TransferMemory.Buffers,
    _ interruptions: Interruptions, _ statistics: RequestStatistics,
    observer: (any ExchangeObserver)?
  ) {
    self.init(
      to: .device(descriptor), buffers, nil, mayWait: true, interruptions, statistics, observer)
  }

  /// For a thread that serves what comes to `thread`, which is that thread itself or, where it is nil, a worker. `entry` is any.
  convenience init(
    _ thread: RingThread?, _ entry: RingEntry, _ interruptions: Interruptions,
    _ statistics: RequestStatistics, observer: (any ExchangeObserver)?
  ) {
    self.init(
      to: .ring(entry), nil, thread, mayWait: thread == nil, interruptions, statistics, observer)
  }

  private init(
    to destination: ReplyRoute.Destination, _ buffers: TransferMemory.Buffers?,
    _ thread: RingThread?, mayWait: Bool, _ interruptions: Interruptions,
    _ statistics: RequestStatistics, _ observer: (any ExchangeObserver)?
  ) {
    self.buffers = buffers
    self.interruptions = interruptions
    route = ReplyRoute(
      unique: 0, destination: destination, observer: observer, statistics: statistics)
    served = interruptions.add()
    header = Self.noHeader
    message = Self.noMessage
    self.mayWait = mayWait
    ringThread = thread
  }

  deinit { interruptions.remove(served) }

  private static let noHeader = RequestHeader(
    unchecked: UnsafeRawBufferPointer(
      UnsafeMutableRawBufferPointer.allocate(byteCount: RequestHeader.size, alignment: 8)
        .initializeMemory(as: UInt8.self, repeating: 0)))

  private static var noMessage: RequestParts {
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    return RequestParts(header: nothing, arguments: nothing, payload: nothing)
  }

  // MARK: Receiving

  /// Reads the next request: how many bytes, or -1 with an errno, as read(2).
  func receive() -> Int {
    guard let buffers, case .device(let descriptor) = route.destination else { return 0 }
    let count = read(descriptor.number, buffers.input.baseAddress!, buffers.input.count)
    guard
      let message = RequestParts(UnsafeRawBufferPointer(rebasing: buffers.input[..<max(count, 0)]))
    else { return count }
    self.message = message
    header = RequestHeader(unchecked: message.header)
    route.unique = header.unique
    route.stamp = route.statistics.received(header.rawOpcode)
    reply = .due
    // Before another thread can read what interrupts it.
    served.begin(header.unique, caller: Int32(bitPattern: header.processID))
    return count
  }

  /// A request has come in `entry`, at the time of `stamp` if another thread has seen it before. False when it makes no sense, and is answered.
  @inline(__always)
  func begin(_ entry: RingEntry, _ stamp: RequestStamp? = nil) -> Bool {
    let isSensible: Bool
    if let parts = entry.request() {
      message = parts
      header = RequestHeader(unchecked: parts.header)
      isSensible = true
    } else {
      message = Self.noMessage
      header = RequestHeader(unchecked: UnsafeRawBufferPointer(entry.header.memory))
      isSensible = false
    }
    route.unique = header.unique
    route.destination = .ring(entry)
    route.stamp = stamp ?? route.statistics.received(header.rawOpcode)
    reply = .due
    mayWait = ringThread == nil
    // What interrupts it comes on another way, and may have been there first.
    interruptions.begin(served, header.unique, caller: Int32(bitPattern: header.processID))
    if !isSensible { send(.ioError) }
    return isSensible
  }

  /// Has `server` serve the request. `isAgain`: it has been postponed by another thread.
  @inline(__always)
  func serve(by server: any RequestServer, isAgain: Bool = false) {
    self.server = server
    if let observer = route.observer, !isAgain { observer.received(self) }
    server.serve(self)
    if reply == .due { send(.ioError) }
    if let afterReply {
      self.afterReply = nil
      if reply != .postponed { afterReply() }
    }
  }

  /// The same by a thread that is not to be kept waiting, where there is no other.
  func serveHere(by server: any RequestServer) {
    mayWait = true
    reply = .due
    serve(by: server, isAgain: true)
  }

  /// When the request came.
  var stamp: RequestStamp { route.stamp }
  /// Whether its thread runs on one processor only.
  var isPinned: Bool { ringThread != nil }
  /// Whether another thread is to serve the request again.
  var isPostponed: Bool { reply == .postponed }
  /// Whether the caller was interrupted, as far as it is known.
  var isInterrupted: Bool { served.isInterrupted }
  func noteInterrupted() { _ = served.interrupt(header.unique) }

  // MARK: Replying

  /// What a server sends as an error when it would have to wait and may not (`mayWait`): before it has changed anything. No error of the system has this
  /// number, which is that of `WaitPolicy`. It is not sent: another thread has the server serve the request again, and that one may wait.
  public static let wouldWait = Errno(rawValue: 0x4E57_4149)

  /// Where a reply of up to `size` bytes can be made, or of as many as there is room for. `send` sends it from there. The request's
  /// names and data may lie in the same place, and be gone once something is written to it.
  @inline(__always)
  public func output(_ size: Int) -> UnsafeMutableRawBufferPointer {
    if case .ring(let entry) = route.destination { return entry.output(size) }
    guard let buffers else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
    let buffer = size <= buffers.smallOutput.count ? buffers.smallOutput : buffers.output
    return UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(size, buffer.count)])
  }

  /// Sends the reply. False when the caller does not wait for it any more, as far as that can be known.
  @discardableResult
  public func send(_ payload: UnsafeRawBufferPointer) -> Bool {
    settle()
    return route.send(payload, by: ringThread)
  }

  /// The same with an errno, or with neither an error nor a payload.
  @discardableResult
  public func send(_ error: Errno?) -> Bool {
    settle()
    if error == Self.wouldWait, !mayWait {
      reply = .postponed
      return true
    }
    return route.send(error, by: ringThread)
  }

  /// The same with a structure.
  @discardableResult
  public func send(_ structure: some ReplyArguments) -> Bool {
    settle()
    return route.send(structure, by: ringThread)
  }

  /// The request has no reply.
  public func dropReply() {
    settle()
    // No such request comes by a ring, whose entry would stay as it is.
    if case .ring = route.destination {
      _ = route.send(.ioError, by: ringThread)
    } else {
      route.statistics.answered(route.stamp)
    }
  }

  /// The reply comes later, and from elsewhere.
  public func takeReply() -> ReplyRoute {
    settle()
    if case .ring(let entry) = route.destination { entry.hold() }
    return route
  }

  /// Whether the reply may wait for other requests: false where those might find no room.
  public var mayWaitForRequests: Bool {
    if case .ring(let entry) = route.destination { return entry.queue.hasRoom }
    return true
  }

  private func settle() {
    precondition(reply == .due, "a request has one reply")
    reply = .settled
  }

  // MARK: The thread

  /// Makes this what the calling thread serves for as long as `body` runs.
  func adopt(_ body: () -> Void) {
    pthread_setspecific(Self.key, Unmanaged.passUnretained(self).toOpaque())
    route.statistics.enter()
    served.adopt(body)
    pthread_setspecific(Self.key, nil)
  }

  /// What the calling thread serves.
  public static var current: Exchange? {
    pthread_getspecific(key).map { Unmanaged<Exchange>.fromOpaque($0).takeUnretainedValue() }
  }

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
  }()

  /// The calling thread is about to wait: for the disk, for a lock, for another thread or for the kernel. If it reads requests, another thread
  /// does so from here on.
  public static func threadWillWait() { current?.willWait() }

  /// The same, for the thread that serves this.
  public func willWait() {
    reader?.willWait()
    // Replies that are ready must not wait with it.
    ringThread?.submit()
  }
}
