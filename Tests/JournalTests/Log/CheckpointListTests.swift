import Dispatch
import Glibc
import Synchronization
import Testing

@testable import Journal

@Suite struct CheckpointListTests {
  /// A checkpoint lists blocks while commits add some. ThreadSanitizer reports what is read of the list without its lock.
  @Test func blocksAreListedWhileOthersAreAdded() throws {
    let disk = try LogFixture()
    let list = CheckpointList(of: disk.device)
    let perTransaction: UInt64 = 16
    let format = try disk.superblock.format
    let transactions = try (1...UInt32(500)).map { sequence in
      let first = UInt64(sequence) * perTransaction
      let buffers = try (first..<first + perTransaction).map {
        try BlockCache.Buffer(block: BlockNumber($0), size: format.blockSize)
      }
      return Transaction(buffers, revoking: [], sequence: sequence, format: format)
    }
    let added = Atomic<UInt32>(0)
    let wrong = Mutex<[UInt32]>([])
    DispatchQueue.concurrentPerform(iterations: 2) { thread in
      if thread == 0 {
        for transaction in transactions {
          list.add(transaction)
          added.store(transaction.sequence, ordering: .releasing)
          usleep(200)
        }
        return
      }
      var last: UInt32 = 0
      while last < UInt32(transactions.count) {
        last = added.load(ordering: .acquiring)
        let expected = (perTransaction..<UInt64(last + 1) * perTransaction).map { BlockNumber($0) }
        if last > 0, list.blocks(upTo: last) != expected { wrong.withLock { $0.append(last) } }
      }
    }
    #expect(wrong.withLock { $0 }.isEmpty)
  }
}
