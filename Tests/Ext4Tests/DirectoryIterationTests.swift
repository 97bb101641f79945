import TestSupport
import Testing

@testable import Ext4

/// Listing a directory that changes meanwhile: whatever is there all the time is met exactly once.
@Suite struct DirectoryIterationTests {
  @Test(arguments: [1, 5, 100], [[], ["^dir_index"], ["^metadata_csum"]])
  func changesWhileReading(step: Int, features: [String]) throws {
    try DirectoryFixture.with(features: features, blockSize: 1024) { fixture in
      let file = try fixture.make(.regularFile, "file")
      var random = SeededGenerator(seed: UInt64(step))
      var links = 1
      // From a directory of one block, which gets an index while it is read, to large ones.
      for count in [5, 20, 200, 2000] {
        let directory = try fixture.make(.directory, "directory \(count)")
        for number in 0..<count { try fixture.insert("stays \(number)", file, in: directory) }
        for number in 0..<count { try fixture.insert("goes \(number)", file, in: directory) }
        var seen: [String: Int] = [:]
        var leaving = Array(0..<count).shuffled(using: &random)
        var added = 0
        var cookie: UInt64 = 0
        while true {
          let found = try fixture.list(directory, from: &cookie, limit: step)
          if found.isEmpty { break }
          for (name, _) in found { seen[name, default: 0] += 1 }
          if added < 3 * count {
            for _ in 0..<5 {
              try fixture.insert("comes \(added)", file, in: directory)
              added += 1
            }
          }
          if let number = leaving.popLast() {
            try fixture.remove("goes \(number)", from: directory)
          }
        }
        for number in 0..<count { try #require(seen["stays \(number)"] == 1) }
        #expect(seen["."] == 1 && seen[".."] == 1)
        #expect(seen.values.allSatisfy { $0 == 1 })
        links += count + leaving.count + added
      }
      try fixture.setLinkCount(of: file, to: links)
    }
  }

  /// A listing that was complete goes on after additions: from its last cookie it finds the entries added behind the end.
  @Test(arguments: [1, 100, 1000], [[], ["^dir_index"], ["inline_data"]])
  func additionsBehindTheEnd(count: Int, features: [String]) throws {
    try DirectoryFixture.with(features: features, blockSize: 1024) { fixture in
      let file = try fixture.make(.regularFile, "file")
      let directory = try fixture.make(.directory, "directory")
      for number in 0..<count { try fixture.insert("name \(number)", file, in: directory) }
      var end: UInt64 = 0
      while try !fixture.list(directory, from: &end, limit: 100).isEmpty {}
      for _ in 0..<3 { #expect(try fixture.list(directory, from: &end).isEmpty) }

      var links = 1 + count
      var behind: Set<String> = []
      for number in 0..<200 {
        try fixture.insert("new \(number)", file, in: directory)
        links += 1
        var cookie = end
        for (name, _) in try fixture.list(directory, from: &cookie) { behind.insert(name) }
        var all: UInt64 = 0
        var found: Set<String> = []
        while case let names = try fixture.list(directory, from: &all, limit: 100), !names.isEmpty {
          for (name, _) in names { found.insert(name) }
        }
        #expect(found.count == count + number + 3 && found.isSuperset(of: behind))
      }
      // With few names the last hash is somewhere in the middle.
      if count == 1, features != ["^dir_index"] { #expect(!behind.isEmpty) }
      try fixture.setLinkCount(of: file, to: links)
    }
  }

  /// As `rm -r` does it: read some, remove them, read on.
  @Test(arguments: [["dir_index"], ["^dir_index"]])
  func removalWhileReading(features: [String]) throws {
    try DirectoryFixture.with(features: features, blockSize: 1024) { fixture in
      let directory = try fixture.make(.directory, "directory")
      let file = try fixture.make(.regularFile, "file")
      for number in 0..<3000 { try fixture.insert("name \(number)", file, in: directory) }
      var cookie: UInt64 = 0
      while true {
        let found = try fixture.list(directory, from: &cookie, limit: 37)
        if found.isEmpty { break }
        for (name, _) in found where name != "." && name != ".." {
          try fixture.remove(name, from: directory)
        }
      }
      #expect(try fixture.isEmpty(directory))
    }
  }

  @Test func anyCookieIsHarmless() throws {
    try DirectoryFixture.with(blockSize: 1024) { fixture in
      let file = try fixture.make(.regularFile, "file")
      var links = 1
      for count in [3, 1000] {
        let directory = try fixture.make(.directory, "directory \(count)")
        for number in 0..<count { try fixture.insert("name \(number)", file, in: directory) }
        links += count
        var random = SeededGenerator(seed: 9)
        for _ in 0..<2000 {
          var cookie = random.next() >> UInt64(random.number(0..<64))
          _ = try fixture.list(directory, from: &cookie, limit: 3)
        }
        var end = UInt64.max
        #expect(try fixture.list(directory, from: &end).isEmpty)
      }
      try fixture.setLinkCount(of: file, to: links)
    }
  }
}
