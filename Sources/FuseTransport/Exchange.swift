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
    /// It was sent, taken over, or is none.
    case settled
  }

  /// The whole request, valid until the server returns.
  public private(set) var message: UnsafeRawBufferPointer
  public private(set) var header: RequestHeader
  /// What comes behind the header.
  public var payload: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: message[RequestHeader.size...])
  }
  /// What the request was handed to last.
  public private(set) unowned(unsafe) var server: (any RequestServer)?
  /// Whether the thread may wait while it serves this request. One that may not answers with `wouldWait`, before it has changed anything.
  public var mayWait = true
  /// Called once the server has returned, on the same thread, and forgotten then.
  public var afterReply: (() -> Void)?

  private var reply = Reply.settled
  private let buffers: TransferMemory.Buffers
  /// With the number of the request that is being served.
  private var route: ReplyRoute
  private let served: ServedRequest
  private let interruptions: Interruptions
  /// The thread's part in reading requests; nil for a thread that reads none.
  unowned(unsafe) var reader: DeviceReader?

  init(
    _ descriptor: KernelDescriptor, _ buffers: TransferMemory.Buffers,
    _ interruptions: Interruptions, _ statistics: RequestStatistics,
    observer: (any ExchangeObserver)?
  ) {
    self.buffers = buffers
    self.interruptions = interruptions
    route = ReplyRoute(
      unique: 0, descriptor: descriptor, observer: observer, statistics: statistics)
    served = interruptions.add()
    message = UnsafeRawBufferPointer(buffers.input)
    header = RequestHeader(unchecked: message)
  }

  deinit { interruptions.remove(served) }

  // MARK: Receiving

  /// Reads the next request: how many bytes, or -1 with an errno, as read(2).
  func receive() -> Int {
    let count = read(
      route.descriptor.number, buffers.input.baseAddress!, buffers.input.count)
    guard count >= RequestHeader.size else { return count }
    message = UnsafeRawBufferPointer(rebasing: buffers.input[..<count])
    header = RequestHeader(unchecked: message)
    route.unique = header.unique
    route.stamp = route.statistics.received(header.rawOpcode)
    reply = .due
    // Before another thread can read what interrupts it.
    served.begin(header.unique, caller: Int32(bitPattern: header.processID))
    return count
  }

  /// Has `server` serve the request.
  func serve(by server: any RequestServer) {
    self.server = server
    if let observer = route.observer { observer.received(self) }
    server.serve(self)
    if reply == .due { send(.ioError) }
    if let afterReply {
      self.afterReply = nil
      afterReply()
    }
  }

  // MARK: Replying

  /// Where a reply of up to `size` bytes can be made, or of as many as there is room for. `send(first:)` sends it from there.
  public func output(_ size: Int) -> UnsafeMutableRawBufferPointer {
    let buffer = size <= buffers.smallOutput.count ? buffers.smallOutput : buffers.output
    return UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(size, buffer.count)])
  }

  /// Sends the reply. False when the caller does not wait for it any more.
  @discardableResult
  public func send(_ payload: UnsafeRawBufferPointer) -> Bool {
    settle()
    return route.send(payload)
  }

  /// The same with an errno, or with neither an error nor a payload.
  @discardableResult
  public func send(_ error: Errno?) -> Bool {
    settle()
    return route.send(error)
  }

  /// The same with a structure.
  @discardableResult
  public func send(_ structure: some ReplyArguments) -> Bool {
    settle()
    return route.send(structure)
  }

  /// The request has no reply.
  public func dropReply() {
    settle()
    route.statistics.answered(route.stamp)
  }

  /// The reply comes later, and from elsewhere.
  public func takeReply() -> ReplyRoute {
    settle()
    return route
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
  public func willWait() { reader?.passRole() }
}
