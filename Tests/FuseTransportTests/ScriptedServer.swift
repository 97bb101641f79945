import FuseProtocol
import FuseTransport
import Glibc
import Synchronization
import SystemPackage

/// A small file system in memory, each file of which is served in a way of its own.
final class ScriptedServer: RequestServer, @unchecked Sendable {
  /// The names in the root directory; each is a file, but for `many`.
  enum Name: UInt64, CaseIterable {
    /// Reads and writes are served at once.
    case data = 2
    /// Reads take 20 milliseconds, and so must not be served where requests are read.
    case slow = 3
    /// The replies to reads come later, from another thread.
    case held = 4
    /// A directory with many names.
    case many = 5

    var text: String { "\(self)" }
  }

  static let root: UInt64 = 1
  static let nameCount = 3000
  static let size = 4 << 20

  private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
  private let negotiated = NegotiatedProtocol(minor: NegotiatedProtocol.latestMinor)
  private let initialized = Atomic<Bool>(false)
  /// Asked with INIT: whether to take the offer of io_uring.
  private let takesRing: @Sendable (_ isOffered: Bool) -> Bool

  /// What has been seen of the ways in which requests were served.
  struct Sightings {
    var served: [Opcode: Int] = [:]
    /// Reads of `slow` that were put off, and that were carried out.
    var postponed = 0
    var slowReads = 0
    /// Reads of `slow` that were carried out by a thread that must not wait.
    var misplaced = 0
    var interrupted = 0
    var held: [(ReplyRoute, Int)] = []
  }

  let sightings = Mutex(Sightings())
  private let heldReplies = Mutex<[(ReplyRoute, Request.Read)]>([])

  init(takesRing: @escaping @Sendable (_ isOffered: Bool) -> Bool) {
    self.takesRing = takesRing
    for index in 0..<(Self.size / 8) {
      bytes.storeBytes(of: Self.word(index), toByteOffset: index * 8, as: UInt64.self)
    }
  }

  deinit { bytes.deallocate() }

  /// What `data` holds at first, eight bytes each.
  static func word(_ index: Int) -> UInt64 { UInt64(index) &* 0x9E37_79B9_7F4A_7C15 }

  var isInitialized: Bool { initialized.load(ordering: .acquiring) }

  func serve(_ exchange: Exchange) {
    do throws(DecodingError) {
      let request = try RequestMessage(exchange.message, negotiated).request
      if let opcode = exchange.header.opcode {
        sightings.withLock { $0.served[opcode, default: 0] += 1 }
      }
      serve(request, exchange)
    } catch {
      exchange.send(.invalidArgument)
    }
  }

  private func serve(_ request: Request, _ exchange: Exchange) {
    let node = exchange.header.nodeID
    switch request {
    case .initialize(let offer): initialize(offer, exchange)
    case .lookup(let lookup): look(up: lookup.name, exchange)
    case .getattr:
      exchange.send(
        Reply.Attributes(timeout: CacheTimeout(seconds: 0), attributes: attributes(of: node)))
    case .setattr:
      exchange.send(
        Reply.Attributes(timeout: CacheTimeout(seconds: 0), attributes: attributes(of: node)))
    case .open: exchange.send(Reply.Open(handle: 0, flags: .directIO))
    case .opendir: exchange.send(Reply.Open(handle: 0, flags: []))
    case .read(let read): self.read(read, exchange)
    case .write(let write): self.write(write, exchange)
    case .readdir(let read): list(read, exchange)
    case .statfs:
      exchange.send(
        Reply.Statistics(
          blocks: 1000, freeBlocks: 500, availableBlocks: 400, files: 30, freeFiles: 20,
          blockSize: 4096, maximumNameLength: 255, fragmentSize: 4096))
    case .getxattr(let attribute): describe(attribute, exchange)
    case .forget, .batchForget: exchange.dropReply()
    case .interrupt(let interrupt):
      exchange.dropReply()
      interruptions?.interrupt(interrupt.unique)
    case .release, .releasedir, .flush, .destroy: exchange.send(nil)
    default: exchange.send(.noFunction)
    }
  }

  /// Set before there is a request.
  var interruptions: Interruptions?

  private func initialize(_ offer: Request.Initialize, _ exchange: Exchange) {
    // Without ASYNC_DIO: what a direct read waits for could not be interrupted with it (fuse_direct_IO in fs/fuse/file.c).
    var flags = offer.flags.intersection([
      .asyncRead, .bigWrites, .maximumPages, .extended, .parallelDirectoryOperations,
    ])
    if takesRing(offer.flags.contains(.overIOUring)) { flags.insert(.overIOUring) }
    exchange.send(
      Reply.Initialize(
        maximumReadahead: 131_072, flags: flags, maximumBackground: 64, congestionThreshold: 48,
        maximumWrite: 1 << 20, maximumPages: 256))
    initialized.store(true, ordering: .releasing)
  }

  // MARK: Names

  private func attributes(of node: UInt64) -> FileAttributes {
    let never = Timestamp(seconds: 0, nanoseconds: 0)
    let isDirectory = node == Self.root || node == Name.many.rawValue
    return FileAttributes(
      inode: node, size: UInt64(Self.size), sectorCount: 0, accessTime: never,
      modificationTime: never, changeTime: never, mode: isDirectory ? 0o040_755 : 0o100_644,
      linkCount: 1, userID: 0, groupID: 0, device: 0, blockSize: 4096)
  }

  private func look(up name: UnsafeRawBufferPointer, _ exchange: Exchange) {
    let text = String(decoding: name, as: UTF8.self)
    guard let found = Name.allCases.first(where: { $0.text == text }) else {
      exchange.send(.noSuchFileOrDirectory)
      return
    }
    exchange.send(
      Reply.Entry(
        nodeID: found.rawValue, generation: 0, nameTimeout: CacheTimeout(seconds: 0),
        attributeTimeout: CacheTimeout(seconds: 0), attributes: attributes(of: found.rawValue)))
  }

  private func list(_ read: Request.Read, _ exchange: Exchange) {
    let memory = exchange.output(Int(read.size))
    var writer = DirectoryWriter(memory, isPlus: false)
    var position = Int(read.offset)
    while position < Self.nameCount {
      let name = Array("name \(position)".utf8)
      guard writer.hasRoom(forNameOf: name.count) else { break }
      position += 1
      name.withUnsafeBytes {
        writer.add($0, inode: UInt64(1000 + position), mode: 0o100_644, next: UInt64(position))
      }
    }
    exchange.send(UnsafeRawBufferPointer(rebasing: memory[..<writer.count]))
  }

  /// The value of an attribute is its own name, twice.
  private func describe(_ attribute: Request.GetExtendedAttribute, _ exchange: Exchange) {
    let value = Array(attribute.name) + Array(attribute.name)
    if attribute.size == 0 {
      exchange.send(Reply.ExtendedAttributeSize(size: UInt32(value.count)))
    } else {
      _ = value.withUnsafeBytes { exchange.send($0) }
    }
  }

  // MARK: Data

  private func range(_ offset: UInt64, _ count: Int) -> Range<Int> {
    let start = min(Int(offset), Self.size)
    return start..<min(start + count, Self.size)
  }

  private func read(_ read: Request.Read, _ exchange: Exchange) {
    switch Name(rawValue: exchange.header.nodeID) {
    case .slow:
      guard exchange.mayWait else {
        sightings.withLock { $0.postponed += 1 }
        exchange.send(Exchange.wouldWait)
        return
      }
      exchange.willWait()
      var isGone = false
      for _ in 0..<4 where !isGone {
        usleep(5000)
        isGone = ServedRequest.current?.isCallerGone ?? false
      }
      sightings.withLock { [isGone] in
        $0.slowReads += 1
        if isGone { $0.interrupted += 1 }
      }
      copy(read, exchange)
    case .held:
      let reply = exchange.takeReply()
      heldReplies.withLock { $0.append((reply, read)) }
    default: copy(read, exchange)
    }
  }

  private func copy(_ read: Request.Read, _ exchange: Exchange) {
    let range = range(read.offset, Int(read.size))
    let output = exchange.output(range.count)
    output.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[range]))
    exchange.send(UnsafeRawBufferPointer(output))
  }

  private func write(_ write: Request.Write, _ exchange: Exchange) {
    let range = range(write.offset, write.data.count)
    UnsafeMutableRawBufferPointer(rebasing: bytes[range]).copyMemory(
      from: UnsafeRawBufferPointer(rebasing: write.data[..<range.count]))
    exchange.send(Reply.Write(count: UInt32(range.count)))
  }

  /// How many reads of `held` wait for their replies.
  var heldCount: Int { heldReplies.withLock { $0.count } }

  /// Sends the replies of those, by the calling thread.
  func releaseHeld() {
    let taken = heldReplies.withLock { held in
      defer { held = [] }
      return held
    }
    for (reply, read) in taken {
      reply.send(UnsafeRawBufferPointer(rebasing: bytes[range(read.offset, Int(read.size))]))
    }
  }
}
