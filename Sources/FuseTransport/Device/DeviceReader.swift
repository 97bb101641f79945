import FuseProtocol
import Glibc

/// A thread that reads requests from /dev/fuse while it has the role, and sees each through to its reply.
final class DeviceReader {
  private let transport: DeviceTransport
  private let exchange: Exchange
  private let descriptor: KernelDescriptor
  /// Whether this thread is the one that reads requests.
  private(set) var isReading = false
  private var polling = AdaptivePolling()
  /// Nil for the threads that there are from the beginning.
  private let ownMemory: TransferMemory?

  /// `ownMemory`: where the buffers are, if the thread is there for as long as it is needed only.
  init(
    _ transport: DeviceTransport, on descriptor: KernelDescriptor,
    _ buffers: TransferMemory.Buffers,
    ownMemory: TransferMemory? = nil
  ) {
    self.transport = transport
    self.descriptor = descriptor
    self.ownMemory = ownMemory
    exchange = Exchange(
      descriptor, buffers, transport.interruptions, transport.statistics,
      observer: transport.observer)
    exchange.reader = self
  }

  /// The whole life of a thread of the transport.
  func serveInThread() { transport.serve(self) }

  /// Serves requests by the calling thread until the connection ends or `isDone` says so, which is asked when a signal comes, and before each
  /// request; or until the thread is not needed any more.
  func serve(until isDone: () -> Bool) {
    descriptor.setNonblocking()
    exchange.adopt {
      while transport.role.take(until: isDone) {
        isReading = true
        polling.begin()
        while isReading {
          guard receive(until: isDone) else { return leave() }
          serveOne()
        }
        if ownMemory != nil, transport.hasEnoughCandidates { return }
      }
    }
  }

  private func serveOne() {
    switch RequestDuration(exchange.header.opcode, exchange.message.arguments) {
    case .short: exchange.serve(by: transport.server)
    case .shortWrite:
      let start = Clock.now
      if transport.slowWrites.areExpected(at: start) { passRole() }
      exchange.serve(by: transport.server)
      if isReading { transport.slowWrites.note(from: start, to: Clock.now) }
    case .long:
      passRole()
      exchange.serve(by: transport.server)
    }
  }

  /// From here on another thread reads requests.
  func passRole() {
    guard isReading else { return }
    isReading = false
    transport.role.pass()
  }

  /// The thread is about to wait. Another one reads requests meanwhile: if there is none, it is started.
  func willWait() {
    passRole()
    if transport.role.isVacant { transport.addReader() }
  }

  /// There is no more to read; the other threads are to find out for themselves.
  private func leave() {
    isReading = false
    transport.role.pass()
  }

  /// Waits for a request. False when there will be no more.
  private func receive(until isDone: () -> Bool) -> Bool {
    var slept: UInt64?
    while !isDone() {
      let count = exchange.receive()
      if count >= RequestHeader.size {
        polling.found(afterSleeping: slept)
        transport.latency.noteRequest(afterSleeping: slept)
        return true
      }
      if count >= 0 { return false }
      switch errno {
      case EAGAIN: if !polling.looksAgain(at: Clock.now) { slept = sleep() }
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
    let start = Clock.now
    var file = pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0)
    let latency = transport.latency
    if !latency.isHeld || poll(&file, 1, CPULatencyRequest.patienceMilliseconds) == 0 {
      latency.release()
      poll(&file, 1, -1)
    }
    return Clock.now - start
  }
}
