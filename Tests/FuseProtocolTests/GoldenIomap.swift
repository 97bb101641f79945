import FuseProtocol
import IomapCache
import Testing

extension Golden {
  /// Requests of the iomap extension (fuse-iomap ABI 3.4 and 9).
  static let iomap: [Golden] = [
    Golden(.freeze, minor: 99, "unlinked: 03 00 00 00 00 00 00 00") {
      guard case .freeze(let freeze) = $0 else { throw Mismatch() }
      #expect(freeze.unlinked == 3)
    },
    Golden(.unfreeze, minor: 99, "") { guard case .unfreeze = $0 else { throw Mismatch() } },
    Golden(.shutdown, minor: 99, "flags: 01 00 00 00 00 00 00 00") {
      guard case .shutdown(let shutdown) = $0 else { throw Mismatch() }
      #expect(shutdown.flags == 1)
    },
    Golden(
      .iomapConfig, minor: 99,
      """
      flags: 7f 00 00 00 00 00 00 00
      maxbytes: ff ff ff ff ff ff ff 7f
      cache_maxbytes: 00 00 04 00
      padding: 00 00 00 00
      padding: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      padding: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
      """
    ) {
      guard case .iomapConfig(let config) = $0 else { throw Mismatch() }
      #expect(config.revision == .v7 && config.maximumBytes == .max)
      #expect(config.cacheMaximumBytes == 0x40000)
    },
    Golden(
      .iomapBegin, minor: 99,
      """
      opflags: 01 00 00 00
      reserved: 00 00 00 00
      attr_ino: 0c 00 00 00 00 00 00 00
      pos: 45 23 01 00 00 00 00 00
      count: 00 20 00 00 00 00 00 00
      """
    ) {
      guard case .iomapBegin(let begin) = $0 else { throw Mismatch() }
      #expect(
        begin
          == IomapWire.BeginRequest(
            operation: .write, attributeInode: 12, position: 0x12345, count: 0x2000))
    },
    Golden(
      .iomapEnd, minor: 99,
      """
      opflags: 01 00 00 00
      reserved: 00 00 00 00
      attr_ino: 0c 00 00 00 00 00 00 00
      pos: 00 10 00 00 00 00 00 00
      count: 00 20 00 00 00 00 00 00
      written: 00 10 00 00 00 00 00 00
      map.offset: 00 10 00 00 00 00 00 00
      map.length: 00 20 00 00 00 00 00 00
      map.addr: 00 00 40 02 00 00 00 00
      map.type: 02 00
      map.flags: 00 01
      map.dev: 01 00 00 00
      """
    ) {
      guard case .iomapEnd(let end) = $0 else { throw Mismatch() }
      #expect(end.position == 4096 && end.count == 8192 && end.written == 4096)
      #expect(end.mapping.kind == .mapped && end.mapping.flags == .sizeChanged)
    },
    Golden(
      .iomapIOEnd, minor: 99,
      """
      ioendflags: 32 00 00 00
      error: 00 00 00 00
      attr_ino: 0c 00 00 00 00 00 00 00
      pos: 00 20 01 00 00 00 00 00
      new_addr: 90 20 01 00 00 00 00 00
      written: 45 23 00 00 00 00 00 00
      dev: 01 00 00 00
      pad: 00 00 00 00
      """, shorterForms: [40]
    ) {
      guard case .iomapIOEnd(let end) = $0 else { throw Mismatch() }
      #expect(end.position == 0x12000 && end.written == 0x2345)
      #expect(end.flags == [.unwritten, .append, .writeback])
    },
  ]
}
