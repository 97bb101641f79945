import FuseProtocol
import Glibc
import Synchronization
import Testing

@testable import FuseServer
@testable import FuseTransport

/// The reply to INIT.
@Suite struct NegotiationTests {
  private func offer(
    _ flags: InitFlags = InitFlags(rawValue: .max), minor: UInt32 = 45
  ) throws -> Request.Initialize {
    var payload: [UInt8] = []
    for word in [7, minor, 131_072, flags.low, flags.high] + [UInt32](repeating: 0, count: 11) {
      withUnsafeBytes(of: word) { payload += $0 }
    }
    return try payload.withUnsafeBytes {
      try Request.Initialize($0, of: .initialize, NegotiatedProtocol(minor: minor))
    }
  }

  private func reply(
    to flags: InitFlags = InitFlags(rawValue: .max), minor: UInt32 = 45,
    _ options: Session.Options = .init(), usesIomap: Bool = false
  ) throws -> Reply.Initialize {
    Negotiation.reply(
      to: try offer(flags, minor: minor), options: options, usesIomap: usesIomap)
  }

  /// All flags at once, as of a kernel of today that moves no data.
  @Test func whatAStockKernelIsToDo() throws {
    let reply = try reply()
    #expect(
      reply.flags == [
        .asyncRead, .exportSupport, .bigWrites, .dontMask, .readdirplus, .readdirplusAuto,
        .asyncDirectIO, .writebackCache, .parallelDirectoryOperations, .posixACL, .maximumPages,
        .cacheSymlinks, .handleKillPrivilegesV2, .extended,
      ])
    #expect(reply.major == 7 && reply.minor == 45)
    #expect(reply.maximumReadahead == 4 << 20 && reply.timeGranularity == 1)
    #expect(reply.maximumBackground == 64 && reply.congestionThreshold == 48)
    #expect(reply.mapAlignment == 0 && reply.maximumStackDepth == 0 && reply.requestTimeout == 0)
  }

  /// fuse-iomap ABI 2.4 and 2.7, rules I-1 and I-2. A kernel that moves data must say when it has closed a file (4.7).
  @Test func whatAKernelThatMovesDataIsToDo() throws {
    let stock = try reply().flags
    let reply = try reply(minor: 99, usesIomap: true)
    #expect(reply.minor == 99)
    #expect(
      reply.flags == stock.subtracting(.writebackCache).union([.iomapOrBufferPool]))
    #expect(!reply.flags.contains(.atomicTruncate))
    let connection = Connection(.init(), iomap: IomapMode(nil))
    _ = connection.answer(try offer())
    #expect(connection.declinesOpen && connection.declinesOpendir)
  }

  /// The kernel keeps requests waiting from then on: nothing is taken that does not work, and nothing that is not offered.
  @Test func requestsOverIOUring() throws {
    #expect(try !reply().flags.contains(.overIOUring))
    let made = Mutex(0)
    func flags(_ ring: RingMode, offered: Bool, usesIomap: Bool = false) -> Bool {
      ring.answer(isOffered: offered, usesIomap: usesIomap)
    }
    let ring = RingMode()
    #expect(!flags(ring, offered: true) && ring.failure?.reason == "it was not asked for")
    ring.want { () throws(RingFailure) in
      made.withLock { $0 += 1 }
      throw RingFailure("this is a test")
    }
    #expect(!flags(ring, offered: false))
    #expect(ring.failure?.reason.contains("enable_uring") == true)
    #expect(!flags(ring, offered: true, usesIomap: true))
    #expect(ring.failure?.reason == "the kernel moves file data" && made.withLock { $0 } == 0)
    #expect(!flags(ring, offered: true) && made.withLock { $0 } == 1)
    #expect(ring.failure?.reason == "this is a test")
    #expect(ring.transport == nil)
  }

  /// From 7.3 on, mainline kernels mean pools of buffers for io_uring by the same bit.
  @Test(arguments: [UInt32(7), 31, 45, 46, 98, 100, .max])
  func theBitMeansIomapAtItsMinorOnly(minor: UInt32) throws {
    #expect(!(try offer(minor: minor).flags.hasIomap(minor: minor)))
    #expect(try offer(minor: 99).flags.hasIomap(minor: 99))
    #expect(!(try reply(minor: minor).flags.contains(.iomapOrBufferPool)))
  }

  @Test(arguments: UInt64(0)..<64)
  func nothingThatIsNotOffered(bit: UInt64) throws {
    // The upper half counts only with INIT_EXT.
    let offered = InitFlags(rawValue: 1 << bit).union(bit < 32 ? [] : .extended)
    for usesIomap in [false, true] {
      #expect(try reply(to: offered, usesIomap: usesIomap).flags.isSubset(of: offered))
    }
  }

  @Test func mappedIDsWhereTheyAreWanted() throws {
    var options = Session.Options()
    options.mappedIDs = true
    #expect(try reply(options).flags.contains(.allowIDMapping))
    #expect(!(try reply().flags.contains(.allowIDMapping)))
  }

  @Test func accessControlListsWhereTheyAreWanted() throws {
    var options = Session.Options()
    options.accessControlLists = false
    #expect(!(try reply(options).flags.contains(.posixACL)))
  }

  @Test func opensAreAskedForWhereTheyAreToBeChecked() throws {
    var options = Session.Options()
    options.checksOpening = true
    let connection = Connection(options, iomap: IomapMode(nil))
    _ = connection.answer(try offer())
    #expect(!connection.declinesOpen && connection.declinesOpendir)
    let old = Connection(.init(), iomap: IomapMode(nil))
    _ = old.answer(try offer([.asyncRead]))
    #expect(!old.declinesOpen && !old.declinesOpendir)
  }

  /// Requests are received in a buffer of fixed size, and the kernel without MAX_PAGES sends 32 pages.
  @Test func noWriteLargerThanTheBuffer() throws {
    let page = Int(sysconf(CInt(_SC_PAGESIZE)))
    let reply = try reply()
    #expect(Int(reply.maximumWrite) == TransferMemory.maximumTransfer)
    #expect(Int(reply.maximumPages) * page == TransferMemory.maximumTransfer)
    let old = try self.reply(to: [.asyncRead, .bigWrites])
    #expect(Int(old.maximumWrite) == 32 * page && old.maximumPages == 0)
  }

  /// A kernel takes the reply in the size that its minor has, and no other.
  @Test(arguments: [(UInt32(45), 64), (23, 64), (22, 24), (5, 24), (4, 8)])
  func theReplyHasTheSizeOfTheMinor(minor: UInt32, size: Int) throws {
    let kernel = try SocketKernel()
    var payload: [UInt8] = []
    for word in [7, minor, 131_072, 0xFFFF_FFFB & ~(1 << 30)] as [UInt32] {
      withUnsafeBytes(of: word) { payload += $0 }
    }
    #expect(try kernel.ask(26, Array(payload.prefix(minor < 6 ? 8 : 16))).payload.count == size)
  }

  @Test func anotherMajor() throws {
    let kernel = try SocketKernel()
    var payload: [UInt8] = []
    for word in [6, 1, 0, 0] as [UInt32] { withUnsafeBytes(of: word) { payload += $0 } }
    #expect(try kernel.ask(26, payload).error == -EPROTO)
    payload[0] = 8
    let reply = try kernel.ask(26, payload)
    #expect(reply.error == 0 && load(UInt32.self, reply.payload) == 7)
    // It asks again, in our major.
    #expect(try kernel.initialize().major == 7)
  }
}
