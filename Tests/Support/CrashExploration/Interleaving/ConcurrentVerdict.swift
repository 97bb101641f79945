/// What the histories of several tasks allow, each of which has a directory of its own.
struct ConcurrentVerdict: TreeVerdict {
  struct Part: Sendable {
    let directory: String
    let history: Verdict
  }

  private let parts: [Part]
  private let progress: ConcurrentProgress.State

  init(_ parts: [Part], _ progress: ConcurrentProgress.State) {
    self.parts = parts
    self.progress = progress
  }

  /// Each task's directory must be what it was after one of the task's operations, between the last that was acknowledged as durable and
  /// the last that had begun. Together they must show one moment: if an operation is there, so is every operation that ended before it
  /// began.
  func flaw(in found: FoundTree, _ expectation: Expectation) -> String? {
    let first = progress.synchronized[
      min(expectation.synchronized, progress.synchronized.count - 1)]
    let last = progress.begun[min(expectation.begun, progress.begun.count - 1)]
    var possible: [[Int]] = []
    for (task, part) in parts.enumerated() {
      let tree = found.subtree(part.directory)
      let range = Expectation(synchronized: first[task], begun: last[task])
      let operations = part.history.possibleOperations(in: tree, range)
      if operations.isEmpty {
        return "/\(part.directory): \(part.history.flaw(in: tree, range) ?? "")"
      }
      possible.append(operations)
    }
    return flawInTime(possible)
  }

  /// Looks for the earliest moment: each task at the first of its possible operations, but not before an operation that must have ended
  /// because of what another task's directory shows.
  private func flawInTime(_ possible: [[Int]]) -> String? {
    var chosen = possible.map { $0[0] }
    var isSettled = false
    while !isSettled {
      isSettled = true
      for task in parts.indices {
        guard let before = progress.before[task][chosen[task]] else { continue }
        for other in parts.indices where other != task && chosen[other] < before[other] {
          guard let later = possible[other].first(where: { $0 >= before[other] }) else {
            return "/\(parts[task].directory) shows operation \(chosen[task]), but "
              + "/\(parts[other].directory) not operation \(before[other]), which had ended before that began"
          }
          chosen[other] = later
          isSettled = false
        }
      }
    }
    return nil
  }
}

extension FoundTree {
  /// What is in a directory, as if that were the root.
  func subtree(_ directory: String) -> FoundTree {
    func relative(_ path: String) -> String? {
      if path == directory { return "" }
      return path.hasPrefix(directory + "/") ? String(path.dropFirst(directory.count + 1)) : nil
    }
    var part = self
    part.entries.removeAll()
    part.contents.removeAll()
    part.stored.removeAll()
    for (path, entry) in entries {
      guard let place = relative(path) else { continue }
      part.entries[place] = entry
      part.entries[place]?.firstName = entry.firstName.flatMap(relative)
    }
    for (path, bytes) in contents {
      if let place = relative(path) { part.contents[place] = bytes }
    }
    for (path, blocks) in stored {
      if let place = relative(path) { part.stored[place] = blocks }
    }
    return part
  }
}
