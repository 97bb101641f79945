import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import KernelDouble

/// What the ledger takes for certain, and what it does not: it must report every block that has moved, and no block that was freed and
/// taken again.
struct DeviceLedgerTests {
  /// A file that has just been made, on a device without any writes.
  private struct Desk {
    let rules = RuleBook()
    let ledger: DeviceLedger
    let inode: KernelInode
    static let blockSize: UInt64 = 4096

    init(_ scratch: Scratch) throws {
      let image = scratch.appending("image")
      let descriptor = try Syscall.open(image, O_RDWR | O_CREAT)
      try Syscall.ftruncate(descriptor, size: 64 << 20)
      try Syscall.close(descriptor)
      let configuration = SimulatedKernel.Configuration()
      ledger = DeviceLedger(
        size: 64 << 20, blockSize: Self.blockSize, rules: rules, configuration: configuration,
        device: try BlockDeviceFile(image, configuration: configuration),
        history: MessageHistory())
      var attributes = [UInt8](repeating: 0, count: 88).read {
        SimulatedKernel.Attributes($0, at: 0)
      }
      attributes.number = 17
      attributes.mode = 0o100644
      inode = KernelInode(
        node: 17, generation: 0, attributes: attributes, flags: [.iomap, .exclusive],
        usesIomap: true, isExclusive: true, patience: 1000, report: { _ in })
      ledger.created(inode, isIndirect: false)
    }

    /// The server shows blocks `first` and so on of the file.
    func show(
      _ type: UInt16, _ first: UInt64, at place: UInt64, count: UInt64 = 1,
      _ source: DeviceLedger.Source = .upsert
    ) {
      let size = Self.blockSize
      let mapping = WireMapping(
        offset: first * size, length: count * size, address: place * size, type: type,
        flags: MappingFlags.dirty, device: 1)
      ledger.observe(mapping, of: inode, source, session: SimulatedKernel.Session())
    }

    func beginConversion(_ block: UInt64) {
      ledger.conversionBegins(inode, from: block * Self.blockSize, to: (block + 1) * Self.blockSize)
    }

    func endConversion(_ block: UInt64, isDone: Bool = true) {
      ledger.conversionEnded(
        inode, from: block * Self.blockSize, to: (block + 1) * Self.blockSize, isDone: isDone)
    }

    func invalidate(_ block: UInt64) {
      ledger.invalidated(inode, from: block * Self.blockSize, to: (block + 1) * Self.blockSize)
    }

    /// What the last request was answered with, whose order with other requests is not known.
    var late: DeviceLedger.Source { .reply(epoch: nil) }
    var answered: DeviceLedger.Source { .reply(epoch: ledger.epoch(of: inode, allocates: false)) }
  }

  private func at(_ body: (Desk) throws -> Void) throws {
    try Scratch.with { try body(Desk($0)) }
  }

  /// A growing file has a block ahead, which is given back; another is taken for a direct write, by an answer that crosses other
  /// requests. The IOEND of that write says that something was written, but not that it was the first block.
  @Test func whatWasGivenBackIsNotCertainAfterAnIOEND() throws {
    try at { desk in
      desk.show(MappingType.unwritten, 7, at: 2149)
      desk.invalidate(7)
      desk.show(MappingType.unwritten, 7, at: 2156, desk.late)
      desk.beginConversion(7)
      desk.endConversion(7)
      desk.show(MappingType.mapped, 7, at: 2156, desk.answered)
      #expect(desk.rules.isClean, "\(desk.rules.violations)")
    }
  }

  /// Without an INVAL before, the same is a move, whenever it is seen.
  @Test(arguments: [false, true]) func moveIsFoundAfterAnIOEND(isSeenDuringIt: Bool) throws {
    try at { desk in
      desk.show(MappingType.unwritten, 7, at: 2149)
      desk.beginConversion(7)
      if isSeenDuringIt { desk.show(MappingType.unwritten, 7, at: 2149) }
      desk.endConversion(7)
      desk.show(MappingType.mapped, 7, at: 2156, desk.answered)
      #expect(desk.rules.violatedRules == [.i49])
    }
  }

  /// An IOEND changes whether a block is written, not where it is.
  @Test(arguments: [MappingType.unwritten, MappingType.mapped])
  func moveIsFoundDuringAnIOEND(type: UInt16) throws {
    try at { desk in
      desk.show(MappingType.unwritten, 7, at: 2149)
      desk.beginConversion(7)
      desk.show(type, 7, at: 2156)
      #expect(desk.rules.violatedRules == [.i49])
    }
  }

  /// Nor does an IOEND that the server refuses.
  @Test func moveIsFoundAfterAnIOENDThatFailed() throws {
    try at { desk in
      desk.show(MappingType.unwritten, 7, at: 2149)
      desk.beginConversion(7)
      desk.endConversion(7, isDone: false)
      desk.show(MappingType.mapped, 7, at: 2156, desk.answered)
      #expect(desk.rules.violatedRules == [.i49])
    }
  }

  /// The report of a violation shows the messages that led to it.
  @Test func violationTellsWhatWasSaidBefore() throws {
    var configuration = SimulatedKernel.Configuration()
    configuration.writebackThreads = 0
    try ReferenceMount.with(configuration, fault: .movesBlocks) { mount in
      let file = try mount.kernel.create("moving")
      try mount.kernel.write(file, at: 0, [1])
      try mount.kernel.dropMappingCache(file.node)
      try mount.kernel.write(file, at: 1, [2])
      let violation = try #require(mount.rules.violations.first { $0.rule == .i49 })
      let lines = violation.what.split(separator: "\n")
      #expect(lines[0].hasPrefix("inode \(file.number): block 0 moved from "))
      let said = ["-> ", "<- UPSERT [0x0 +0x1000 unwritten at ", "begin [0x0 +0x1000 retry"]
      for words in said {
        #expect(lines.dropFirst().contains { $0.contains(words) }, "\(violation)")
      }
      #expect(lines.contains { $0.hasSuffix("begin write [0x1 +0x1]") }, "\(violation)")
      try mount.kernel.close(file)
    }
  }

  /// What is seen during an IOEND may be from before or after it.
  @Test(arguments: [MappingType.unwritten, MappingType.mapped])
  func eitherKindIsRightDuringAnIOEND(type: UInt16) throws {
    try at { desk in
      desk.show(MappingType.unwritten, 7, at: 2149)
      desk.beginConversion(7)
      desk.show(type, 7, at: 2149)
      desk.endConversion(7)
      desk.show(MappingType.mapped, 7, at: 2149, desk.answered)
      #expect(desk.rules.isClean, "\(desk.rules.violations)")
      desk.show(MappingType.unwritten, 7, at: 2149)
      #expect(desk.rules.violatedRules == [.i47])
    }
  }
}
