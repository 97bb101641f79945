import CLinux
import Glibc
import SystemPackage
import TestSupport

/// Chooses what to do next: a function of the seed and of which operations succeeded so far.
struct Workload {
  static let slots = 8
  static let users: [uid_t] = [1001, 1002]
  /// More names than this, and removing becomes as frequent as making.
  static let population = 500

  var random: SeededGenerator
  private(set) var namespace = Namespace()
  private let classes: [OperationClass]
  private let excluded: Set<OperationClass>
  /// The greatest xattr value; with small blocks little fits, and what is packed where differs.
  let xattrLimit: Int
  private var openSlots: Set<Int> = []
  private var fills: [(directory: FilePath, prefix: String, count: Int)] = []
  private var counter = 0

  init(seed: UInt64, excluded: Set<OperationClass>, blockSize: Int) {
    random = SeededGenerator(seed: seed)
    self.excluded = excluded
    xattrLimit = blockSize < 4096 ? 40 : 250
    classes = OperationClass.allCases.filter { !excluded.contains($0) }
      .flatMap { Array(repeating: $0, count: $0.weight) }
  }

  mutating func next() -> Step {
    let user = !excluded.contains(.users) && random.oneIn(4) ? random.pick(Self.users) : 0
    if random.oneIn(2) && namespace.entries.count > Self.population {
      let path = existing()
      let isDirectory = namespace.kind(of: path) == .directory
      return Step(operation: isDirectory ? .rmdir(path) : .unlink(path), user: 0)
    }
    return Step(operation: operation(of: random.pick(classes)), user: user)
  }

  /// Learns what came of an operation.
  mutating func note(_ operation: Operation, _ outcome: Outcome) {
    if outcome.error == .noSuchFileOrDirectory, case .unlink(let path) = operation {
      namespace.remove(path)
    }
    guard outcome.error == nil else { return }
    namespace.note(operation)
    switch operation {
    case .open(let slot, _, _, _): openSlots.insert(slot)
    case .close(let slot): openSlots.remove(slot)
    case .fill(let directory, let prefix, let count): fills.append((directory, prefix, count))
    case .drain(_, let prefix, _): fills.removeAll { $0.prefix == prefix }
    default: break
    }
  }

  private mutating func operation(of chosen: OperationClass) -> Operation {
    switch chosen {
    case .open: return opening()
    case .close: return .close(slot: slot())
    case .mkdir: return .mkdir(fresh(), mode: random.oneIn(2) ? 0o777 : mode())
    case .rmdir: return .rmdir(existing(.directory))
    case .unlink: return .unlink(existing())
    case .rename, .exchange, .whiteout: return renaming(chosen)
    case .link: return .link(random.oneIn(10) ? existing() : existing(.file), fresh())
    case .symlink: return .symlink(target: target(), fresh())
    case .readlink: return .readlink(existing(.link))
    case .mknod: return node()
    case .status: return .status(existing())
    case .access: return .access(existing(), mode: CInt(random.number(0..<8)))
    case .chmod: return .chmod(existing(), mode: mode())
    case .chown: return .chown(existing(), user: owner(), group: owner())
    case .times: return .times(existing(), access: time(), modification: time())
    case .truncate: return .truncate(existing(.file), size: size())
    case .directRead:
      return .directRead(existing(.file), offset: aligned(300_000), count: aligned(65_536) + 4096)
    case .directWrite:
      return .directWrite(
        existing(.file), offset: aligned(300_000), count: aligned(30_000) + 4096,
        seed: random.next())
    case .setXattr, .getXattr, .listXattrs, .removeXattr, .acl, .flags, .immutable:
      return attribute(chosen)
    case .syncDirectory: return .syncDirectory(existing(.directory))
    case .resume:
      return .resume(
        existing(.directory), position: random.number(0..<20),
        churn: random.pick([0, 0, 2, 10, 60]))
    case .fill:
      counter += 1
      return .fill(existing(.directory), prefix: "fill\(counter)-", count: random.number(1..<300))
    case .drain:
      guard !fills.isEmpty else { return .umask(0) }
      let fill = random.pick(fills)
      return .drain(fill.directory, prefix: fill.prefix, count: fill.count)
    case .umask: return .umask(random.pick([0, 0, 0, 0o022, 0o077]))
    case .users, .futureTimes, .read, .write, .fileTruncate, .fileStatus, .fileMode, .sync,
      .allocate, .zero,
      .copy, .mapRead, .mapWrite, .seek:
      return onSlot(chosen)
    }
  }

  private mutating func onSlot(_ chosen: OperationClass) -> Operation {
    let slot = self.slot()
    let (offset, count, seed) = (self.offset(), self.count(), random.next())
    let farther = random.oneIn(20) ? size() : offset
    switch chosen {
    case .read: return .read(slot: slot, offset: farther, count: count)
    case .write: return .write(slot: slot, offset: offset, count: count, seed: seed)
    case .fileTruncate: return .fileTruncate(slot: slot, size: size())
    case .fileMode: return .fileMode(slot: slot, mode())
    case .sync: return .sync(slot: slot, dataOnly: random.oneIn(2))
    case .allocate:
      let punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
      let mode = random.pick([0, FALLOC_FL_KEEP_SIZE, punch, punch, FALLOC_FL_PUNCH_HOLE])
      return .allocate(slot: slot, mode: mode, offset: farther, length: count)
    case .zero:
      let mode = FALLOC_FL_ZERO_RANGE | (random.oneIn(2) ? FALLOC_FL_KEEP_SIZE : 0)
      return .allocate(slot: slot, mode: mode, offset: farther, length: count)
    case .copy:
      return .copy(
        from: slot, source: self.offset(), to: self.slot(), target: self.offset(), count: count)
    case .mapRead: return .mapRead(slot: slot, offset: offset, count: count)
    case .mapWrite: return .mapWrite(slot: slot, offset: offset, count: count, seed: seed)
    case .seek: return .seek(slot: slot, offset: farther)
    default: return .fileStatus(slot: slot)
    }
  }

  private mutating func opening() -> Operation {
    var flags = random.pick([O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY]) | O_NONBLOCK | O_NOCTTY
    let create = random.oneIn(2)
    if create { flags |= O_CREAT }
    for (flag, rarity) in [(O_EXCL, 4), (O_TRUNC, 5), (O_APPEND, 5), (O_NOFOLLOW, 8)]
    where random.oneIn(rarity) {
      flags |= flag
    }
    let free = (0..<Self.slots).filter { !openSlots.contains($0) }
    let slot = free.isEmpty ? random.number(0..<Self.slots) : random.pick(free)
    let path = create && random.oneIn(2) ? fresh() : existing(random.oneIn(12) ? .directory : .file)
    return .open(slot: slot, path, flags: flags, mode: random.oneIn(2) ? 0o666 : mode())
  }

  private mutating func renaming(_ chosen: OperationClass) -> Operation {
    let from = existing()
    switch chosen {
    case .exchange: return .rename(from, existing(), flags: RenameFlags.exchange)
    case .whiteout:
      let noReplace = random.oneIn(3) ? RenameFlags.noReplace : 0
      let to = random.oneIn(2) ? fresh() : existing()
      return .rename(from, to, flags: RenameFlags.whiteout | noReplace)
    default:
      let to = random.oneIn(2) ? fresh() : existing(namespace.kind(of: from))
      return .rename(from, to, flags: random.oneIn(4) ? RenameFlags.noReplace : 0)
    }
  }

  private mutating func node() -> Operation {
    // Majors that no driver has, so that opening is ENXIO, on both sides of what fits in 16 bits.
    let device = Syscall.device(
      major: UInt32(random.pick([60, 63, 121, 127, 1000, 4095])),
      minor: UInt32(random.pick([0, 7, 255, 256, 70_000, 1_048_575])))
    let type = random.pick([S_IFREG, S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK])
    let isDevice = type == S_IFCHR || type == S_IFBLK
    return .mknod(fresh(), mode: type | mode(), device: isDevice ? device : 0)
  }

  // MARK: Choices

  private mutating func slot() -> Int {
    openSlots.isEmpty || random.oneIn(20)
      ? random.number(0..<Self.slots) : random.pick(openSlots.sorted())
  }

  /// A path of a kind that mostly exists and mostly is of that kind.
  mutating func existing(_ kind: Namespace.Kind? = nil) -> FilePath {
    if random.oneIn(25) { return fresh() }
    if kind == .directory && random.oneIn(6) { return "." }
    let wanted = random.oneIn(12) ? nil : kind
    let known = namespace.entries.filter { wanted == nil || $0.kind == wanted }
    return known.isEmpty ? fresh() : random.pick(known).path
  }

  /// A path in a directory that mostly exists; the name may exist as well.
  private mutating func fresh() -> FilePath {
    let parents = namespace.entries.filter {
      $0.path.length < 1500 && ($0.kind == .directory || $0.kind == .link)
    }
    let isLink = random.oneIn(15)
    let choices = parents.filter { ($0.kind == .link) == isLink }
    let parent = choices.isEmpty || random.oneIn(3) ? FilePath() : random.pick(choices).path
    return parent.appending(name())
  }

  private mutating func name() -> FilePath.Component {
    let letters = SeededGenerator.bytes(256, seed: random.next()).map { 0x61 + Int8($0 % 26) }
    let platform: [CChar]
    switch random.number(0..<40) {
    case 0: platform = letters
    case 1, 2: platform = Array(letters[..<255])
    case 3...6: platform = Array(letters[..<random.number(20..<250)])
    case 7, 8:
      platform = SeededGenerator.bytes(random.number(1..<60), seed: random.next())
        .map { $0 == 0 || $0 == 0x2f ? 0x2d : CChar(bitPattern: $0) }
    case 9: platform = Array("żółć-\(random.number(0..<4))".utf8CString.dropLast())
    default: platform = Array("n\(random.number(0..<32))".utf8CString.dropLast())
    }
    return FilePath.Component(platformString: platform + [0]) ?? "unnamed"
  }

  /// Never upwards: nothing leads out of the trees.
  private mutating func target() -> FilePath {
    switch random.number(0..<10) {
    case 0: return FilePath(String(repeating: "s", count: random.pick([59, 60, 1023, 1024, 4095])))
    case 1: return FilePath(String(repeating: "long/", count: random.number(12..<200)) + "x")
    case 2...4: return FilePath(root: nil, existing().components)
    default: return FilePath(root: nil, [name()])
    }
  }

  private mutating func offset() -> Int {
    switch random.number(0..<40) {
    case 0: return 5 << 30 | random.number(0..<9000)
    case 2...9: return random.number(0..<200)
    default: return random.number(0..<(random.oneIn(3) ? 300_000 : 30_000))
    }
  }

  private mutating func count() -> Int {
    random.oneIn(6) ? random.number(0..<100_000) : random.number(0..<6000)
  }

  /// Sizes go beyond the limits, too: that of indirect blocks of 1 KiB, and that of all. Writes do not:
  /// a kernel that caches them for FUSE finds out too late.
  private mutating func size() -> Int {
    switch random.number(0..<30) {
    case 0: return random.pick([1 << 32, 1 << 40, 1 << 44, Int.max - 200_000])
    case 1...10: return random.number(0..<200)
    default: return offset()
    }
  }

  private mutating func aligned(_ limit: Int) -> Int {
    random.number(0..<limit) / 4096 * 4096
  }

  private mutating func mode() -> mode_t {
    random.oneIn(3)
      ? mode_t(random.number(0..<0o10000)) : random.pick([0o644, 0o755, 0o700, 0o600])
  }

  private mutating func owner() -> uid_t {
    random.pick([0, 1001, 1002, 1001, 1002, 70_000, 0x7fff_ffff, .max])
  }

  /// Explicit times lie years away from now, so that they can be told from those of the clock; not
  /// after 2310, which e2fsck takes for a mistake.
  private mutating func time() -> Operation.Time {
    var seconds: Int
    switch random.number(0..<10) {
    case 0, 1: return .now
    case 2, 3: return .unchanged
    case 4: seconds = -random.number(0..<(1 << 31) - 1)
    case 5: seconds = random.number((1 << 31)..<(1 << 33))
    case 6: seconds = random.pick([1 - (1 << 31), -1, 0, (1 << 31) - 1, 1 << 31])
    default: seconds = random.number(0..<1_500_000_000)
    }
    if excluded.contains(.futureTimes) { seconds = min(seconds, (1 << 31) - 2) }
    return Operation.Time(seconds: seconds, nanoseconds: random.number(0..<1_000_000_000))
  }
}
