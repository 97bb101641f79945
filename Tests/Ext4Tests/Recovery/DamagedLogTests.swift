import Foundation
import Journal
import TestSupport
import Testing

@testable import Ext4

/// Logs of the kernel, damaged in one place. Where we replay what is left, the result is that of e2fsck; where we refuse to,
/// nothing has been written, and e2fsck has something to complain of.
@Suite(.serialized, .enabled(if: getuid() == 0)) struct DamagedLogTests {
  struct Setting: Sendable, CustomTestStringConvertible {
    let crash: KernelCrash
    let seed: UInt64
    /// Whether garbage that goes home, or goes to the wrong home, is found out. Otherwise it is the same garbage for all, but e2fsck
    /// then finds it and goes on to other things: only the headers of the log's blocks, which say where it ends, are comparable.
    var hasChecksums: Bool { crash.name != "no checksums" }
    var testDescription: String { crash.name }
  }

  static let settings = ["no checksums", "v1", "v3", "async commit, v3"].enumerated().map {
    index, name in
    let crash = KernelCrash.all.first { $0.name == name } ?? KernelCrash.all[0]
    return Setting(crash: crash, seed: UInt64(index))
  }

  /// What is done to a block.
  enum Damage: CaseIterable {
    case bit, sectorOfZeros, allZeros, olderSector, garbage

    func apply(to block: inout ArraySlice<UInt8>, older: [UInt8], _ random: inout SeededGenerator) {
      let first = block.startIndex
      let sector = 512 * random.number(0..<block.count / 512)
      switch self {
      case .bit: block[first + random.number(0..<block.count)] ^= 1 << UInt8(random.number(0..<8))
      case .sectorOfZeros: for index in 0..<512 { block[first + sector + index] = 0 }
      case .allZeros: for index in block.indices { block[index] = 0 }
      case .olderSector:
        for index in 0..<512 { block[first + sector + index] = older[sector + index] }
      case .garbage:
        let bytes = SeededGenerator.bytes(block.count, seed: random.next())
        for index in 0..<block.count { block[first + index] = bytes[index] }
      }
    }

    func applyToHeader(of block: inout ArraySlice<UInt8>, _ random: inout SeededGenerator) {
      let first = block.startIndex
      switch self {
      case .allZeros: for index in block.indices { block[index] = 0 }
      case .sectorOfZeros: for index in 0..<512 { block[first + index] = 0 }
      // With other bits in the upper half, the type is unknown.
      case .garbage: block[first + 5] ^= UInt8(random.number(1..<256))
      case .bit: block[first + random.number(0..<4)] ^= 1 << UInt8(random.number(0..<8))
      case .olderSector: block[first + random.number(8..<12)] ^= 1 << UInt8(random.number(0..<8))
      }
    }
  }

  /// Without checksums, any answer but a crash.
  @Test func garbageThatGoesHomeIsSurvived() throws {
    try Scratch.with { scratch in
      let crashed = try KernelCrash.all[0].make(in: scratch)
      let log = try LogMap(of: crashed.image, in: scratch)
      var random = SeededGenerator(seed: 17)
      for place in log.own + log.copies.prefix(40) {
        let damaged = try crashed.copy("damaged", in: scratch)
        let damage = random.pick(Damage.allCases)
        try log.change(place, in: damaged.image) { block in
          damage.apply(to: &block, older: log.older, &random)
        }
        if case .failure(let error) = outcome(damaged) { #expect(error is MountRefusal) }
      }
    }
  }

  @Test(arguments: settings)
  func stopsWhereE2fsckDoes(setting: Setting) throws {
    try Scratch.with { scratch in
      let crashed = try setting.crash.make(in: scratch)
      let log = try LogMap(of: crashed.image, in: scratch)
      var random = SeededGenerator(seed: setting.seed)
      var refused = 0
      var shorter = 0
      let whole = try outcome(try crashed.copy("whole", in: scratch)).get().outcome.transactions
      // Each block of the log itself, and some of those between.
      let copies = setting.hasChecksums ? (0..<12).map { _ in random.pick(log.copies) } : []
      let places = log.own + copies
      for (index, place) in places.enumerated() {
        let damage = Damage.allCases[(index + random.number(0..<2)) % Damage.allCases.count]
        let damaged = try crashed.copy("damaged", in: scratch)
        try log.change(place, in: damaged.image) { block in
          if setting.hasChecksums {
            damage.apply(to: &block, older: log.older, &random)
          } else {
            damage.applyToHeader(of: &block, &random)
          }
        }
        let comment = "\(damage) in block \(place) of the log, case \(index)"
        let ours = try damaged.copy("ours", in: scratch)
        let byE2fsck = try damaged.copy("e2fsck", in: scratch)
        let checked = try Recoverer.e2fsck(byE2fsck)
        switch outcome(ours) {
        case .success(let report):
          #expect(checked.status == 0, "\(comment): \(checked)")
          let difference = try ImageDifference.blocks(
            ours.image, byE2fsck.image, blockSize: setting.crash.blockSize,
            hasInternalJournal: true)
          #expect(difference == [], "\(comment)")
          if report.outcome.transactions < whole { shorter += 1 }
        case .failure:
          refused += 1
          let before = try ImageDifference.contents(damaged.image.path)
          #expect(try ImageDifference.contents(ours.image.path) == before, "\(comment)")
          #expect(checked.status != 0 || checked.errors + checked.output != "", "\(comment)")
          #expect(
            checked.status != 0 || checked.description.contains("orrupt")
              || checked.description.contains("checksum"), "\(comment): \(checked)")
        }
      }
      // Without checksums nothing but a missing magic number tells.
      #expect(!setting.hasChecksums || refused > 0)
      #expect(shorter > 0)
    }
  }

  private func outcome(_ crashed: KernelCrash.Result) -> Result<JournalReport, any Error> {
    Result { try #require(try Recoverer.fuse4fs(crashed)) }
  }
}
