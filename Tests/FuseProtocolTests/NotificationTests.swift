import FuseProtocol
import IomapCache
import Testing

@Suite struct NotificationTests {
  /// `notification` is encoded as `dump`, to the byte and no further, and read back by what `read` makes of it; what is shorter is not.
  private func expect<N: NotificationArguments>(
    _ notification: N, code: UInt8, _ dump: String, mayBeLonger: Bool = false,
    _ isEqual: (N) -> Bool
  ) {
    let payload = fields(dump)
    #expect(notification.payloadSize == payload.count)
    #expect(notification.messageSize == 16 + payload.count)
    let message =
      [UInt8(16 + payload.count), 0, 0, 0, code, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + payload
    let written = encoded(message.count + 8) {
      #expect(notification.encodeWholeMessage(into: $0) == message.count)
    }
    #expect(written == message + [UInt8](repeating: 0xEE, count: 8))
    payload.withUnsafeBytes { #expect(N($0).map(isEqual) == true) }
    for length in 0..<payload.count {
      Array(payload[..<length]).withUnsafeBytes { #expect(N($0) == nil, "\(length) bytes") }
    }
    (payload + [0]).withUnsafeBytes { #expect((N($0) == nil) != mayBeLonger) }
  }

  private func with<T>(_ name: String, _ body: (UnsafeRawBufferPointer) -> T) -> T {
    Array(name.utf8).withUnsafeBytes(body)
  }

  @Test func poll() {
    expect(
      Notification.Poll(kernelHandle: 0x0807_0605_0403_0201), code: 1,
      "kh: 01 02 03 04 05 06 07 08"
    ) { $0.kernelHandle == 0x0807_0605_0403_0201 }
  }

  @Test func invalidateInode() {
    let notification = Notification.InvalidateInode(nodeID: 12, offset: -1, length: 4096)
    expect(
      notification, code: 2,
      """
      ino: 0c 00 00 00 00 00 00 00
      off: ff ff ff ff ff ff ff ff
      len: 00 10 00 00 00 00 00 00
      """
    ) { $0 == notification }
  }

  @Test func invalidateEntry() {
    with("gone") { name in
      expect(
        Notification.InvalidateEntry(parent: 12, name: name, flags: .expireOnly), code: 3,
        """
        parent: 0c 00 00 00 00 00 00 00
        namelen: 04 00 00 00
        flags: 01 00 00 00
        name: "gone" 00
        """
      ) { $0.parent == 12 && text($0.name) == "gone" && $0.flags == .expireOnly }
    }
  }

  @Test func store() {
    with("abc") { data in
      expect(
        Notification.Store(nodeID: 12, offset: 4096, data: data), code: 4,
        """
        nodeid: 0c 00 00 00 00 00 00 00
        offset: 00 10 00 00 00 00 00 00
        size: 03 00 00 00
        padding: 00 00 00 00
        data: "abc"
        """
      ) { $0.nodeID == 12 && $0.offset == 4096 && text($0.data) == "abc" }
    }
  }

  @Test func retrieve() {
    let notification = Notification.Retrieve(unique: 9, nodeID: 12, offset: 4096, size: 8192)
    expect(
      notification, code: 5,
      """
      notify_unique: 09 00 00 00 00 00 00 00
      nodeid: 0c 00 00 00 00 00 00 00
      offset: 00 10 00 00 00 00 00 00
      size: 00 20 00 00
      padding: 00 00 00 00
      """
    ) { $0 == notification }
  }

  @Test func delete() {
    with("gone") { name in
      expect(
        Notification.Delete(parent: 12, child: 13, name: name), code: 6,
        """
        parent: 0c 00 00 00 00 00 00 00
        child: 0d 00 00 00 00 00 00 00
        namelen: 04 00 00 00
        padding: 00 00 00 00
        name: "gone" 00
        """
      ) { $0.parent == 12 && $0.child == 13 && text($0.name) == "gone" }
    }
  }

  @Test func withoutAPayload() {
    expect(Notification.Resend(), code: 7, "") { _ in true }
    expect(Notification.IncrementEpoch(), code: 8, "") { _ in true }
  }

  @Test func prune() {
    [UInt64(12), 0x0807_0605_0403_0201].withUnsafeBufferPointer { nodes in
      expect(
        Notification.Prune(nodeIDs: nodes), code: 9,
        """
        count: 02 00 00 00
        padding: 00 00 00 00
        spare: 00 00 00 00 00 00 00 00
        nodeid: 0c 00 00 00 00 00 00 00
        nodeid: 01 02 03 04 05 06 07 08
        """
      ) { Array($0.nodeIDs) == Array(UnsafeRawBufferPointer(nodes)) }
    }
  }

  @Test func iomap() {
    let node = IomapNode(nodeID: 12, attributeInode: 13)
    let upsert = IomapWire.UpsertNotification(
      node: node, read: .hole(at: FileOffset(0), length: 4096), write: .noCache)
    expect(
      upsert, code: 100,
      """
      nodeid: 0c 00 00 00 00 00 00 00
      attr_ino: 0d 00 00 00 00 00 00 00
      read.offset: 00 00 00 00 00 00 00 00
      read.length: 00 10 00 00 00 00 00 00
      read.addr: ff ff ff ff ff ff ff ff
      read.type: 00 00
      read.flags: 00 00
      read.dev: 00 00 00 00
      write.offset: 00 00 00 00 00 00 00 00
      write.length: 00 00 00 00 00 00 00 00
      write.addr: 00 00 00 00 00 00 00 00
      write.type: fd 00
      write.flags: 00 00
      write.dev: 00 00 00 00
      """, mayBeLonger: true
    ) { $0 == upsert }
    let invalidation = IomapWire.InvalidationNotification(
      node: node, read: .toEndOfFile(from: FileOffset(4096)), write: nil)
    expect(
      invalidation, code: 101,
      """
      nodeid: 0c 00 00 00 00 00 00 00
      attr_ino: 0d 00 00 00 00 00 00 00
      read_offset: 00 10 00 00 00 00 00 00
      read_length: ff ff ff ff ff ff ff ff
      write_offset: 00 00 00 00 00 00 00 00
      write_length: 00 00 00 00 00 00 00 00
      """, mayBeLonger: true
    ) { $0 == invalidation }
    let device = IomapWire.DeviceInvalidationNotification(
      device: DeviceCookie(rawValue: 1), offset: DeviceOffset(4096), length: 512)
    expect(
      device, code: 99,
      """
      dev: 01 00 00 00
      reserved: 00 00 00 00
      offset: 00 10 00 00 00 00 00 00
      length: 00 02 00 00 00 00 00 00
      """, mayBeLonger: true
    ) { $0 == device }
  }

  /// A name that is not as long as is said, or that does not end, is none.
  @Test func namesThatAreNotTrue() {
    let entry = fields(
      """
      parent: 0c 00 00 00 00 00 00 00
      namelen: 04 00 00 00
      flags: 00 00 00 00
      name: "gone" 00
      """)
    for (place, byte) in [(8, UInt8(3)), (8, 5), (11, 0xFF), (20, 0x61)] {
      var changed = entry
      changed[place] = byte
      changed.withUnsafeBytes { #expect(Notification.InvalidateEntry($0) == nil) }
    }
  }
}
