import Glibc
import SystemPackage
import TestSupport

/// The contents of two open files compared wherever either says that it has data. Small files are read
/// whole, and what either calls a hole must read as zero there.
struct ContentComparison {
  private static let wholeLimit = 4 << 20
  private static let step = 262_144

  private let files: [CInt]

  init(_ first: CInt, _ second: CInt) {
    files = [first, second]
  }

  /// What is different, or nil.
  func run() throws(Errno) -> String? {
    let size = Int(try Syscall.fstat(files[0]).st_size)
    var segments: [[Range<Int>]] = []
    for file in files { segments.append(try dataSegments(file, size: size)) }
    let regions = size <= Self.wholeLimit ? [0..<size] : segments[0] + segments[1]
    for region in regions {
      for offset in stride(from: region.lowerBound, to: region.upperBound, by: Self.step) {
        let count = min(Self.step, region.upperBound - offset)
        let first = try Syscall.read(files[0], count: count, at: offset)
        let second = try Syscall.read(files[1], count: count, at: offset)
        if let problem = compare(first, second, at: offset, segments) { return problem }
      }
    }
    return nil
  }

  private func compare(
    _ first: [UInt8], _ second: [UInt8], at offset: Int, _ segments: [[Range<Int>]]
  ) -> String? {
    guard first == second else {
      let same = zip(first, second).prefix { $0 == $1 }.count
      let bytes = [first, second].map { $0.dropFirst(same).prefix(8).map { String($0, radix: 16) } }
      return "contents at \(offset + same): \(bytes[0]) | \(bytes[1])"
    }
    for side in 0..<2 {
      var position = 0
      for segment in segments[side] + [.max ..< .max] where segment.upperBound > offset {
        let hole = position..<max(position, min(first.count, segment.lowerBound - offset))
        if let at = first[hole].firstIndex(where: { $0 != 0 }) {
          return "side \(side) calls \(offset + at) a hole, but it holds \(first[at])"
        }
        position = min(first.count, max(position, segment.upperBound - offset))
      }
    }
    return nil
  }

  private func dataSegments(_ file: CInt, size: Int) throws(Errno) -> [Range<Int>] {
    var segments: [Range<Int>] = []
    var offset = 0
    while offset < size {
      do throws(Errno) {
        let data = try Syscall.seekData(file, from: offset)
        let hole = try Syscall.seekHole(file, from: data)
        guard data >= offset && hole >= data else { throw Errno.notSupported }
        // The kernel's ext4, with blocks smaller than a page, may see data in a page that is gone a moment later.
        segments.append(data..<max(hole, data + 1))
        offset = max(hole, data + 1)
      } catch {
        if error == .noSuchAddressOrDevice { break }
        throw error
      }
    }
    return segments
  }
}
