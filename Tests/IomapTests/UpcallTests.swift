import KernelDouble
import SystemPackage
import TestSupport
import Testing

@testable import fuse4fs

/// How often the kernel has to ask, workload by workload: printed as a table, and held to what was promised.
@Suite(.serialized) struct UpcallTests {
  private struct Row {
    let workload: String
    let counters: SimulatedKernel.Counters
    var questions: Int { counters.total(prefix: "begin") + counters.total(prefix: "end ") }
  }

  private static let gigabyte: UInt64 = 1 << 30
  private static let piece = 128 << 10

  @Test func everyWorkload() throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("disk.img"), size: "2G")
      let rules = RuleBook()
      let mount = try SimulatedMount(image, .init(), rules: rules)
      var rows: [Row] = []
      let kernel = mount.kernel
      func measure(_ workload: String, _ body: () throws -> Void) throws {
        let before = kernel.counters
        try body()
        rows.append(Row(workload: workload, counters: kernel.counters - before))
      }

      var file = try kernel.create("big")
      let bytes = [UInt8](repeating: 0x5A, count: Self.piece)
      try measure("append 1 GiB in 128 KiB pieces") {
        for position in stride(from: 0, to: Self.gigabyte, by: Self.piece) {
          try kernel.write(file, at: position, bytes)
          if position % (64 << 20) == 0 { try kernel.dropPageCache(file.node) }
        }
        try kernel.fsync(file)
      }
      func readAll(_ count: UInt64 = Self.gigabyte) throws {
        for position in stride(from: 0, to: count, by: 1 << 20) {
          _ = try kernel.readDirect(file, at: position, count: 1 << 20)
        }
      }
      try kernel.close(file)
      try kernel.evict(file.node)
      let node = try kernel.lookup("big").node
      try measure("open and read 1 GiB in order") {
        file = try kernel.open(node)
        try readAll()
      }
      try measure("read it again") { try readAll() }
      try measure("overwrite 64 MiB, fsync") {
        for position in stride(from: 0, to: UInt64(64 << 20), by: Self.piece) {
          try kernel.write(file, at: position, bytes)
        }
        try kernel.fsync(file)
      }
      try measure("read that again") { try readAll(64 << 20) }
      try kernel.close(file)

      file = try kernel.create("fragmented")
      for index in 0..<UInt64(10_000) {
        try kernel.writeDirect(file, at: index * 8192, [UInt8](repeating: 1, count: 4096))
      }
      try kernel.fsync(file)
      try kernel.close(file)
      try kernel.evict(file.node)
      file = try kernel.open(try kernel.lookup("fragmented").node)
      var random = SeededGenerator(seed: 1)
      func readRandomly() throws {
        for _ in 0..<20_000 {
          _ = try kernel.readDirect(
            file, at: UInt64(random.number(0..<10_000)) * 8192, count: 4096)
        }
      }
      try measure("20,000 random reads of 10,000 extents") { try readRandomly() }
      try measure("20,000 more") { try readRandomly() }
      try kernel.close(file)
      try mount.unmount()
      try rules.verify()

      print(Self.table(rows))
      #expect(rows[0].questions <= 8192 / 64, "append")
      #expect(rows[1].questions <= 1, "first read")
      #expect(rows[2].questions == 0, "reread")
      #expect(rows[3].questions == 0, "overwrite")
      #expect(rows[4].questions == 0, "read after an overwrite")
      #expect(rows[5].questions <= 100, "random reads")
      #expect(rows[6].questions <= 10, "random rereads")
    }
  }

  private static func table(_ rows: [Row]) -> String {
    func line(_ cells: [String]) -> String {
      cells[0].padding(to: 40) + cells.dropFirst().map { $0.padding(to: 10) }.joined()
    }
    return
      ([line(["workload", "BEGIN", "END", "IOEND", "upserts"])]
      + rows.map { row in
        line([
          row.workload, "\(row.counters.total(prefix: "begin"))",
          "\(row.counters.total(prefix: "end "))", "\(row.counters.total(prefix: "ioend"))",
          "\(row.counters.total(prefix: "upsert"))",
        ])
      }).joined(separator: "\n")
  }
}

extension String {
  func padding(to width: Int) -> String {
    self + String(repeating: " ", count: max(1, width - count))
  }
}
