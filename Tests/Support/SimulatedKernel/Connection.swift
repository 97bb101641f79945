import Glibc
import SystemPackage

/// The kernel's end of /dev/fuse: requests out, replies in, each message in one piece.
final class Connection: @unchecked Sendable {
  /// The server's end.
  let daemonDescriptor: CInt
  private let descriptor: CInt
  private let rules: RuleBook
  private let counters: CounterBoard
  private let deadline: Int
  private let monitor = Monitor()

  // Under `monitor`.
  private var pending: [UInt64: PendingRequest] = [:]
  /// What was pending when the connection ended.
  private var forsaken: Set<UInt64> = []
  private var lastUnique: UInt64 = 2
  private var queue: [PendingRequest] = []
  private var activeInBackground = 0
  private var maximumBackground: Int
  private var isOpenForAll = false
  private var isAborted = false

  /// A message with unique 0.
  var onNotification: (@Sendable ([UInt8]) -> Void)?
  /// Called with the opcode and the node of each request just before it goes out, and of its reply.
  var onSend: (@Sendable (PendingRequest) -> Void)?
  let history = MessageHistory()

  init(configuration: SimulatedKernel.Configuration, rules: RuleBook, counters: CounterBoard)
    throws(Errno)
  {
    var ends: [CInt] = [-1, -1]
    guard socketpair(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue), 0, &ends) == 0 else {
      throw Errno(rawValue: errno)
    }
    descriptor = ends[0]
    daemonDescriptor = ends[1]
    self.rules = rules
    self.counters = counters
    deadline = configuration.deadline
    maximumBackground = configuration.maximumBackground
    var size: CInt = 4 << 20
    for end in ends {
      // SO_SNDBUFFORCE and SO_RCVBUFFORCE, for messages of a megabyte.
      for option in [CInt(32), 33] where setsockopt(end, SOL_SOCKET, option, &size, 4) != 0 {
        setsockopt(end, SOL_SOCKET, option == 32 ? SO_SNDBUF : SO_RCVBUF, &size, 4)
      }
    }
    var patience = timeval(tv_sec: deadline / 1000, tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    startThread("sim-replies") { [self] in receive() }
  }

  deinit {
    close(descriptor)
  }

  // MARK: Sending

  /// Sends a request and waits for its reply; an error reply is thrown.
  func request(
    _ opcode: Opcode, node: UInt64, _ payload: [UInt8] = [], as caller: Caller = Caller(),
    kind: String? = nil
  ) throws(Errno) -> [UInt8] {
    let reply = try exchange(opcode, node: node, payload, as: caller, kind: kind)
    guard reply.error == 0 else { throw Errno(rawValue: reply.error) }
    return reply.payload
  }

  /// Sends a request and waits for its reply.
  func exchange(
    _ opcode: Opcode, node: UInt64, _ payload: [UInt8] = [], as caller: Caller = Caller(),
    kind: String? = nil
  ) throws(Errno) -> Reply {
    try wait(for: submit(opcode, node: node, payload, as: caller, kind: kind))
  }

  func wait(for request: PendingRequest) throws(Errno) -> Reply {
    if let reply = request.wait(milliseconds: deadline) {
      if reply.error == ECONNABORTED && reply.length == 0 { throw .connectionAbort }
      return reply
    }
    rules.fail("no reply within \(deadline) ms to \(request.description); \(outstanding)")
    abort()
    throw .timedOut
  }

  /// Sends a request without waiting for its reply. The caller may wait for it later.
  func submit(
    _ opcode: Opcode, node: UInt64, _ payload: [UInt8] = [], as caller: Caller = Caller(),
    kind: String? = nil, completion: (@Sendable (Reply) -> Void)? = nil
  ) throws(Errno) -> PendingRequest {
    let request = try make(opcode, node, payload, caller, completion)
    try transmit(request, kind: kind)
    return request
  }

  /// Queues a request that the kernel sends when not too many are on their way already.
  func submitInBackground(
    _ opcode: Opcode, node: UInt64, _ payload: [UInt8], as caller: Caller = Caller(),
    completion: @escaping @Sendable (Reply) -> Void = { _ in }
  ) throws(Errno) {
    let request = try make(opcode, node, payload, caller) { [weak self] reply in
      completion(reply)
      self?.backgroundRequestEnded()
    }
    let isFirst = monitor.withLock {
      guard activeInBackground < maximumBackground else {
        queue.append(request)
        return false
      }
      activeInBackground += 1
      return true
    }
    if isFirst { try transmit(request, kind: nil) }
  }

  private func backgroundRequestEnded() {
    let next: PendingRequest? = monitor.withLock {
      activeInBackground -= 1
      defer { monitor.broadcast() }
      guard !queue.isEmpty, activeInBackground < maximumBackground else { return nil }
      activeInBackground += 1
      return queue.removeFirst()
    }
    if let next { try? transmit(next, kind: nil) }
  }

  /// Sends everything that waits in the background queue, without waiting (ABI 4.7, v7).
  func flushBackground() {
    let all = monitor.withLock {
      defer { queue = [] }
      activeInBackground += queue.count
      return queue
    }
    for request in all { try? transmit(request, kind: nil) }
  }

  /// Waits until nothing is in the background (ABI 2.6, v6).
  func drainBackground() throws(Errno) {
    let isDone = monitor.withLock {
      monitor.wait(until: Deadline(milliseconds: deadline)) {
        isAborted || queue.isEmpty && activeInBackground == 0
      }
    }
    guard isDone else {
      rules.fail("background requests do not end; \(outstanding)")
      throw .timedOut
    }
  }

  /// FUSE_INTERRUPT of a request that is on its way.
  func interrupt(_ request: PendingRequest) throws(Errno) {
    guard !request.isAnswered else { return }
    var payload = MessageWriter()
    payload.append(request.unique)
    counters.add("interrupt")
    // The kernel sets the lowest bit for these; nothing waits for them.
    let message = Self.encode(.interrupt, request.node, request.unique | 1, payload.bytes, .kernel)
    try send(message)
  }

  private func make(
    _ opcode: Opcode, _ node: UInt64, _ payload: [UInt8], _ caller: Caller,
    _ completion: (@Sendable (Reply) -> Void)?
  ) throws(Errno) -> PendingRequest {
    let isSetUp = opcode == .initialize || opcode == .config
    let unique: UInt64? = monitor.withLock {
      if !isSetUp {
        let isOpen = monitor.wait(until: Deadline(milliseconds: deadline)) {
          isOpenForAll || isAborted
        }
        guard isOpen else { return nil }
      }
      guard !isAborted else { return nil }
      lastUnique += 2
      return lastUnique
    }
    guard let unique else { throw Errno(rawValue: ENOTCONN) }
    return PendingRequest(
      unique: unique, opcode: opcode, node: node,
      message: Self.encode(opcode, node, unique, payload, caller), completion: completion)
  }

  private func transmit(_ request: PendingRequest, kind: String?) throws(Errno) {
    counters.add(kind ?? "\(request.opcode)")
    onSend?(request)
    history.sent(request)
    if !request.opcode.isOneWay {
      let isAborted = monitor.withLock {
        if !self.isAborted { pending[request.unique] = request }
        return self.isAborted
      }
      if isAborted {
        request.complete(Reply(length: 0, error: ECONNABORTED, payload: []))
        return
      }
    }
    try send(request.message)
  }

  private func send(_ message: [UInt8]) throws(Errno) {
    let sent = Glibc.send(descriptor, message, message.count, CInt(MSG_NOSIGNAL))
    guard sent == message.count else {
      if errno == EAGAIN { rules.fail("the server reads no requests; \(outstanding)") }
      throw Errno(rawValue: ENOTCONN)
    }
  }

  /// `struct fuse_in_header` and what follows (ABI 3.3).
  static func encode(
    _ opcode: Opcode, _ node: UInt64, _ unique: UInt64, _ payload: [UInt8], _ caller: Caller
  ) -> [UInt8] {
    var message = MessageWriter(capacity: 40 + payload.count)
    message.append(UInt32(40 + payload.count))
    message.append(opcode.rawValue)
    message.append(unique)
    message.append(node)
    message.append(caller.uid)
    message.append(caller.gid)
    message.append(caller.pid)
    message.append(UInt32(0))
    message.append(raw: payload)
    return message.bytes
  }

  // MARK: Receiving

  private func receive() {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 << 20, alignment: 16)
    defer { buffer.deallocate() }
    while true {
      let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
    abort()
  }

  private func take(_ message: UnsafeRawBufferPointer) {
    guard message.count >= 16 else {
      rules.fail("a reply of \(message.count) bytes")
      return
    }
    let header = MessageReader(message)
    let (length, error, unique) = (header.u32(0), header.i32(4), header.u64(8))
    if unique == 0 {
      onNotification?(Array(message))
      return
    }
    let isInterruptReply = unique & 1 == 1
    if isInterruptReply { return }
    let (request, isForsaken) = monitor.withLock {
      (pending.removeValue(forKey: unique), forsaken.remove(unique) != nil)
    }
    // It was on its way when the connection ended.
    if isForsaken { return }
    guard let request else {
      rules.violate(.i80, "a second or unasked-for reply, unique \(unique), error \(error)")
      return
    }
    if length != message.count || error > 0 || error <= -512 || (error != 0 && length != 16) {
      let what = "\(request.description): \(message.count) bytes, len \(length), error \(error)"
      if request.opcode == .begin {
        rules.violate(.i22, what)
      } else {
        rules.fail("malformed reply to \(what)")
      }
      request.complete(Reply(length: message.count, error: EIO, payload: []))
      return
    }
    let reply = Reply(
      length: message.count, error: -error, payload: Array(message.dropFirst(16)))
    history.answered(request, reply)
    request.complete(reply)
  }

  // MARK: Life

  /// CONFIG is through: others may go (ABI 2.3, step 5).
  func openForAll(maximumBackground: Int) {
    monitor.withLock {
      isOpenForAll = true
      if maximumBackground > 0 { self.maximumBackground = maximumBackground }
      monitor.broadcast()
    }
  }

  /// The connection ends: all threads that wait get ECONNABORTED, the server reads the end.
  func abort() {
    let all = monitor.withLock {
      isAborted = true
      monitor.broadcast()
      forsaken.formUnion(pending.keys)
      defer { (pending, queue) = ([:], []) }
      return Array(pending.values) + queue
    }
    shutdown(descriptor, CInt(SHUT_RDWR))
    for request in all {
      request.complete(Reply(length: 0, error: ECONNABORTED, payload: []))
    }
  }

  var isOver: Bool { monitor.withLock { isAborted } }

  var outstanding: String {
    let all = monitor.withLock {
      (pending.values.map(\.description), queue.count, activeInBackground)
    }
    let list = all.0.sorted().joined(separator: ", ")
    return
      "outstanding: \(list.isEmpty ? "none" : list); in the background \(all.2), queued \(all.1)"
  }

  var outstandingCount: Int { monitor.withLock { pending.count } }
}
