import Journal
import TestSupport
import Testing

@testable import Ext4

@Suite("Which blocks are the file system's own")
struct SystemZoneTests {
  @Test("Runs that touch or overlap are one")
  func joins() {
    let zone = SystemZone([30..<40, 0..<5, 5..<7, 35..<50, 60..<60])
    #expect(zone.parts(in: 0..<1000) == [0..<7, 30..<50])
    #expect(zone.parts(in: 6..<31) == [6..<7, 30..<31])
    #expect(zone.parts(in: 7..<30) == [])
  }

  @Test("The answer is that of a look at each block", arguments: 0..<50 as Range<UInt64>)
  func overlaps(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var runs: [Range<UInt64>] = []
    for _ in 0..<Int.random(in: 0...6, using: &random) {
      let first = UInt64.random(in: 0..<60, using: &random)
      runs.append(first..<first + UInt64.random(in: 0...9, using: &random))
    }
    let zone = SystemZone(runs)
    for first: UInt64 in 0..<70 {
      for count: UInt64 in 1...12 {
        let asked = first..<first + count
        #expect(zone.overlaps(asked) == runs.contains { $0.overlaps(asked) })
      }
    }
  }

  /// What e2fsprogs knows to be taken by a file system without files is the zone, the root, lost+found and nothing else.
  @Test(arguments: [
    [], ["^flex_bg"], ["meta_bg", "^resize_inode"], ["^resize_inode"],
    ["^sparse_super", "^resize_inode"],
    ["sparse_super2", "^resize_inode"],
  ])
  func isWhatAnEmptyFileSystemHas(features: [String]) throws {
    try DirectoryFixture.with(size: "100M", features: features, blockSize: 1024) { fixture in
      let volume = fixture.volume
      try volume.metadata.withLock { () throws(Ext4Error) in
        var taken: UInt64 = 0
        var own: UInt64 = 0
        for group in 0..<volume.geometry.groupCount {
          try volume.loadBlockBitmap(of: group)
          let blocks = volume.geometry.blocks(of: group)
          taken += UInt64(blocks.count) - volume.descriptors.freeClusters(of: group)
          own += volume.systemZone.parts(in: blocks).reduce(0) { $0 + UInt64($1.count) }
        }
        // The root has a block, lost+found 12 (16 KiB, in blocks of 1 KiB, but for what it needs not); the resize inode one and its
        // indirect blocks.
        #expect(own <= taken && taken - own <= 16, "\(own) of \(taken)")
      }
    }
  }
}
