import Glibc
import Testing

@testable import FuseTransport

@Suite struct TransferMemoryTests {
  @Test(
    "Each thread has pages of its own, as large as a request and an answer can be",
    arguments: [1, 4, 16])
  func pagesOfTheirOwn(threads: Int) throws {
    let memory = try #require(TransferMemory(threadCount: threads))
    var taken: [Range<UInt>] = []
    for index in 0..<threads {
      let buffers = memory[index]
      #expect(buffers.output.count == TransferMemory.maximumTransfer)
      #expect(buffers.input.count >= TransferMemory.maximumTransfer + 4096)
      for buffer in [buffers.input, buffers.smallOutput, buffers.output] {
        let start = UInt(bitPattern: buffer.baseAddress)
        #expect(start % 4096 == 0)
        taken.append(start..<start + UInt(buffer.count))
        memset(buffer.baseAddress!, 0xA5, buffer.count)
      }
    }
    taken.sort { $0.lowerBound < $1.lowerBound }
    for (one, next) in zip(taken, taken.dropFirst()) { #expect(one.upperBound <= next.lowerBound) }
  }
}
