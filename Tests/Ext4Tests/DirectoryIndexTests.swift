import Glibc
import TestSupport
import Testing

@testable import Ext4

/// The hash index: how it grows, and that others can read it.
@Suite struct DirectoryIndexTests {
  @Test(.timeLimit(.minutes(2)))
  func twoHundredThousandNames() throws {
    try DirectoryFixture.with(size: "128M") { fixture in
      let directory = try fixture.make(.directory, "directory")
      let files = try (0..<4).map { try fixture.make(.regularFile, "file \($0)") }
      for number in 0..<200_000 {
        try fixture.insert("a name with number \(number)", files[number % 4], in: directory)
      }
      #expect(try fixture.indexDepth(of: directory) == 2)
      // Leaves are at least half full on average, so there is little waste.
      #expect(try fixture.blockCount(of: directory) < 200_000 * 36 * 2 / 4096)
      for number in stride(from: 0, to: 200_000, by: 7) {
        let entry = try fixture.lookup("a name with number \(number)", in: directory)
        try #require(entry?.inode == files[number % 4].number)
      }
      #expect(try fixture.names(in: directory, step: 1000).count == 200_000)
      for file in files { try fixture.setLinkCount(of: file, to: 50_001) }
    }
  }

  /// With blocks of 1 KiB and the longest names an index of two levels fills up.
  @Test(.timeLimit(.minutes(3)), arguments: [false, true])
  func indexFillsUp(hasLargeDirectories: Bool) throws {
    try DirectoryFixture.with(
      size: "128M", features: hasLargeDirectories ? ["large_dir"] : [], blockSize: 1024
    ) { fixture in
      let directory = try fixture.make(.directory, "directory")
      let files = try (0..<4).map { try fixture.make(.regularFile, "file \($0)") }
      let tail = String(repeating: "n", count: 249)
      var counts = [1, 1, 1, 1]
      var failure: Ext4Error?
      for number in 100_000..<165_000 {
        do throws(Ext4Error) {
          try fixture.insert("\(number)\(tail)", files[number % 4], in: directory)
          counts[number % 4] += 1
        } catch {
          failure = error
          break
        }
      }
      if hasLargeDirectories {
        #expect(failure == nil)
        #expect(try fixture.indexDepth(of: directory) == 3)
      } else {
        #expect(failure?.errno == .noSpace)
        #expect(try fixture.indexDepth(of: directory) == 2)
        #expect(counts.reduce(0, +) > 15_000)
      }
      for number in 100_000..<(100_000 + counts.reduce(-4, +)) {
        let entry = try fixture.lookup("\(number)\(tail)", in: directory)
        try #require(entry?.inode == files[number % 4].number)
      }
      for (file, count) in zip(files, counts) { try fixture.setLinkCount(of: file, to: count) }
    }
  }

  /// Every insertion into a full file system fails without a trace.
  @Test(arguments: [[], ["^dir_index"], ["^extents", "^64bit"]])
  func fullFileSystem(features: [String]) throws {
    try DirectoryFixture.with(
      size: "2M", features: ["^has_journal"] + features, blockSize: 1024
    ) { fixture in
      let directory = try fixture.make(.directory, "directory")
      let file = try fixture.make(.regularFile, "file")
      var names: Set<String> = []
      var failures = 0
      for number in 0..<60_000 where failures < 300 {
        let name = "\(number)" + String(repeating: "n", count: 200 - number % 100)
        do throws(Ext4Error) {
          try fixture.insert(name, file, in: directory)
          names.insert(name)
        } catch {
          try #require(error.errno == .noSpace)
          failures += 1
        }
      }
      #expect(failures == 300)
      #expect(Set(try fixture.names(in: directory).keys) == names)
      try fixture.setLinkCount(of: file, to: 1 + names.count)
    }
  }

  /// Names with the same hash, which a split may tear into two leaves.
  @Test(arguments: ["half_md4", "tea", "legacy"])
  func collidingNames(algorithm: String) throws {
    try DirectoryFixture.with(
      features: ["^metadata_csum"], blockSize: 1024,
      setUp: ["tune2fs", "-E", "hash_alg=\(algorithm)"]
    ) { fixture in
      let directory = try fixture.make(.directory, "directory")
      let file = try fixture.make(.regularFile, "file")
      let settings = fixture.volume.geometry.hash
      let hash = DirectoryHash(try #require(settings.version), settings)
      var byHash: [UInt32: [String]] = [:]
      let tail = String(repeating: "n", count: 235)
      for number in 0..<400_000 {
        let name = "\(number)\(tail)"
        byHash[Array(name.utf8).withUnsafeBytes { hash($0).major }, default: []].append(name)
      }
      var random = SeededGenerator(seed: 3)
      let groups = byHash.sorted { $0.key < $1.key }.map(\.value).shuffled(using: &random)
      let colliding = groups.filter { $0.count > 1 }.prefix(200).flatMap { $0.prefix(20) }
      try #require(colliding.count >= 20)
      let others = groups.filter { $0.count == 1 }.prefix(3000).map { $0[0] }
      let names = (colliding + others).shuffled(using: &random)
      for name in names { try fixture.insert(name, file, in: directory) }
      for name in names {
        try #require(try fixture.lookup(name, in: directory)?.inode == file.number)
      }
      let continued = try fixture.locked { () throws(Ext4Error) in
        try continuedLeaves(of: directory)
      }
      #expect(continued > 0)
      // Read in the smallest steps, so that every step ends between names of the same hash.
      #expect(try fixture.names(in: directory, step: 1).count == names.count)
      for name in names.shuffled(using: &random) { try fixture.remove(name, from: directory) }
      #expect(try fixture.isEmpty(directory))
    }
  }

  private func continuedLeaves(of directory: Inode) throws(Ext4Error) -> Int {
    guard let tree = try HashTree(of: directory), var path = try tree.path(to: 0) else { return 0 }
    var continued = 0
    while let start = try tree.advance(&path) { continued += Int(start & 1) }
    return continued
  }

  /// e2fsck -D writes indexes of its own.
  @Test(arguments: [1024, 4096], [[], ["^metadata_csum"]])
  func indexOfE2fsck(blockSize: Int, features: [String]) throws {
    try Scratch.with { scratch in
      let tree = try scratch.directory("tree")
      try Command(
        shell: "mkdir d && cd d && seq -f 'name %g' 1 3000 | xargs -d'\\n' touch", in: tree
      ).succeed()
      let image = try Image(
        at: scratch.appending("image"), features: features, blockSize: blockSize, tree: tree)
      _ = try Command(["e2fsck", "-fyD", image.path.string]).run()

      try DirectoryFixture.withOpen(image) { fixture in
        let directory = try fixture.open("d")
        #expect(try fixture.indexDepth(of: directory) > 0)
        for number in 1...3000 {
          try #require(try fixture.lookup("name \(number)", in: directory) != nil)
        }
        #expect(try fixture.names(in: directory).count == 3000)
        let file = try fixture.make(.regularFile, "file")
        for number in 3001...9000 { try fixture.insert("name \(number)", file, in: directory) }
        for number in 1...3000 { try fixture.unlink("name \(number)", in: directory) }
        #expect(try fixture.names(in: directory).count == 6000)
        #expect(try fixture.indexDepth(of: directory) > 0)
        try fixture.setLinkCount(of: file, to: 6001)
      }
    }
  }

  /// The kernel finds names by our index, and we by the kernel's.
  @Test(.enabled(if: geteuid() == 0), arguments: [1024, 4096], [[], ["^metadata_csum"]])
  func indexOfTheKernel(blockSize: Int, features: [String]) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), features: features, blockSize: blockSize)
      let point = try scratch.directory("mounted")
      _ = try KernelMount.with(image, at: point) { point in
        try Command(
          shell: "mkdir d && cd d && seq -f 'kernel %g' 1 5000 | xargs -d'\\n' touch", in: point
        ).succeed()
      }

      try DirectoryFixture.withOpen(image) { fixture in
        let directory = try fixture.open("d")
        #expect(try fixture.indexDepth(of: directory) > 0)
        #expect(try fixture.names(in: directory).count == 5000)
        for number in 1...5000 {
          try #require(try fixture.lookup("kernel \(number)", in: directory) != nil)
        }
        let file = try fixture.make(.regularFile, "file")
        for number in 1...5000 { try fixture.insert("ours \(number)", file, in: directory) }
        for number in stride(from: 1, through: 5000, by: 2) {
          try fixture.unlink("kernel \(number)", in: directory)
        }
        try fixture.setLinkCount(of: file, to: 5001)
      }

      _ = try KernelMount.with(image, at: point) { point in
        let found = try Command(
          shell: "seq -f 'ours %g' 1 5000 | xargs -d'\\n' stat -c %n | wc -l",
          in: point.appending("d")
        ).succeed()
        #expect(found.text == "5000")
        #expect(try Command(shell: "ls | wc -l", in: point.appending("d")).succeed().text == "7500")
        try Command(
          shell: "seq -f 'more %g' 1 3000 | xargs -d'\\n' touch; rm ours*",
          in: point.appending("d")
        ).succeed()
      }
      try image.check()
    }
  }
}
