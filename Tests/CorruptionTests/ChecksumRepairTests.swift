import Corruption
import TestSupport
import Testing

/// What the corruption tests do before they corrupt.
@Suite struct ChecksumRepairTests {
  @Test func aSoundImageStaysAsItIs() throws {
    for base in try BaseImage.all() {
      let disk = try HostileDisk(capacity: base.contents.count)
      try disk.load(base.contents)
      ChecksumRepair.repair(disk.bytes, base.map)
      let differing = zip(base.contents, disk.bytes.raw).enumerated().filter { $1.0 != $1.1 }
      #expect(differing.isEmpty, "\(base.name): \(differing.prefix(8).map { $0.offset })")
    }
  }
}
