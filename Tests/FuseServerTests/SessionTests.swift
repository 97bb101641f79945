import CFuse3
import CLinux
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import FuseServer
@testable import FuseTransport

/// Requests as the kernel sends them, to what the operations see and the kernel gets back.
@Suite struct SessionTests {
  private let unlimited: UInt64 = 1_000_000_000

  private func initialized(
    _ options: Session.Options = .init(), offering flags: UInt32 = SocketKernel.usualFlags
  ) throws -> SocketKernel {
    let kernel = try SocketKernel(options)
    try kernel.initialize(offering: flags)
    return kernel
  }

  private func entry(_ inode: UInt64, mode: UInt32 = 0o100_644) -> Entry {
    Entry(
      node: NodeID(inode), generation: inode + 1,
      attributes: .sample(inode: inode, mode: mode))
  }

  // MARK: Connection

  @Test func agreesOnWhatItNeeds() throws {
    let reply = try SocketKernel().initialize()
    for flag in [
      FUSE_ASYNC_READ, FUSE_EXPORT_SUPPORT, FUSE_BIG_WRITES, FUSE_DONT_MASK, FUSE_DO_READDIRPLUS,
      FUSE_WRITEBACK_CACHE, FUSE_POSIX_ACL, FUSE_CACHE_SYMLINKS, FUSE_HANDLE_KILLPRIV_V2,
    ] {
      #expect(reply.flags & UInt32(flag) != 0, "flag \(String(flag, radix: 16))")
    }
    for flag in [FUSE_ATOMIC_O_TRUNC, FUSE_AUTO_INVAL_DATA, FUSE_POSIX_LOCKS, FUSE_FLOCK_LOCKS] {
      #expect(reply.flags & UInt32(flag) == 0, "flag \(String(flag, radix: 16))")
    }
    #expect(reply.time_gran == 1)
    #expect(reply.max_background == 64)
    #expect(reply.congestion_threshold == 48)
    #expect(Int(reply.max_write) <= TransferMemory.maximumTransfer)
  }

  @Test func anOldKernelIsNotPromisedWhatItLacks() throws {
    let offered = UInt32(FUSE_ASYNC_READ | FUSE_BIG_WRITES)
    #expect(try SocketKernel().initialize(offering: offered).flags & ~offered == 0)
  }

  @Test func openingIsDeclinedWhereTheKernelLets() throws {
    let kernel = try initialized()
    #expect(try kernel.ask(FUSE_OPEN.rawValue, node: 5, bytes(of: fuse_open_in())).error == -ENOSYS)
    #expect(
      try kernel.ask(FUSE_OPENDIR.rawValue, node: 5, bytes(of: fuse_open_in())).error == -ENOSYS)
  }

  @Test func openingIsAnsweredWhereItMustBe() throws {
    let kernel = try initialized(
      offering: SocketKernel.usualFlags
        & ~UInt32(FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT))
    for (opcode, flags) in [
      (FUSE_OPEN, FOPEN_KEEP_CACHE | FOPEN_NOFLUSH),
      (FUSE_OPENDIR, FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR),
    ] {
      let reply = try kernel.ask(opcode.rawValue, node: 5, bytes(of: fuse_open_in()))
      #expect(reply.error == 0)
      #expect(load(fuse_open_out.self, reply.payload).open_flags == UInt32(flags))
    }
  }

  @Test func aMessageTooShortForARequestEndsTheService() throws {
    let kernel = try SocketKernel()
    var calls = 0
    try kernel.sendRaw([UInt8](repeating: 0, count: 39))
    try kernel.transport.serve {
      calls += 1
      return calls > 10
    }
    #expect(calls < 10)
  }

  @Test func nothingIsServedBeforeInitialization() throws {
    let kernel = try SocketKernel()
    #expect(try kernel.ask(FUSE_STATFS.rawValue).error == -EIO)
    try kernel.serve(FUSE_FORGET.rawValue, node: 5, bytes(of: fuse_forget_in(nlookup: 3)))
    #expect(kernel.isSilent)
    #expect(kernel.files.script.withLock { $0.forgotten }.isEmpty)
  }

  /// What cannot be decoded, and what servers need not have.
  @Test func requestsThatAreRefused() throws {
    let kernel = try initialized()
    #expect(try kernel.ask(99).error == -ENOSYS)
    #expect(try kernel.ask(FUSE_GETATTR.rawValue, [1, 2, 3]).error == -EINVAL)
    #expect(try kernel.ask(FUSE_LOOKUP.rawValue, Array("no end".utf8)).error == -EINVAL)
    #expect(try kernel.ask(FUSE_STATFS.rawValue, [0]).error == -EINVAL)
    #expect(
      try kernel.ask(FUSE_ACCESS.rawValue, bytes(of: fuse_access_in())).error == -ENOSYS)
    // IOMAP_BEGIN, where iomap was not agreed on.
    #expect(try kernel.ask(4094, [UInt8](repeating: 0, count: 32)).error == -ENOSYS)
    try kernel.serve(FUSE_FORGET.rawValue, node: 5, [0])
    try kernel.serve(FUSE_BATCH_FORGET.rawValue, node: 0, [0xFF, 0, 0, 0, 0, 0, 0, 0])
    #expect(kernel.isSilent)
  }

  // MARK: Names

  @Test func lookupFindsAnEntry() throws {
    let kernel = try initialized()
    kernel.files.script.withLock { $0.entries["name"] = entry(77) }
    let reply = try kernel.ask(FUSE_LOOKUP.rawValue, Array("name".utf8) + [0])
    #expect(reply.error == 0)
    let out = load(fuse_entry_out.self, reply.payload)
    #expect(out.nodeid == 77 && out.generation == 78)
    #expect(out.entry_valid == unlimited && out.attr_valid == unlimited)
    #expect(out.attr.ino == 77 && out.attr.size == 0x4142_4344_4546_4748)
    #expect(out.attr.mode == 0o100_644 && out.attr.nlink == 0x1112_1314)
    #expect(out.attr.atime == UInt64(bitPattern: -1) && out.attr.atimensec == 999_999_999)
    #expect(out.attr.mtime == 0x6162_6364_65 && out.attr.mtimensec == 123_456_789)
    #expect(out.attr.ctime == 0x7172_7374 && out.attr.ctimensec == 1)
  }

  @Test func aMissingNameMayBeRemembered() throws {
    let kernel = try initialized()
    let reply = try kernel.ask(FUSE_LOOKUP.rawValue, Array("absent".utf8) + [0])
    #expect(reply.error == 0)
    let out = load(fuse_entry_out.self, reply.payload)
    #expect(out.nodeid == 0)
    #expect(out.entry_valid == unlimited)
  }

  @Test func forgettingIsNotAnswered() throws {
    let kernel = try initialized()
    try kernel.serve(FUSE_FORGET.rawValue, node: 5, bytes(of: fuse_forget_in(nlookup: 3)))
    try kernel.serve(
      FUSE_BATCH_FORGET.rawValue, node: 0,
      bytes(of: fuse_batch_forget_in(count: 2, dummy: 0))
        + bytes(of: fuse_forget_one(nodeid: 6, nlookup: 1))
        + bytes(of: fuse_forget_one(nodeid: 7, nlookup: 1 << 40)))
    #expect(kernel.isSilent)
    let forgotten = kernel.files.script.withLock { $0.forgotten }
    #expect(
      forgotten.map(\.node) == [5, 6, 7].map { NodeID($0) }
        && forgotten.map(\.count) == [3, 1, 1 << 40])
  }

  // MARK: Attributes

  /// Those that must be asked for again are not to be remembered, whichever way they are told.
  @Test(arguments: [false, true])
  func attributesAreRememberedUnlessToldOtherwise(mustBeAskedAgain: Bool) throws {
    let kernel = try initialized()
    var file = entry(5)
    file.attributes.mustBeAskedAgain = mustBeAskedAgain
    kernel.files.script.withLock { [file] script in
      script.attributes = .success(file.attributes)
      script.entries["name"] = file
    }
    let valid = mustBeAskedAgain ? 0 : unlimited
    let status = try kernel.ask(FUSE_GETATTR.rawValue, node: 5, bytes(of: fuse_getattr_in()))
    #expect(load(fuse_attr_out.self, status.payload).attr_valid == valid)
    let statx = try kernel.ask(52, node: 5, [UInt8](repeating: 0, count: 24))
    #expect(load(UInt64.self, statx.payload) == valid)
    let found = try kernel.ask(FUSE_LOOKUP.rawValue, Array("name".utf8) + [0])
    let out = load(fuse_entry_out.self, found.payload)
    #expect(out.attr_valid == valid && out.entry_valid == unlimited)
  }

  @Test func aQuestionWithAHandleComesBeforeAWrite() throws {
    let kernel = try initialized()
    kernel.files.script.withLock { $0.attributes = .success(.sample(inode: 5)) }
    var request = fuse_getattr_in()
    for (flags, expected) in [(0, 0), (UInt32(FUSE_GETATTR_FH), 1), (0, 1)] {
      request.getattr_flags = flags
      let reply = try kernel.ask(FUSE_GETATTR.rawValue, node: 5, bytes(of: request))
      #expect(load(fuse_attr_out.self, reply.payload).attr.ino == 5)
      #expect(kernel.files.script.withLock { $0.questionsBeforeWrites } == expected)
    }
  }

  @Test func changesOfAttributes() throws {
    let kernel = try initialized()
    kernel.files.script.withLock { $0.attributes = .success(.sample(inode: 5)) }
    var request = fuse_setattr_in()
    request.size = 1 << 40
    request.uid = 7
    request.gid = 8
    request.mode = 0o104_711
    request.atime = 100
    request.atimensec = 1
    request.mtime = UInt64(bitPattern: -200)
    request.mtimensec = 2
    request.ctime = 300
    request.ctimensec = 3
    func change(_ valid: Int32) throws -> AttributeRequest {
      request.valid = UInt32(valid)
      let reply = try kernel.ask(FUSE_SETATTR.rawValue, node: 5, bytes(of: request))
      #expect(reply.error == 0)
      #expect(load(fuse_attr_out.self, reply.payload).attr.ino == 5)
      return try #require(kernel.files.script.withLock { $0.changes.popLast() })
    }
    let nothing = try change(0)
    #expect(nothing.mode == nil && nothing.size == nil && nothing.userID == nil)
    #expect(nothing.groupID == nil && nothing.changeTime == nil && !nothing.clearsSetID)
    #expect(nothing.accessTime == nil && nothing.modificationTime == nil)

    let size = try change(FATTR_SIZE | FATTR_KILL_SUIDGID)
    #expect(size.size == 1 << 40 && size.clearsSetID && size.mode == nil)

    let owner = try change(FATTR_UID | FATTR_GID | FATTR_MODE)
    #expect(owner.userID == 7 && owner.groupID == 8 && !owner.clearsSetID)
    #expect(owner.mode.map { $0 & 0o7777 } == 0o4711)

    let times = try change(FATTR_ATIME | FATTR_MTIME | FATTR_CTIME)
    guard case .at(let access) = times.accessTime, case .at(let changed) = times.modificationTime
    else {
      Issue.record("\(times)")
      return
    }
    #expect(access.tv_sec == 100 && access.tv_nsec == 1)
    #expect(changed.tv_sec == -200 && changed.tv_nsec == 2)
    #expect(times.changeTime?.tv_sec == 300 && times.changeTime?.tv_nsec == 3)

    let now = try change(FATTR_ATIME | FATTR_ATIME_NOW | FATTR_MTIME | FATTR_MTIME_NOW)
    guard case .now = now.accessTime, case .now = now.modificationTime else {
      Issue.record("\(now)")
      return
    }
  }

  @Test func extendedAttributesAreMeasuredAndFitOrDoNot() throws {
    let kernel = try initialized()
    kernel.files.script.withLock { $0.extendedAttributes = ["user.a": [1, 2, 3], "user.b": []] }
    func get(_ name: String, _ size: UInt32) throws -> SocketKernel.Reply {
      try kernel.ask(
        FUSE_GETXATTR.rawValue, node: 5,
        bytes(of: fuse_getxattr_in(size: size, padding: 0)) + Array(name.utf8) + [0])
    }
    #expect(load(fuse_getxattr_out.self, try get("user.a", 0).payload).size == 3)
    #expect(try get("user.a", 2).error == -ERANGE)
    #expect(try get("user.a", 3).payload == [1, 2, 3])
    #expect(try get("user.a", 100).payload == [1, 2, 3])
    let empty = try get("user.b", 100)
    #expect(empty.error == 0 && empty.payload.isEmpty)
    #expect(try get("user.c", 100).error == -ENODATA)
  }

  // MARK: Data

  @Test func writesCarryTheirFlags() throws {
    let kernel = try initialized()
    let data = SeededGenerator.bytes(5000, seed: 1)
    var request = fuse_write_in()
    request.fh = .max
    request.offset = 1 << 41
    request.size = 5000
    request.lock_owner = .max
    request.flags = .max
    for flags in [0, FUSE_WRITE_CACHE, FUSE_WRITE_KILL_SUIDGID] {
      request.write_flags = UInt32(flags)
      let reply = try kernel.ask(FUSE_WRITE.rawValue, node: 5, bytes(of: request) + data)
      #expect(load(fuse_write_out.self, reply.payload).size == 5000)
      let write = try #require(kernel.files.script.withLock { $0.writes.popLast() })
      #expect(write.flags == WriteFlags(rawValue: UInt32(flags)))
      #expect(write.node == NodeID(5) && write.offset == 1 << 41 && write.bytes == data)
      #expect(write.userID == 1000 && write.groupID == 100)
    }
  }

  // MARK: Directories

  @Test(arguments: [false, true])
  func aDirectoryIsReadInParts(plus: Bool) throws {
    let kernel = try initialized()
    let names = (1...40).map { String(repeating: "n", count: $0 * 6) }
    kernel.files.script.withLock { script in
      script.listing = names
      for (index, name) in names.enumerated() { script.entries[name] = entry(100 + UInt64(index)) }
    }
    let head = plus ? MemoryLayout<fuse_entry_out>.size : 0
    var found: [String] = []
    var replies = 0
    while true {
      var request = fuse_read_in()
      request.offset = UInt64(found.count)
      request.size = 1000
      let opcode = plus ? FUSE_READDIRPLUS : FUSE_READDIR
      let reply = try kernel.ask(opcode.rawValue, bytes(of: request))
      #expect(reply.error == 0 && reply.payload.count <= 1000)
      if reply.payload.isEmpty { break }
      replies += 1
      var position = 0
      while position < reply.payload.count {
        let length = Int(load(UInt32.self, reply.payload, at: position + head + 16))
        let start = position + head + 24
        let number = UInt64(found.count)
        #expect(load(UInt64.self, reply.payload, at: position + head) == 100 + number)
        #expect(load(UInt64.self, reply.payload, at: position + head + 8) == number + 1)
        if plus {
          #expect(load(fuse_entry_out.self, reply.payload, at: position).nodeid == 100 + number)
        }
        found.append(String(decoding: reply.payload[start..<start + length], as: UTF8.self))
        position = (start + length + 7) / 8 * 8
      }
    }
    #expect(found == names)
    #expect(replies > 5)
  }
}
