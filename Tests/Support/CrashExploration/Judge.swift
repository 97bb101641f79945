import Ext4
import Glibc
import Journal
import TestSupport

/// Finds out whether a disk on which the power has gone is what it may be. One for each thread.
final class Judge {
  private let disk: MappedDisk
  private let verdict: any TreeVerdict

  init(_ workload: Workload, _ verdict: any TreeVerdict) throws {
    disk = try workload.emptyDisk()
    self.verdict = verdict
  }

  /// Which other implementations look at the same disk as well.
  struct Witnesses: OptionSet {
    let rawValue: Int
    /// e2fsck(8) replays the journal instead of us.
    static let checker = Witnesses(rawValue: 1)
    /// The kernel does.
    static let kernel = Witnesses(rawValue: 2)
  }

  /// What is wrong with it; nil if nothing is. `build` makes the disk; `isChecked`: e2fsck looks at what the recovery leaves.
  func flaw(
    expecting expectations: [Expectation], witnesses: Witnesses = [], isChecked: Bool = true,
    recorder: WriteRecorder? = nil,
    _ build: (UnsafeMutableRawBufferPointer) -> Void
  ) throws -> String? {
    build(disk.bytes)
    let found: FoundTree
    do {
      found = try recover(recorder)
    } catch {
      return "it cannot be recovered: \(error)"
    }
    if isChecked, let complaint = try FileSystemCheck.complaint(about: disk) { return complaint }
    for expectation in expectations {
      if let flaw = verdict.flaw(in: found, expectation) { return flaw }
    }
    if witnesses.contains(.checker) {
      build(disk.bytes)
      if let flaw = try disagreementOfChecker(with: found) { return flaw }
    }
    if witnesses.contains(.kernel) {
      build(disk.bytes)
      if let flaw = try disagreementOfKernel(with: found) { return flaw }
    }
    return nil
  }

  /// The same for a disk on which something went wrong. The file system may have noted that, as the kernel does, and leaves
  /// deletions to e2fsck then; but that note must be all that is wrong.
  func flawAfterErrors(
    expecting expectation: Expectation, _ build: (UnsafeMutableRawBufferPointer) -> Void
  ) throws -> String? {
    build(disk.bytes)
    do {
      _ = try recover(nil)
    } catch {
      return "it cannot be recovered: \(error)"
    }
    let image = Image(existing: disk.path)
    if try image.superblock("Filesystem state").contains("with errors") {
      try image.debugfs("set_super_value state 1", write: true)
      do {
        _ = try recover(nil)
      } catch {
        return "it cannot be mounted: \(error)"
      }
    }
    if let complaint = try FileSystemCheck.complaint(about: disk) { return complaint }
    return verdict.flaw(in: try FoundTree(reading: disk), expectation)
  }

  /// Mounts and unmounts.
  private func recover(_ recorder: WriteRecorder?) throws -> FoundTree {
    let (device, options) = disk.device(observer: recorder?.observer)
    let volume = try Volume.open(device, options: options)
    let found = Result { () throws in
      _ = try volume.startWriting()
      return try FoundTree(volume)
    }
    do {
      try volume.close()
    } catch {
      _ = try found.get()
      throw error
    }
    return try found.get()
  }

  private func disagreementOfChecker(with found: FoundTree) throws -> String? {
    if let flaw = try FileSystemCheck.flawInReplay(of: disk) { return flaw }
    if let complaint = try FileSystemCheck.complaint(about: disk) {
      return "after e2fsck -fy: \(complaint)"
    }
    let differences = try FoundTree(reading: disk).differences(from: found)
    return differences.isEmpty
      ? nil
      : "e2fsck replays something else: \(differences.prefix(5).joined(separator: "; "))"
  }

  private func disagreementOfKernel(with found: FoundTree) throws -> String? {
    guard geteuid() == 0 else { return nil }
    return try Scratch.with { scratch in
      let point = try scratch.directory("kernel")
      let theirs = try KernelMount.with(Image(existing: disk.path), at: point) {
        try FoundTree(mountedAt: $0)
      }
      if let complaint = try FileSystemCheck.complaint(about: disk) {
        return "after the kernel's replay: \(complaint)"
      }
      let differences = theirs.differences(from: found)
      return differences.isEmpty
        ? nil
        : "the kernel replays something else: \(differences.prefix(5).joined(separator: "; "))"
    }
  }
}

/// What may be found on a disk.
protocol TreeVerdict: Sendable {
  /// What is wrong with it; nil if nothing is.
  func flaw(in found: FoundTree, _ expectation: Expectation) -> String?
}

/// What a workload's history allows.
struct Verdict: TreeVerdict {
  private let history: History
  private let digests: [Int]

  init(_ history: History) {
    self.history = history
    digests = history.trees.map { $0.listing().digest }
  }

  /// The tree must be what it was after some operation between the last that was acknowledged as durable and the last that had
  /// begun, and files must hold what they can hold then.
  func flaw(in found: FoundTree, _ expectation: Expectation) -> String? {
    let last = min(expectation.begun, history.operationCount)
    let first = min(expectation.synchronized, last)
    let digest = found.entries.digest
    var flaw: String?
    for operation in (first...last).reversed() where digests[operation] == digest {
      guard let problem = contentFlaw(in: found, at: operation, expectation) else { return nil }
      flaw =
        flaw ?? "as after operation \(operation) (\(history.operations[operation])), but \(problem)"
    }
    return (flaw ?? namesFlaw(in: found, first...last))
      + "\nsynchronized: operation \(first) (\(history.operations[first])), "
      + "begun: operation \(last) (\(history.operations[last]))"
  }

  /// The operations after which the tree may have been what was found.
  func possibleOperations(in found: FoundTree, _ expectation: Expectation) -> [Int] {
    let last = min(expectation.begun, history.operationCount)
    let digest = found.entries.digest
    return (min(expectation.synchronized, last)...last).filter {
      digests[$0] == digest && contentFlaw(in: found, at: $0, expectation) == nil
    }
  }

  private func contentFlaw(
    in found: FoundTree, at operation: Int, _ expectation: Expectation
  ) -> String? {
    for (path, bytes) in found.contents {
      guard let id = history.trees[operation].node(at: path), let file = history.files[id]
      else { return "/\(path) is no file" }
      if let flaw = file.flaw(in: bytes, at: operation, expectation) { return "/\(path): \(flaw)" }
    }
    return nil
  }

  /// Which of the possible trees it resembles most, and what is different there.
  private func namesFlaw(in found: FoundTree, _ possible: ClosedRange<Int>) -> String {
    if let elsewhere = digests.lastIndex(of: found.entries.digest) {
      return "the tree is that after operation \(elsewhere) (\(history.operations[elsewhere]))"
    }
    let best = possible.reversed().map {
      ($0, found.entries.differences(from: history.trees[$0].listing()))
    }.min { $0.1.count < $1.1.count }
    guard let (operation, differences) = best else { return "the tree is none that ever was" }
    return "the tree is none that ever was; nearest to that after operation \(operation) "
      + "(\(history.operations[operation])): \(differences.prefix(6).joined(separator: "; "))"
      + (differences.count > 6 ? " and \(differences.count - 6) more" : "")
  }
}
