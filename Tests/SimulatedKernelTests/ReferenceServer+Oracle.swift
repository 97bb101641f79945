import Foundation
import Glibc
import KernelDouble
import TestSupport

/// The truth of the reference server is its memory, and, for crash tests, what it wrote last.
final class ReferenceOracle: DiskOracle, @unchecked Sendable {
  let blockSize: UInt64
  let hasExtents: Bool
  var isExt4: Bool { false }
  private let lock = NSLock()
  private weak var server: ReferenceServer?

  init(blockSize: UInt64, hasExtents: Bool) {
    self.blockSize = blockSize
    self.hasExtents = hasExtents
  }

  func attach(_ server: ReferenceServer) { lock.withLock { self.server = server } }

  func inodes(_ numbers: [UInt64]) throws -> [UInt64: InodeTruth] {
    guard let server = lock.withLock({ server }) else { return [:] }
    return server.withLock {
      var found: [UInt64: InodeTruth] = [:]
      for number in numbers { found[number] = server.inodes[number]?.truth }
      return found
    }
  }

  func isClean() throws -> Bool {
    guard let server = lock.withLock({ server }) else { return false }
    return server.withLock { server.scratch["clean"] == 1 }
  }
}

extension ReferenceServer {
  /// What is kept of an inode.
  private struct Record: Codable {
    var number: UInt64
    var mode: UInt32
    var links: UInt32
    var size: UInt64
    var blocks: [UInt64]
    var entries: [String: UInt64]
  }

  private struct Snapshot: Codable {
    var next: UInt64
    var inodes: [Record]
  }

  /// Two slots in turn, so that one is always whole.
  private func slot(_ commit: UInt64) -> UInt64 { (16 + commit % 2 * 240) * options.blockSize }

  func persist() {
    let records = inodes.values.map { inode in
      Record(
        number: inode.number, mode: inode.mode, links: inode.links, size: inode.size,
        blocks: inode.blocks.flatMap { [$0.key, $0.value.device, isExposed($0.value) ? 0 : 1] },
        entries: inode.entries)
    }
    guard let data = try? JSONEncoder().encode(Snapshot(next: nextNumber, inodes: records)) else {
      return
    }
    var writer = ByteWriter()
    writer.put(UInt64(0x5245_4645_5245_4e43))
    writer.put(commits)
    writer.put(UInt64(data.count))
    writer.put(Self.sum(data, commits))
    writer.bytes += data
    write(writer.bytes, at: slot(commits))
  }

  private func isExposed(_ block: ReferenceInode.Block) -> Bool {
    !block.isUnwritten || fault == .exposesAfterCrash
  }

  private static func sum(_ data: Data, _ commit: UInt64) -> UInt64 {
    data.reduce(commit &+ 1469) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  func recover() {
    var best: (commit: UInt64, snapshot: Snapshot)?
    for index in 0..<UInt64(2) {
      var header = [UInt8](repeating: 0, count: 32)
      _ = pread(options.device, &header, 32, off_t(slot(index)))
      let reader = ByteReader(bytes: header)
      let (magic, commit): (UInt64, UInt64) = (reader.get(0), reader.get(8))
      let (count, sum): (UInt64, UInt64) = (reader.get(16), reader.get(24))
      guard magic == 0x5245_4645_5245_4e43, count < 240 * options.blockSize else { continue }
      var bytes = [UInt8](repeating: 0, count: Int(count))
      _ = pread(options.device, &bytes, bytes.count, off_t(slot(index) + 32))
      let data = Data(bytes)
      guard Self.sum(data, commit) == sum,
        let snapshot = try? JSONDecoder().decode(Snapshot.self, from: data)
      else { continue }
      if commit >= best?.commit ?? 0 { best = (commit, snapshot) }
    }
    guard let best else { return }
    commits = best.commit
    nextNumber = best.snapshot.next
    inodes = [:]
    for record in best.snapshot.inodes { restore(record) }
    // What had no name when the power went has none now.
    for inode in inodes.values where inode.links == 0 { reap(inode) }
  }

  private func restore(_ record: Record) {
    let inode = ReferenceInode(number: record.number, generation: 1, mode: record.mode)
    inode.links = record.links
    inode.size = record.size
    inode.entries = record.entries
    for index in stride(from: 0, to: record.blocks.count, by: 3) {
      let place = record.blocks[index + 1]
      inode.blocks[record.blocks[index]] = .init(
        device: place, isUnwritten: record.blocks[index + 2] == 1)
      free.remove(place)
    }
    inodes[inode.number] = inode
  }
}
