import FuseProtocol
import IomapCache

/// All decoders of the FUSE protocol on the same bytes, and back: what can be read can be written, and reads the same.
///
/// The first byte of an input is the minor, the second what else INIT has settled and how the header is made: the rest is a message as it is, or
/// (bit 6) one whose length is put right, or (bit 7) the payload of an operation that the third byte chooses.
enum ProtocolFuzzing {
  static func run(_ input: UnsafeRawBufferPointer) {
    guard input.count >= 3 else { return }
    let negotiated = negotiated(minor: input[0], settings: input[1])
    // A copy of exactly its size: what is read behind its end is found.
    let copy = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(message(input).count, 1), alignment: 8)
    defer { copy.deallocate() }
    let message = message(input)
    copy.copyBytes(from: message)
    let bytes = UnsafeRawBufferPointer(rebasing: copy[..<message.count])
    decode(bytes, negotiated)
    let payload = UnsafeRawBufferPointer(
      rebasing: bytes[min(RequestHeader.size, bytes.count)...])
    for opcode in Opcode.allCases { touch(Reply.text(payload, to: opcode, negotiated)) }
    rewriteReplies(payload, negotiated.minor)
    rewriteNotifications(payload)
    if let text = Notification.text(bytes) { touch(text) }
  }

  private static func negotiated(minor: UInt8, settings: UInt8) -> NegotiatedProtocol {
    var flags: InitFlags = []
    if settings & 1 != 0 { flags.insert(.setxattrExtension) }
    if settings & 2 != 0 { flags.insert(.securityContext) }
    return NegotiatedProtocol(
      minor: UInt32(minor), flags: flags,
      iomapRevision: settings & 4 == 0 ? nil : settings & 8 == 0 ? .v6 : .v7)
  }

  private static func message(_ input: UnsafeRawBufferPointer) -> [UInt8] {
    var message = Array(input[2...])
    func put(_ value: UInt32, at offset: Int) {
      guard message.count >= offset + 4 else { return }
      withUnsafeBytes(of: value) { message.replaceSubrange(offset..<(offset + 4), with: $0) }
    }
    if input[1] & 0x80 != 0 {
      let opcode = Opcode.allCases[Int(input[2]) % Opcode.allCases.count]
      message = [UInt8](repeating: 0, count: RequestHeader.size) + message.dropFirst()
      put(opcode.rawValue, at: 4)
    }
    if input[1] & 0xC0 != 0 { put(UInt32(message.count), at: 0) }
    return message
  }

  private static func decode(_ bytes: UnsafeRawBufferPointer, _ negotiated: NegotiatedProtocol) {
    do throws(DecodingError) {
      let message = try RequestMessage(bytes, negotiated)
      touch(message.description)
      check(message.request, bytes)
      for context in message.extensions.securityContexts.map(Array.init) ?? [] {
        check(context.name, bytes)
        check(context.value, bytes)
      }
    } catch {
      touch(error.description)
    }
  }

  /// Names and data are parts of the message, and names have no NUL.
  private static func check(_ request: Request, _ bytes: UnsafeRawBufferPointer) {
    func name(_ name: UnsafeRawBufferPointer) {
      check(name, bytes)
      if name.contains(0) { FuzzFailure.fail("a name with a NUL in it") }
    }
    switch request {
    case .lookup(let lookup): name(lookup.name)
    case .symlink(let link):
      name(link.name)
      name(link.target)
    case .rename(let rename), .rename2(let rename):
      name(rename.name)
      name(rename.newName)
    case .create(let create), .tmpfile(let create): name(create.name)
    case .write(let write): check(write.data, bytes)
    case .ioctl(let control): check(control.input, bytes)
    case .notifyReply(let retrieved): check(retrieved.data, bytes)
    case .setxattr(let attribute):
      name(attribute.name)
      check(attribute.value, bytes)
    default: break
    }
  }

  private static func check(_ part: UnsafeRawBufferPointer, _ bytes: UnsafeRawBufferPointer) {
    guard let start = part.baseAddress, let whole = bytes.baseAddress else { return }
    guard start >= whole, start + part.count <= whole + bytes.count else {
      FuzzFailure.fail("\(part.count) bytes of a request lie outside of it")
    }
    _ = part.reduce(UInt8(0)) { $0 &+ $1 }
  }

  /// What is printed is a line.
  private static func touch(_ text: String) {
    if !text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) {
      FuzzFailure.fail("not fit for a line: \(text)")
    }
  }
}

// What can be written again.
extension ProtocolFuzzing {
  private static func rewriteReplies(_ payload: UnsafeRawBufferPointer, _ minor: UInt32) {
    rewrite(Reply.Entry.self, payload, minor)
    rewrite(Reply.Attributes.self, payload, minor)
    rewrite(Reply.Statx.self, payload, minor)
    rewrite(Reply.Open.self, payload, minor)
    rewrite(Reply.Create.self, payload, minor)
    rewrite(Reply.Write.self, payload, minor)
    rewrite(Reply.CopyFileRange.self, payload, minor)
    rewrite(Reply.Statistics.self, payload, minor)
    rewrite(Reply.ExtendedAttributeSize.self, payload, minor)
    rewrite(Reply.Lock.self, payload, minor)
    rewrite(Reply.Block.self, payload, minor)
    rewrite(Reply.Seek.self, payload, minor)
    rewrite(Reply.Poll.self, payload, minor)
    rewrite(Reply.Control.self, payload, minor)
    rewrite(Reply.Initialize.self, payload, minor)
    for isPlus in [false, true] { rewriteDirectory(payload, isPlus: isPlus, minor) }
  }

  /// What a reply has been read from, written, and read again is the same.
  private static func rewrite<R: ReplyArguments>(
    _ type: R.Type, _ payload: UnsafeRawBufferPointer, _ minor: UInt32
  ) {
    let size = R.size(at: minor)
    guard payload.count >= size else {
      if R(payload, at: minor) != nil { FuzzFailure.fail("\(type) from too few bytes") }
      return
    }
    let bytes = UnsafeRawBufferPointer(rebasing: payload[..<size])
    guard let reply = R(bytes, at: minor) else { FuzzFailure.fail("\(type) of \(size) bytes") }
    var written = [UInt8](repeating: 0xEE, count: size)
    written.withUnsafeMutableBytes { reply.encode(into: $0, at: minor) }
    guard written.withUnsafeBytes({ R($0, at: minor) }) == reply else {
      FuzzFailure.fail("\(type) changes when it is written")
    }
  }

  private static func rewriteDirectory(
    _ payload: UnsafeRawBufferPointer, isPlus: Bool, _ minor: UInt32
  ) {
    // The last entry need not be padded, but is when it is written.
    var written = [UInt8](repeating: 0, count: payload.count + 8)
    var names: [[UInt8]] = []
    let count = written.withUnsafeMutableBytes { memory in
      var writer = DirectoryWriter(memory, isPlus: isPlus, at: minor)
      for entry in DirectoryEntries(payload, isPlus: isPlus, at: minor) {
        check(entry.name, payload)
        guard writer.hasRoom(forNameOf: entry.name.count) else {
          FuzzFailure.fail("entries take more room when they are written")
        }
        if let node = entry.entry {
          writer.add(entry.name, node, next: entry.next)
        } else {
          writer.add(entry.name, inode: entry.inode, mode: entry.type << 12, next: entry.next)
        }
        names.append(Array(entry.name))
      }
      return writer.count
    }
    let again = written[..<count].withUnsafeBytes {
      DirectoryEntries($0, isPlus: isPlus, at: minor).map { Array($0.name) }
    }
    if again != names { FuzzFailure.fail("entries change when they are written") }
  }

  private static func rewriteNotifications(_ payload: UnsafeRawBufferPointer) {
    rewrite(Notification.Poll.self, payload)
    rewrite(Notification.InvalidateInode.self, payload)
    rewrite(Notification.InvalidateEntry.self, payload)
    rewrite(Notification.Store.self, payload)
    rewrite(Notification.Retrieve.self, payload)
    rewrite(Notification.Delete.self, payload)
    rewrite(Notification.Resend.self, payload)
    rewrite(Notification.IncrementEpoch.self, payload)
    rewrite(Notification.Prune.self, payload)
    rewrite(IomapWire.UpsertNotification.self, payload)
    rewrite(IomapWire.InvalidationNotification.self, payload)
    rewrite(IomapWire.DeviceInvalidationNotification.self, payload)
  }

  /// Once written, a notification is written the same again after it has been read.
  private static func rewrite<N: NotificationArguments>(
    _ type: N.Type, _ payload: UnsafeRawBufferPointer
  ) {
    guard let notification = N(payload) else { return }
    let first = written(notification)
    let second = first.withUnsafeBytes { bytes in
      N(UnsafeRawBufferPointer(rebasing: bytes[ReplyHeader.size...])).map { written($0) }
    }
    if second != first { FuzzFailure.fail("\(type) changes when it is written") }
  }

  private static func written(_ notification: some NotificationArguments) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xEE, count: notification.messageSize)
    bytes.withUnsafeMutableBytes { _ = notification.encodeWholeMessage(into: $0) }
    return bytes
  }
}
