import Corruption
import FuzzTargets
import TestSupport
import Testing

/// Partition tables, one field at a time, with checksums put right and left wrong.
@Suite struct PartitionCorruptionTests {
  @Test func noFieldDoesHarm() throws {
    var count = 0
    for sector in [512, 4096] {
      for object in PartitionImage.objects(sectorSize: sector) {
        for (index, field) in object.fields.enumerated() {
          for mutation in FieldMutation.allCases {
            for leavesChecksums in [false, true] {
              var disk = [UInt8](repeating: 0, count: PartitionImage.size)
              disk.withUnsafeMutableBytes { raw in
                let bytes = ImageBytes(raw)
                PartitionImage.make(on: bytes, sectorSize: sector)
                let place = object.offset + field.offset
                let value = bytes.number(at: place, size: field.size)
                bytes.set(
                  mutation.apply(
                    to: value, size: field.size, seed: UInt64(count) + UInt64(index)),
                  at: place, size: field.size)
                if !leavesChecksums { PartitionImage.repair(bytes, sectorSize: sector) }
              }
              // As a disk of its own (kind 0): the fuzzer's judgement is the test's.
              try ([UInt8(0)] + disk).withUnsafeBytes { try FuzzTarget.partitions.run($0) }
              count += 1
            }
          }
        }
      }
    }
    #expect(count > 800)
  }
}
