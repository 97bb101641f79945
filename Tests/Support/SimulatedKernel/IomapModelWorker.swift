import SystemPackage
import TestSupport

/// One thread of the model checker. Its files are its own.
final class IomapModelWorker: @unchecked Sendable {
  private final class Tracked {
    var name: String
    var file: OpenFile
    var model = IomapModel()
    /// Unlinked, but still open.
    var isNameless = false

    init(name: String, file: OpenFile) {
      self.name = name
      self.file = file
    }
  }

  private let kernel: SimulatedKernel
  private let plan: IomapModelChecker.Plan
  private let index: Int
  private var random: SeededGenerator
  private var files: [Tracked] = []
  private var names = 0
  private var trace: [String] = []
  private var pattern: UInt64 = 1

  init(_ kernel: SimulatedKernel, _ plan: IomapModelChecker.Plan, index: Int, seed: UInt64) {
    self.kernel = kernel
    self.plan = plan
    self.index = index
    random = SeededGenerator(seed: seed)
  }

  func run(_ operations: Int) throws {
    for _ in 0..<operations {
      if kernel.rules.isFatal { return }
      do {
        try step()
      } catch {
        throw Failure("seed \(plan.seed): \(error) in\n\(history)")
      }
    }
  }

  /// The last operations.
  var history: String {
    "thread \(index):\n  " + trace.suffix(12).joined(separator: "\n  ")
  }

  /// Compares all contents once more and closes everything.
  func finish() throws {
    for tracked in files {
      try compare(
        tracked, 0, tracked.model.size,
        try kernel.read(
          tracked.file, at: 0, count: tracked.model.size))
      try kernel.close(tracked.file)
      if tracked.isNameless { try kernel.evict(tracked.file.node) }
    }
    files = []
  }

  private func step() throws {
    if files.count < plan.files {
      files.append(try create())
      return
    }
    let tracked = random.pick(files)
    switch random.number(0..<100) {
    case 0..<26: try write(tracked)
    case 26..<50: try read(tracked)
    case 50..<55: try store(tracked)
    case 55..<59: try load(tracked)
    case 59..<66: try writeDirect(tracked)
    case 66..<72: try readDirect(tracked)
    case 72..<76: try truncate(tracked)
    case 76..<80: try clear(tracked, punches: true)
    case 80..<83: try clear(tracked, punches: false)
    case 83..<86: try allocate(tracked)
    case 86..<87: try refused(tracked)
    case 87..<90: try dropCaches(tracked)
    case 90..<93: try synchronize(tracked)
    case 93..<95: try reopen(tracked)
    case 95..<96: try replace(tracked)
    case 96..<97: try rename(tracked)
    case 97..<99: try seek(tracked)
    default: _ = try kernel.getattr(tracked.file.node)
    }
  }

  private func note(_ what: String, _ tracked: Tracked, _ start: Int = 0, _ count: Int = 0) {
    if trace.count >= 64 { trace.removeFirst(32) }
    trace.append(
      "\(what) \(tracked.name) [\(hex(start)) +\(hex(count))], size \(hex(tracked.model.size))")
  }

  // MARK: Choosing

  /// Mostly inside what is there, sometimes behind it.
  private func position(_ tracked: Tracked) -> Int {
    let size = tracked.model.size
    switch random.number(0..<8) {
    case 0: return random.number(0..<plan.sizeLimit)
    case 1: return min(size, plan.sizeLimit - 1)
    default: return random.number(0..<max(1, min(size, plan.sizeLimit)))
    }
  }

  private func range(_ tracked: Tracked, unit: Int = 1) -> (Int, Int) {
    let start = position(tracked) / unit * unit
    let most = max(unit, min(plan.operationSize, plan.sizeLimit - start))
    let short = random.oneIn(3) ? most : max(unit, min(most, 5000))
    let count = random.number(1..<(short + 1)) / unit * unit
    return (start, max(unit, count))
  }

  /// Bytes that tell where and when they were written.
  private func fresh(_ count: Int) -> [UInt8] {
    pattern &+= 0x9e37_79b9_7f4a_7c15
    let word = pattern | 0x0101_0101_0101_0101
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      var value = word
      var place = 0
      let raw = UnsafeMutableRawBufferPointer(buffer)
      while place + 8 <= count {
        raw.storeBytes(of: value, toByteOffset: place, as: UInt64.self)
        value = value &* 0x0001_0000_01b3 | 1
        place += 8
      }
      while place < count {
        raw[place] = UInt8(truncatingIfNeeded: value >> 3) | 1
        place += 1
      }
      initialized = count
    }
  }

  private func compare(
    _ tracked: Tracked, _ start: Int, _ count: Int, _ bytes: [UInt8]
  ) throws {
    let expected = tracked.model.read(at: start, count: count)
    guard bytes.count == expected.count else {
      throw Failure(
        "\(tracked.name): \(bytes.count) bytes at \(hex(start)) instead of \(expected.count)")
    }
    let isEqual = bytes.withUnsafeBytes { read in
      expected.withUnsafeBytes { read.elementsEqual($0) }
    }
    if isEqual { return }
    let place = zip(bytes, expected).enumerated().first { $0.element.0 != $0.element.1 }
    let index = place?.offset ?? 0
    throw Failure(
      "\(tracked.name) (inode \(tracked.file.number)): byte \(hex(start + index)) is"
        + " \(bytes[index]), must be \(expected[expected.startIndex + index])")
  }

  // MARK: Operations

  private func create() throws -> Tracked {
    names += 1
    let name = "t\(index)-\(names)"
    let tracked = Tracked(name: name, file: try kernel.create(name))
    note("create", tracked)
    return tracked
  }

  private func write(_ tracked: Tracked) throws {
    let (start, count) = range(tracked)
    note("write", tracked, start, count)
    let bytes = fresh(count)
    let written = try kernel.write(tracked.file, at: UInt64(start), bytes)
    guard written == count else { throw Failure("wrote \(written) of \(count)") }
    tracked.model.write(bytes, at: start)
  }

  private func read(_ tracked: Tracked) throws {
    let (start, count) = range(tracked)
    note("read", tracked, start, count)
    try compare(
      tracked, start, count, try kernel.read(tracked.file, at: UInt64(start), count: count))
  }

  private func load(_ tracked: Tracked) throws {
    let (start, count) = range(tracked)
    note("load", tracked, start, count)
    try compare(
      tracked, start, count, try kernel.load(tracked.file, at: UInt64(start), count: count))
  }

  private func store(_ tracked: Tracked) throws {
    let (start, most) = range(tracked)
    let count = min(most, tracked.model.size - start)
    guard count > 0 else { return }
    note("store", tracked, start, count)
    let bytes = fresh(count)
    try kernel.store(tracked.file, at: UInt64(start), bytes)
    tracked.model.write(bytes, at: start)
  }

  private func writeDirect(_ tracked: Tracked) throws {
    let (start, count) = range(tracked, unit: 512)
    note("direct write", tracked, start, count)
    let bytes = fresh(count)
    let options = SimulatedKernel.DirectOptions(isAsynchronous: random.oneIn(2))
    let written = try kernel.writeDirect(tracked.file, at: UInt64(start), bytes, options)
    guard written == count else { throw Failure("wrote \(written) of \(count)") }
    tracked.model.write(bytes, at: start)
  }

  private func readDirect(_ tracked: Tracked) throws {
    let (start, count) = range(tracked, unit: 512)
    note("direct read", tracked, start, count)
    try compare(
      tracked, start, count, try kernel.readDirect(tracked.file, at: UInt64(start), count: count))
  }

  private func truncate(_ tracked: Tracked) throws {
    let size = random.oneIn(8) ? 0 : position(tracked)
    note("truncate", tracked, size)
    try kernel.truncate(tracked.file.node, to: UInt64(size), handle: tracked.file)
    tracked.model.resize(to: size)
  }

  private func clear(_ tracked: Tracked, punches: Bool) throws {
    let (start, count) = range(tracked)
    let keeps = punches || random.oneIn(2)
    note(punches ? "punch" : "zero range", tracked, start, count)
    let mode: UInt32 = (punches ? 2 : 16) | (keeps ? 1 : 0)
    guard try fallocate(tracked, mode: mode, start, count) else { return }
    tracked.model.zero(start, start + count)
    if !keeps && start + count > tracked.model.size { tracked.model.resize(to: start + count) }
  }

  private func allocate(_ tracked: Tracked) throws {
    let (start, count) = range(tracked)
    let keeps = random.oneIn(2)
    note("allocate", tracked, start, count)
    guard try fallocate(tracked, mode: keeps ? 1 : 0, start, count) else { return }
    if !keeps && start + count > tracked.model.size { tracked.model.resize(to: start + count) }
  }

  /// False where the file's map knows no unwritten blocks, and the file system says so.
  private func fallocate(
    _ tracked: Tracked, mode: UInt32, _ start: Int, _ count: Int
  ) throws -> Bool {
    do throws(Errno) {
      try kernel.fallocate(tracked.file, mode: mode, at: UInt64(start), length: UInt64(count))
      return true
    } catch {
      let hasExtents = (kernel.oracle as? DiskTruth)?.hasExtents ?? true
      guard error == .unsupported && !hasExtents else { throw error }
      return false
    }
  }

  /// COLLAPSE_RANGE, INSERT_RANGE: no request is sent.
  private func refused(_ tracked: Tracked) throws {
    let mode: UInt32 = random.oneIn(2) ? 8 : 32
    do {
      try kernel.fallocate(tracked.file, mode: mode, at: 0, length: 4096)
      throw Failure("fallocate mode \(mode) was not refused")
    } catch let error as Errno {
      guard error == .unsupported else { throw error }
    }
  }

  private func dropCaches(_ tracked: Tracked) throws {
    note("drop caches", tracked)
    if random.oneIn(2) { try kernel.dropPageCache(tracked.file.node) }
    if random.oneIn(2) { try kernel.dropMappingCache(tracked.file.node) }
  }

  private func synchronize(_ tracked: Tracked) throws {
    guard plan.synchronizes else { return }
    note("fsync", tracked)
    try kernel.fsync(tracked.file, dataOnly: random.oneIn(2))
  }

  private func reopen(_ tracked: Tracked) throws {
    guard !tracked.isNameless, plan.synchronizes else { return }
    note("reopen", tracked)
    try kernel.close(tracked.file)
    var node = tracked.file.node
    if random.oneIn(2) {
      try kernel.evict(node)
      node = try kernel.lookup(tracked.name).node
    }
    tracked.file = try kernel.open(node)
    guard Int(tracked.file.size) == tracked.model.size else {
      throw Failure("\(tracked.name) has size \(tracked.file.size) after it was opened again")
    }
  }

  /// Unlinks a file, open or not, and makes another.
  private func replace(_ tracked: Tracked) throws {
    note("unlink", tracked)
    if !tracked.isNameless {
      try kernel.unlink(tracked.name)
      tracked.isNameless = true
      // Every other one is used on without a name.
      if random.oneIn(2) { return }
    }
    try kernel.close(tracked.file)
    try kernel.evict(tracked.file.node)
    files.removeAll { $0 === tracked }
  }

  private func rename(_ tracked: Tracked) throws {
    guard !tracked.isNameless else { return }
    names += 1
    let name = "t\(index)-\(names)"
    note("rename to \(name)", tracked)
    try kernel.rename(tracked.name, to: name)
    tracked.name = name
  }

  /// SEEK_DATA must not skip anything that is not zero, SEEK_HOLE must find zeros.
  private func seek(_ tracked: Tracked) throws {
    let size = tracked.model.size
    guard size > 0 else { return }
    let start = random.number(0..<size)
    note("seek", tracked, start)
    var data = size
    do {
      data = Int(try kernel.seek(tracked.file, from: UInt64(start), forData: true))
    } catch {
      guard error == .noSuchAddressOrDevice else { throw error }
    }
    if let place = tracked.model.bytes[start..<min(data, size)].firstIndex(where: { $0 != 0 }) {
      throw Failure("SEEK_DATA from \(hex(start)) skips data at \(hex(place))")
    }
    let hole = Int(try kernel.seek(tracked.file, from: UInt64(start), forData: false))
    if hole < size, tracked.model.bytes[hole] != 0 {
      throw Failure("SEEK_HOLE from \(hex(start)) finds data at \(hex(hole))")
    }
  }
}
