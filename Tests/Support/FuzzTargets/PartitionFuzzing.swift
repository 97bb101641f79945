import CLinux
import Corruption
import Glibc
import PartitionTables
import Synchronization
import SystemPackage
import TestSupport

/// Partition tables on a small disk.
///
/// The first byte of an input says what the disk is: as the input has it from its beginning on; or a sound GPT, with 512 or 4096 bytes a
/// sector, in which the input changes bytes, and whose checksums are put right.
enum PartitionFuzzing {
  private struct Disk: @unchecked Sendable {
    let descriptor: CInt
    let bytes: UnsafeMutableRawBufferPointer

    init() throws {
      descriptor = clinux_memory_file()
      guard descriptor >= 0 else { throw Errno(rawValue: errno) }
      try Syscall.ftruncate(descriptor, size: PartitionImage.size)
      let address = mmap(
        nil, PartitionImage.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
      guard let address, address != MAP_FAILED else { throw Errno(rawValue: errno) }
      bytes = UnsafeMutableRawBufferPointer(start: address, count: PartitionImage.size)
    }
  }

  private static let disk = Mutex(Result { try Disk() })

  static func run(_ input: UnsafeRawBufferPointer) throws {
    guard let first = input.first else { return }
    try disk.withLock { disk in
      let disk = try disk.get()
      let rest = UnsafeRawBufferPointer(rebasing: input.dropFirst())
      switch first % 3 {
      case 0:
        memset(disk.bytes.baseAddress!, 0, disk.bytes.count)
        disk.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest.prefix(disk.bytes.count)))
        // Most inputs would be no table at all.
        if first & 0x80 != 0 {
          disk.bytes[510] = 0x55
          disk.bytes[511] = 0xAA
        }
      case let kind:
        let sector = kind == 1 ? 512 : 4096
        PartitionImage.make(on: ImageBytes(disk.bytes), sectorSize: sector)
        change(disk.bytes, rest, sectorSize: sector)
        if first & 0x80 == 0 {
          PartitionImage.repair(ImageBytes(disk.bytes), sectorSize: sector)
        }
      }
      look(at: disk)
    }
  }

  /// Each three bytes of the input change one of the table.
  private static func change(
    _ bytes: UnsafeMutableRawBufferPointer, _ input: UnsafeRawBufferPointer, sectorSize: Int
  ) {
    for start in stride(from: 0, to: input.count - 2, by: 3) {
      let place = Int(input.loadUnaligned(fromByteOffset: start, as: UInt16.self))
      bytes[place % (3 * sectorSize)] = input[start + 2]
    }
  }

  private static func look(at disk: Disk) {
    for size in [Int64(PartitionImage.size), 4096, 513] {
      let reader = DiskReader(descriptor: disk.descriptor, byteCount: size)
      guard let table = PartitionTable(of: reader) else { continue }
      for partition in table.partitions {
        _ = table[partition.number]
        _ = reader.hasExtSuperblock(at: partition.byteOffset)
        let end = partition.byteOffset.addingReportingOverflow(partition.byteCount)
        guard partition.byteOffset >= 0, partition.byteCount > 0, !end.overflow,
          end.partialValue <= size
        else { FuzzFailure.fail("partition \(partition) is not within \(size) bytes") }
      }
    }
  }
}
