import Glibc
import Journal
import TestSupport
import Testing

/// Random use of a cache, compared with two arrays: what the device holds, and what the cache shows.
@Suite struct BlockCacheModelTests {
  private static let size = 96 * 4096
  private static let offset = 512

  private struct Model {
    var device: [UInt8]
    /// Like `device`, but for the blocks that are dirty.
    var view: [UInt8]
    var dirty: Set<Int> = []
    var blockSize = 1024

    var blockCount: Int { BlockCacheModelTests.size / blockSize }

    func range(of block: Int) -> Range<Int> {
      block * blockSize..<(block + 1) * blockSize
    }

    mutating func writeBack() {
      for block in dirty { device[range(of: block)] = view[range(of: block)] }
      dirty = []
    }

    mutating func forget(_ blocks: Range<Int>) {
      for block in blocks where dirty.remove(block) != nil {
        view[range(of: block)] = device[range(of: block)]
      }
    }
  }

  @Test(arguments: [11, 12, 13] as [UInt64])
  func randomUse(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let contents = SeededGenerator.bytes(Self.size, seed: seed)
    let margin = [UInt8](repeating: 0x5A, count: Self.offset)
    let file = try MemoryFile(margin + contents + margin)
    let cache = BlockCache(
      device: file.device(offset: Int64(Self.offset), count: Int64(Self.size)))
    var model = Model(device: contents, view: contents)
    for step in 0..<6000 {
      let block = random.number(0..<model.blockCount)
      let change = random.number(0..<1000)
      switch change {
      case 0..<400:
        let bytes = try cache.contents(UInt64(block))
        guard bytes.elementsEqual(model.view[model.range(of: block)]) else {
          Issue.record("seed \(seed), step \(step): block \(block) of \(model.blockSize) bytes")
          return
        }
      case 400..<650:
        let bytes = SeededGenerator.bytes(model.blockSize, seed: random.next())
        try cache.replace(UInt64(block), with: bytes)
        model.view.replaceSubrange(model.range(of: block), with: bytes)
        model.dirty.insert(block)
      case 650..<850:
        let buffer = try cache.read(BlockNumber(UInt64(block)))
        let byte = random.number(0..<model.blockSize)
        let value = UInt8(truncatingIfNeeded: random.next())
        buffer.data.storeBytes(of: value, toByteOffset: byte, as: UInt8.self)
        cache.markDirty(buffer)
        model.view[model.range(of: block).lowerBound + byte] = value
        model.dirty.insert(block)
      case 850..<940:
        let end = min(block + (random.oneIn(8) ? 1000 : random.number(0..<6)), model.blockCount)
        cache.forget(BlockNumber(UInt64(block)), count: UInt64(end - block))
        model.forget(block..<end)
      case 940..<970:
        cache.trim(to: random.pick([0, 20 * 1024, 1 << 20]))
      case 970..<995:
        try cache.writeBack()
        model.writeBack()
      default:
        let size = random.pick([1024, 2048, 4096])
        if size != model.blockSize { model.writeBack() }
        try cache.setBlockSize(size)
        model.blockSize = size
      }
      // The device changes when it should, and else not.
      guard change >= 970 || random.oneIn(100) else { continue }
      guard try file.contents == margin + model.device + margin,
        cache.isDirty || model.dirty.isEmpty
      else {
        Issue.record("seed \(seed), step \(step): the device after change \(change)")
        return
      }
    }
    try cache.writeBack()
    model.writeBack()
    #expect(try file.contents == margin + model.view + margin, "seed \(seed)")
    #expect(!cache.isDirty)
  }
}
