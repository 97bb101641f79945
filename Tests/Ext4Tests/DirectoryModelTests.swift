import TestSupport
import Testing

@testable import Ext4

/// Random changes to one directory, compared with what a dictionary says.
@Suite struct DirectoryModelTests {
  struct Kind: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var features: [String] = []
    var blockSize = 4096
    var operations = 50_000
    /// Changes the image before it is used.
    var setUp: [String] = []
  }

  static let kinds = [
    Kind(testDescription: "4 KiB blocks"),
    Kind(testDescription: "1 KiB blocks", blockSize: 1024),
    Kind(testDescription: "64 KiB blocks", blockSize: 65536),
    Kind(testDescription: "1 KiB, no checksums", features: ["^metadata_csum"], blockSize: 1024),
    Kind(testDescription: "4 KiB, no checksums", features: ["^metadata_csum"]),
    Kind(
      testDescription: "64 KiB, no checksums", features: ["^metadata_csum"], blockSize: 65536),
    Kind(
      testDescription: "no index", features: ["^dir_index"], blockSize: 1024, operations: 6000),
    Kind(
      testDescription: "no index, no checksums", features: ["^dir_index", "^metadata_csum"],
      blockSize: 4096, operations: 6000),
    Kind(testDescription: "no types", features: ["^filetype"], blockSize: 1024),
    Kind(
      testDescription: "legacy hash", blockSize: 1024,
      setUp: ["tune2fs", "-E", "hash_alg=legacy"]),
  ]

  @Test(arguments: kinds)
  func randomChanges(_ kind: Kind) throws {
    try DirectoryFixture.with(
      size: "256M", features: kind.features, blockSize: kind.blockSize,
      setUp: kind.setUp
    ) { fixture in
      let directory = try fixture.make(.directory, "directory")
      let files = [
        try fixture.make(.regularFile, "a"), try fixture.make(.fifo, "b"),
        try fixture.make(.socket, "c"),
      ]
      var model: [String: Int] = [:]
      var names: [String] = []
      var random = SeededGenerator(seed: 7)
      for step in 0..<kind.operations {
        let choice = random.number(0..<100)
        // Grows, then shrinks, then grows again.
        let insertions = (step / (kind.operations / 5)) % 2 == 0 ? 75 : 25
        if choice < insertions || names.isEmpty {
          let name = Self.randomName(step, &random)
          let file = random.number(0..<files.count)
          try #require(try fixture.lookup(name, in: directory) == nil)
          try fixture.insert(name, files[file], in: directory)
          model[name] = file
          names.append(name)
        } else if choice < 95 {
          let index = random.number(0..<names.count)
          let name = names[index]
          names[index] = names[names.count - 1]
          names.removeLast()
          try fixture.remove(name, from: directory)
          model[name] = nil
          try #require(try fixture.lookup(name, in: directory) == nil)
        } else {
          let name = random.pick(names)
          let file = random.number(0..<files.count)
          try fixture.replace(name, files[file], in: directory)
          model[name] = file
        }
      }
      let hasTypes = !kind.features.contains("^filetype")
      let listed = try fixture.names(in: directory, step: 77)
      #expect(listed.count == model.count)
      for (name, file) in model {
        let inode = files[file]
        let type = hasTypes ? inode.fileType : nil
        let entry = try #require(try fixture.lookup(name, in: directory))
        try #require(entry.inode == inode.number && entry.type == type)
        try #require(listed[name] == .init(inode: inode.number, type: type))
      }
      #expect(try fixture.isEmpty(directory) == model.isEmpty)
      let isIndexed = try fixture.indexDepth(of: directory) > 0
      #expect(isIndexed == !kind.features.contains("^dir_index"))
      for (number, file) in files.enumerated() {
        try fixture.setLinkCount(of: file, to: 1 + model.values.count { $0 == number })
      }
    }
  }

  /// Names of 1 to 255 bytes, most of them short, each with its own number.
  static func randomName(_ number: Int, _ random: inout SeededGenerator) -> String {
    let length = random.oneIn(20) ? random.number(1..<256) : random.number(1..<30)
    let name = "\(number)."
    return name + String(repeating: "x", count: max(0, length - name.count))
  }

  @Test func emptiedDirectoryIsEmpty() throws {
    try DirectoryFixture.with(blockSize: 1024) { fixture in
      let directory = try fixture.make(.directory, "directory")
      let file = try fixture.make(.regularFile, "file")
      #expect(try fixture.isEmpty(directory))
      for number in 0..<5000 { try fixture.insert("name \(number)", file, in: directory) }
      for number in 0..<4999 {
        try fixture.remove("name \(number)", from: directory)
        #expect(try !fixture.isEmpty(directory))
      }
      try fixture.remove("name 4999", from: directory)
      #expect(try fixture.isEmpty(directory))
      #expect(try fixture.names(in: directory).isEmpty)
    }
  }

  @Test func dotsAndAbsentNames() throws {
    try DirectoryFixture.with(blockSize: 1024) { fixture in
      let outer = try fixture.make(.directory, "outer")
      let inner = try fixture.make(.directory, "inner", in: outer)
      let file = try fixture.make(.regularFile, "file")
      for isIndexed in [false, true] {
        #expect(try fixture.lookup(".", in: inner)?.inode == inner.number)
        #expect(try fixture.lookup("..", in: inner)?.inode == outer.number)
        #expect(try fixture.lookup("..", in: inner)?.type == .directory)
        #expect(try fixture.lookup("absent", in: inner) == nil)
        #expect(throws: Ext4Error.self) { try fixture.remove("absent", from: inner) }
        #expect(throws: Ext4Error.self) { try fixture.replace("absent", file, in: inner) }
        #expect(throws: Ext4Error.self) { try fixture.remove("..", from: inner) }
        #expect(throws: Ext4Error.self) { try fixture.lookup("name", in: file) }
        #expect(try fixture.indexDepth(of: inner) == (isIndexed ? 1 : 0))

        let root = try fixture.root
        try fixture.replace("..", root, in: inner)
        #expect(try fixture.lookup("..", in: inner)?.inode == .root)
        try fixture.replace("..", outer, in: inner)
        if !isIndexed {
          for number in 0..<200 { try fixture.insert("name \(number)", file, in: inner) }
          try fixture.setLinkCount(of: file, to: 201)
        }
      }
    }
  }

  @Test func namesAreChecked() throws {
    func code(_ name: String) -> Int32? {
      do {
        try withName(name) { _ throws(Ext4Error) in }
        return nil
      } catch {
        return error.errno.rawValue
      }
    }
    #expect(code("a") == nil)
    #expect(code(String(repeating: "a", count: 255)) == nil)
    #expect(code(String(repeating: "a", count: 256)) == 36)
    #expect(code("") == 2)
    #expect(code("a/b") == 22)
    #expect(code("a\0b") == 22)
  }
}
