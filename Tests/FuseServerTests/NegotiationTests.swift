import CFuse3
import CLinux
import Testing

@testable import FuseServer

@Suite struct NegotiationTests {
  private let killPrivileges = UInt32(FUSE_HANDLE_KILLPRIV_V2)

  private func amended(
    _ reply: [UInt8], offered: UInt32, offered2: UInt32 = 0, usesIomap: Bool = false,
    mappedIDs: Bool = false
  ) -> [UInt8] {
    var reply = reply
    request(offered, offered2).withUnsafeBytes { request in
      reply.withUnsafeMutableBytes {
        Negotiation.amend($0, to: request, usesIomap: usesIomap, mappedIDs: mappedIDs)
      }
    }
    return reply
  }

  private func request(_ flags: UInt32, _ flags2: UInt32, minor: UInt32 = 99) -> [UInt8] {
    var request = fuse_init_in()
    request.minor = minor
    request.flags = flags
    request.flags2 = flags2
    return bytes(of: request)
  }

  /// fuse-iomap ABI 2.4 and 2.7, rules I-1 and I-2.
  @Test func agreesOnIomapInAReplyThatKnowsNothingOfIt() {
    var reply = fuse_init_out()
    reply.major = 7
    reply.minor = 31
    reply.flags = UInt32(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC)
    let changed = amended(bytes(of: reply), offered: .max, offered2: 0x800, usesIomap: true)
    reply.minor = 99
    reply.flags = UInt32(FUSE_ASYNC_READ) | killPrivileges | 1 << 30
    reply.flags2 = 0x800
    #expect(changed == bytes(of: reply))
  }

  @Test(arguments: [
    (UInt32(1) << 30, UInt32(0x800), true), (1 << 30, 0xFFFF_F7FF, false), (0, 0x800, false),
  ])
  func seesWhetherIomapIsOffered(flags: UInt32, flags2: UInt32, isOffered: Bool) {
    request(flags, flags2).withUnsafeBytes {
      #expect(Negotiation.offersIomap($0) == isOffered)
    }
  }

  /// From 7.3 on, mainline kernels mean pools of buffers for io_uring by the same bit.
  @Test(arguments: [UInt32(0), 31, 45, 46, 98, 100, .max])
  func theBitMeansIomapAtItsMinorOnly(minor: UInt32) {
    request(1 << 30, 0x800, minor: minor).withUnsafeBytes {
      #expect(!Negotiation.offersIomap($0))
    }
  }

  /// FUSE_ALLOW_IDMAP, bit 40 of the flags.
  @Test func takesMappedIDsWhereTheyAreOfferedAndWanted() {
    var reply = fuse_init_out()
    let plain = bytes(of: reply)
    reply.flags = 1 << 30
    reply.flags2 = 0x100
    let extended: UInt32 = 1 << 30
    #expect(amended(plain, offered: extended, offered2: 0x100, mappedIDs: true) == bytes(of: reply))
    #expect(amended(plain, offered: extended, offered2: 0x100) == plain)
    #expect(amended(plain, offered: extended, offered2: ~0x100, mappedIDs: true) == plain)
    #expect(amended(plain, offered: 0, offered2: 0x100, mappedIDs: true) == plain)
  }

  @Test func anOldKernelsShortRequestOffersNothing() {
    [UInt8](repeating: 0xFF, count: 19).withUnsafeBytes { #expect(!Negotiation.offersIomap($0)) }
  }

  /// A kernel that moves data must say when it has closed a file (fuse-iomap ABI 4.7).
  @Test func iomapWantsToHearOfOpenFiles() {
    var connection = fuse_conn_info()
    connection.capable = .max
    Negotiation.choose(&connection, options: .init(), usesIomap: true)
    #expect(connection.want & UInt32(FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_WRITEBACK_CACHE) == 0)
  }

  @Test func amendsOneFlagAndNothingElse() {
    var reply = fuse_init_out()
    withUnsafeMutableBytes(of: &reply) { $0.copyBytes(from: (0..<64).map { UInt8($0 + 1) }) }
    reply.flags = 0x0000_4005
    let changed = amended(bytes(of: reply), offered: .max)
    reply.flags |= killPrivileges
    #expect(changed == bytes(of: reply))
  }

  @Test func amendsOnlyWhatIsOffered() {
    let reply = bytes(of: fuse_init_out())
    #expect(amended(reply, offered: 0) == reply)
    #expect(amended(reply, offered: ~killPrivileges) == reply)
  }

  @Test(arguments: 0..<16)
  func leavesAReplyWithoutFlagsAlone(count: Int) {
    let reply = [UInt8](repeating: 0, count: count)
    #expect(amended(reply, offered: .max) == reply)
  }

  @Test func amendsTheShortestReplyWithFlags() {
    let reply = amended([UInt8](repeating: 0, count: 16), offered: .max)
    #expect(load(UInt32.self, reply, at: 12) == killPrivileges)
  }

  private func choice(
    capable: UInt32 = .max, maxWrite: UInt32 = 1 << 20, _ options: Session.Options = .init()
  ) -> fuse_conn_info {
    var connection = fuse_conn_info()
    connection.capable = capable
    connection.max_write = maxWrite
    Negotiation.choose(&connection, options: options, usesIomap: false)
    return connection
  }

  @Test(arguments: 0..<31)
  func wantsNothingThatIsNotOffered(bit: Int) {
    #expect(choice(capable: 1 << UInt32(bit)).want & ~(1 << UInt32(bit)) == 0)
  }

  @Test func leavesAccessControlListsToTheOptions() {
    let lists = UInt32(FUSE_CAP_POSIX_ACL)
    var options = Session.Options()
    #expect(choice(options).want & lists != 0)
    options.accessControlLists = false
    #expect(choice(options).want & lists == 0)
  }

  /// Requests are received in a buffer of fixed size, whatever the library thinks is possible (it
  /// counts in pages, of up to 64 KiB, and later versions follow the kernel's max_pages_limit).
  @Test func takesNoWriteLargerThanItsBuffer() {
    #expect(choice(maxWrite: 16 << 20).max_write == UInt32(TransferMemory.maximumTransfer))
    #expect(choice(maxWrite: .max).max_write == UInt32(TransferMemory.maximumTransfer))
    #expect(choice(maxWrite: 128 << 10).max_write == 128 << 10)
  }
}
