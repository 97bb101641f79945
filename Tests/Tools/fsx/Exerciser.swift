import CLinux
import Glibc
import SystemPackage
import TestSupport

/// Does random operations on one file and compares it with a model in memory after each.
final class Exerciser {
  struct Mismatch: Error {
    let description: String
  }

  static let alignment = 4096
  static let maximumCount = 65536

  let path: FilePath
  private(set) var model: FileModel
  private var random: SeededGenerator
  private var files: [CInt]
  private let appending: CInt
  private let direct: CInt?
  private let classes: [OperationClass]
  private let buffer: UnsafeMutableRawBufferPointer

  /// Creates the file, or empties it.
  init(
    path: FilePath, model: FileModel, seed: UInt64, excluded: Set<OperationClass>
  ) throws(Errno) {
    self.path = path
    self.model = model
    random = SeededGenerator(seed: seed)
    classes = OperationClass.allCases.filter { !excluded.contains($0) }
      .flatMap { Array(repeating: $0, count: $0.weight) }
    files = [try Syscall.open(path, O_RDWR | O_CREAT | O_TRUNC, mode: 0o644)]
    files.append(try Syscall.open(path, O_RDWR))
    appending = try Syscall.open(path, O_WRONLY | O_APPEND)
    let directNeeded = classes.contains(.directRead) || classes.contains(.directWrite)
    direct = directNeeded ? try Syscall.open(path, O_RDWR | Syscall.directFlag) : nil
    buffer = .allocate(byteCount: Self.maximumCount, alignment: Self.alignment)
    try Syscall.ftruncate(files[0], size: model.base)
  }

  deinit {
    buffer.deallocate()
    for file in files + [appending] { try? Syscall.close(file) }
    if let direct { try? Syscall.close(direct) }
  }

  /// A random operation that fits the file as it is now.
  func next() -> Operation {
    let file = random.number(0..<files.count)
    let offset = random.number(0..<model.limit)
    let count = min(random.oneIn(3) ? Self.maximumCount : 5000, model.limit - offset)
    let length = random.number(1..<count + 1)
    let seed = random.next()
    switch random.pick(classes) {
    case .read: return .read(file: file, offset: offset, count: length)
    case .write: return .write(file: file, offset: offset, count: length, seed: seed)
    case .append:
      let room = model.limit - model.size
      return .append(count: min(length, room), seed: seed)
    case .truncate:
      return .truncate(file: file, size: random.oneIn(8) ? model.size : offset)
    case .mapRead:
      let range = existing(offset, length)
      return .mapRead(file: file, offset: range.lowerBound, count: range.count)
    case .mapWrite:
      let range = existing(offset, length)
      return .mapWrite(
        file: file, offset: range.lowerBound, count: range.count, seed: seed, sync: random.oneIn(8))
    case .punch: return .punch(file: file, offset: offset, count: length)
    case .zero:
      return .zero(file: file, offset: offset, count: length, keepSize: random.oneIn(2))
    case .allocate:
      return .allocate(file: file, offset: offset, count: length, keepSize: random.oneIn(2))
    case .copy: return copy(offset, length)
    case .directRead:
      let range = aligned(offset, length)
      return .directRead(offset: range.lowerBound, count: range.count)
    case .directWrite:
      let range = aligned(offset, length)
      return .directWrite(offset: range.lowerBound, count: range.count, seed: seed)
    case .sync: return .sync(file: file, dataOnly: random.oneIn(2))
    case .reopen: return .reopen(file: file)
    case .seek: return .seek(file: file, offset: offset)
    }
  }

  private func copy(_ offset: Int, _ length: Int) -> Operation {
    let range = existing(offset, length)
    // Ranges of one file that overlap are EINVAL: the target begins after the source or ends before.
    let after = random.number(range.upperBound..<model.limit + 1)
    let target = after + range.count <= model.limit ? after : 0
    let count = target == 0 ? min(range.count, range.lowerBound) : range.count
    return .copy(
      from: random.number(0..<files.count), source: range.lowerBound,
      to: random.number(0..<files.count), target: target, count: count)
  }

  /// The part of a range that the file has, or else some range that it has.
  private func existing(_ offset: Int, _ length: Int) -> Range<Int> {
    guard model.size > 0 else { return 0..<0 }
    let start = offset % model.size
    return start..<min(start + length, model.size)
  }

  private func aligned(_ offset: Int, _ length: Int) -> Range<Int> {
    let start = offset / Self.alignment * Self.alignment
    let end = (start + length + Self.alignment - 1) / Self.alignment * Self.alignment
    return start..<min(end, model.limit, start + Self.maximumCount)
  }

  /// Does it to the file and to the model, and compares.
  func perform(_ operation: Operation) throws {
    switch operation {
    case .read(let file, let offset, let count):
      try read(files[file], offset, count)
    case .write(let file, let offset, let count, let seed):
      try write(files[file], SeededGenerator.bytes(count, seed: seed), offset)
    case .append(let count, let seed):
      try write(appending, SeededGenerator.bytes(count, seed: seed), model.size)
    case .truncate(let file, let size):
      try Syscall.ftruncate(files[file], size: model.base + size)
      model.resize(size)
    case .mapRead(let file, let offset, let count):
      guard count > 0 else { break }
      let found = try Syscall.withMapping(
        files[file], offset: model.base + offset, count: count, protection: PROT_READ
      ) { [UInt8]($0) }
      try compare(found, at: offset)
    case .mapWrite(let file, let offset, let count, let seed, let sync):
      guard count > 0 else { break }
      let data = SeededGenerator.bytes(count, seed: seed)
      try Syscall.withMapping(
        files[file], offset: model.base + offset, count: count, protection: PROT_READ | PROT_WRITE,
        synchronous: sync
      ) { $0.copyBytes(from: data) }
      model.write(data[...], at: offset)
    case .directRead(let offset, let count):
      guard let direct else { break }
      try read(direct, offset, count)
    case .directWrite(let offset, let count, let seed):
      guard let direct else { break }
      try write(direct, SeededGenerator.bytes(count, seed: seed), offset)
    case .sync(let file, let dataOnly):
      if dataOnly { try Syscall.fdatasync(files[file]) } else { try Syscall.fsync(files[file]) }
    case .reopen(let file):
      try Syscall.close(files[file])
      files[file] = try Syscall.open(path, O_RDWR)
    case .seek(let file, let offset):
      try seek(files[file], offset)
    case .punch, .zero, .allocate, .copy:
      try reshape(operation)
    }
    try compareSize()
  }

  private func reshape(_ operation: Operation) throws {
    let base = model.base
    switch operation {
    case .punch(let file, let offset, let count):
      try Syscall.fallocate(
        files[file], mode: FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset: base + offset,
        length: count)
      model.zero(offset..<offset + count)
    case .zero(let file, let offset, let count, let keepSize):
      try Syscall.fallocate(
        files[file], mode: FALLOC_FL_ZERO_RANGE | (keepSize ? FALLOC_FL_KEEP_SIZE : 0),
        offset: base + offset, length: count)
      model.zero(offset..<offset + count)
      if !keepSize { model.grow(to: offset + count) }
    case .allocate(let file, let offset, let count, let keepSize):
      try Syscall.fallocate(
        files[file], mode: keepSize ? FALLOC_FL_KEEP_SIZE : 0, offset: base + offset, length: count)
      if !keepSize { model.grow(to: offset + count) }
    case .copy(let from, let source, let to, let target, let count):
      guard count > 0 else { break }
      let copied = try Syscall.copyRange(
        from: files[from], at: base + source, to: files[to], at: base + target, count: count)
      guard copied > 0 && copied <= count else {
        throw Mismatch(description: "copied \(copied) bytes instead of \(count)")
      }
      model.write(model.bytes[source..<source + copied], at: target)
    default: break
    }
  }

  private func read(_ file: CInt, _ offset: Int, _ count: Int) throws {
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
    let read = try Syscall.read(file, target, at: model.base + offset)
    let expected = min(max(model.size - offset, 0), count)
    guard read == expected else {
      throw Mismatch(description: "read \(read) bytes instead of \(expected)")
    }
    try compare([UInt8](target[..<read]), at: offset)
  }

  private func write(_ file: CInt, _ data: [UInt8], _ offset: Int) throws {
    guard !data.isEmpty else { return }
    buffer.copyBytes(from: data)
    let written = try Syscall.write(
      file, UnsafeRawBufferPointer(rebasing: buffer[..<data.count]), at: model.base + offset)
    guard written == data.count else {
      throw Mismatch(description: "wrote \(written) bytes instead of \(data.count)")
    }
    model.write(data[...], at: offset)
  }

  /// What is said to be a hole must be zero, and what is not zero must be said to be data.
  private func seek(_ file: CInt, _ offset: Int) throws {
    let data: Int
    do throws(Errno) {
      data = try Syscall.seekData(file, from: model.base + offset) - model.base
    } catch {
      guard error == .noSuchAddressOrDevice else { throw error }
      guard model.bytes.dropFirst(offset).allSatisfy({ $0 == 0 }) else {
        throw Mismatch(description: "SEEK_DATA finds nothing after \(offset), but there is data")
      }
      return
    }
    guard data >= offset && data < model.size else {
      throw Mismatch(description: "SEEK_DATA from \(offset) finds \(data)")
    }
    guard model.bytes[offset..<data].allSatisfy({ $0 == 0 }) else {
      throw Mismatch(description: "SEEK_DATA from \(offset) to \(data) passes over data")
    }
    let hole = try Syscall.seekHole(file, from: model.base + data) - model.base
    guard hole > data && hole <= model.size else {
      throw Mismatch(description: "SEEK_HOLE from \(data), which is data, finds \(hole)")
    }
  }

  private func compare(_ found: [UInt8], at offset: Int) throws {
    guard let position = model.mismatch(found, at: offset) else { return }
    let index = position - offset
    let seen = found.dropFirst(index).prefix(8).map { String($0, radix: 16) }
    let expected = model.bytes.dropFirst(position).prefix(8).map { String($0, radix: 16) }
    throw Mismatch(
      description: "at \(position) (block \((model.base + position) / 4096)) the file has "
        + "\(seen.joined(separator: " ")), it should be \(expected.joined(separator: " "))")
  }

  private func compareSize() throws {
    let size = try Int(Syscall.fstat(files[0]).st_size) - model.base
    guard size == model.size else {
      throw Mismatch(description: "the size is \(size) instead of \(model.size)")
    }
  }

  /// Compares the whole file.
  func verify() throws {
    try compareSize()
    for offset in stride(from: 0, to: model.size, by: Self.maximumCount) {
      try read(files[0], offset, Self.maximumCount)
    }
  }
}
