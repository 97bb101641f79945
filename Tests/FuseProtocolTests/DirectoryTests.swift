import FuseProtocol
import Testing

@Suite struct DirectoryTests {
  private let entry = Reply.Entry(
    nodeID: 12, generation: 7, nameTimeout: CacheTimeout(seconds: 10),
    attributeTimeout: CacheTimeout(seconds: 11),
    attributes: FileAttributes(
      inode: 13, size: 0, sectorCount: 0, accessTime: Timestamp(seconds: 1, nanoseconds: 2),
      modificationTime: Timestamp(seconds: 3, nanoseconds: 4),
      changeTime: Timestamp(seconds: 5, nanoseconds: 6), mode: 0o040_755, linkCount: 2, userID: 0,
      groupID: 0, device: 0, blockSize: 4096))

  private let direntDump = """
    ino: 0d 00 00 00 00 00 00 00
    off: 11 00 00 00 00 00 00 00
    namelen: 09 00 00 00
    type: 04 00 00 00
    name: "directory"
    padding: 00 00 00 00 00 00 00

    """

  private func written(
    _ size: Int, isPlus: Bool, minor: UInt32 = 45, _ body: (inout DirectoryWriter) -> Void
  ) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xEE, count: size)
    let count = bytes.withUnsafeMutableBytes { memory in
      var writer = DirectoryWriter(memory, isPlus: isPlus, at: minor)
      body(&writer)
      return writer.count
    }
    #expect(bytes[count...].allSatisfy { $0 == 0xEE })
    return Array(bytes[..<count])
  }

  private func add(_ writer: inout DirectoryWriter, _ name: String) {
    Array(name.utf8).withUnsafeBytes { writer.add($0, inode: 13, mode: 0o040_755, next: 17) }
  }

  @Test func names() {
    let bytes = written(200, isPlus: false) { writer in
      add(&writer, "directory")
      #expect(writer.count == 40)
      add(&writer, "12345678")
    }
    #expect(
      bytes
        == fields(
          direntDump + """
            ino: 0d 00 00 00 00 00 00 00
            off: 11 00 00 00 00 00 00 00
            namelen: 08 00 00 00
            type: 04 00 00 00
            name: "12345678"
            """))
    bytes.withUnsafeBytes { bytes in
      let entries = Array(DirectoryEntries(bytes, isPlus: false))
      #expect(entries.map { text($0.name) } == ["directory", "12345678"])
      #expect(entries.allSatisfy { $0.inode == 13 && $0.next == 17 && $0.type == 4 })
      #expect(entries.allSatisfy { $0.entry == nil })
    }
  }

  @Test(arguments: [UInt32(8), 45]) func nodes(minor: UInt32) {
    let bytes = written(400, isPlus: true, minor: minor) { writer in
      Array("directory".utf8).withUnsafeBytes { writer.add($0, entry, next: 17) }
      add(&writer, "directory")
    }
    let size = Reply.Entry.size(at: minor)
    #expect(
      bytes == encoded(size) { entry.encode(into: $0, at: minor) } + fields(direntDump)
        + [UInt8](repeating: 0, count: size) + fields(direntDump))
    bytes.withUnsafeBytes { bytes in
      let entries = Array(DirectoryEntries(bytes, isPlus: true, at: minor))
      #expect(entries.map(\.entry?.nodeID) == [12, 0])
    }
  }

  @Test func room() {
    _ = written(39, isPlus: false) {
      #expect(!$0.hasRoom(forNameOf: 9) && $0.hasRoom(forNameOf: 8))
    }
    _ = written(40, isPlus: false) {
      #expect($0.hasRoom(forNameOf: 16) && !$0.hasRoom(forNameOf: 17))
    }
    _ = written(168, isPlus: true) {
      #expect($0.hasRoom(forNameOf: 16) && !$0.hasRoom(forNameOf: 17))
    }
    _ = written(0, isPlus: false) { #expect(!$0.hasRoom(forNameOf: 0)) }
  }

  /// At every length: whole entries, and what is left over.
  @Test func whatIsCutOff() {
    let bytes = written(200, isPlus: false) { writer in
      add(&writer, "directory")
      add(&writer, "x")
    }
    for length in 0...bytes.count {
      Array(bytes[..<length]).withUnsafeBytes { bytes in
        var iterator = DirectoryEntries(bytes, isPlus: false).makeIterator()
        var count = 0
        while iterator.next() != nil { count += 1 }
        // The padding of the last one may be missing.
        #expect(count == (length >= 65 ? 2 : length >= 33 ? 1 : 0))
        #expect(iterator.rest < 33)
      }
    }
  }

  @Test func aLengthThatIsTooLarge() {
    var bytes = fields(direntDump)
    bytes[19] = 0xFF
    bytes.withUnsafeBytes { #expect(Array(DirectoryEntries($0, isPlus: false)).isEmpty) }
  }
}
