extension MappingCache {
  /// Records `mapping`, replacing whatever it overlaps and merging it with neighbours that it continues. An
  /// empty one is none.
  public mutating func upsert(_ mapping: Mapping) {
    guard mapping.end > mapping.offset else { return }
    if let last = place(before: endPlace), self[last].end <= mapping.offset {
      // Files are mostly learnt from front to back.
      append(mapping, behind: last)
      return
    }
    var first = place(endingBehind: mapping.offset)
    var end = place(startingAtOrBehind: mapping.end)
    var (before, behind) = remains(of: first, end, from: mapping.offset, to: mapping.end)
    var merged = mapping
    if let head = before {
      if head.isContinued(by: merged) {
        merged = head.extended(to: merged.end)
        before = nil
      }
    } else if let left = place(before: first), self[left].isContinued(by: merged) {
      merged = self[left].extended(to: merged.end)
      first = left
    }
    if let tail = behind {
      if merged.isContinued(by: tail) {
        merged = merged.extended(to: tail.end)
        behind = nil
      }
    } else if end != endPlace, merged.isContinued(by: self[end]) {
      merged = merged.extended(to: self[end].end)
      end = place(behind: end)
    }
    replace(first, end, with: Pieces(before, merged, behind))
  }

  /// Forgets everything within [`start`, `end`), trimming and splitting what reaches beyond it.
  public mutating func invalidate(from start: FileOffset, to end: FileOffset) {
    guard start < end else { return }
    let first = place(endingBehind: start)
    let last = place(startingAtOrBehind: end)
    guard first < last else { return }
    let (before, behind) = remains(of: first, last, from: start, to: end)
    replace(first, last, with: Pieces(before, nil, behind))
  }

  /// Forgets everything from `start` on.
  public mutating func invalidate(from start: FileOffset) {
    invalidate(from: start, to: FileOffset(.max))
  }

  public mutating func removeAll() {
    self = MappingCache()
  }

  /// What is left before `start` and behind `end` of the mappings [`first`, `last`), which overlap that range.
  private func remains(
    of first: Place, _ last: Place, from start: FileOffset, to end: FileOffset
  ) -> (before: Mapping?, behind: Mapping?) {
    guard first < last, let final = place(before: last) else { return (nil, nil) }
    let head = self[first]
    let tail = self[final]
    return (
      head.offset < start ? head.clipped(from: head.offset, to: start) : nil,
      tail.end > end ? tail.clipped(from: end, to: tail.end) : nil
    )
  }
}

extension Mapping {
  /// The same mapping, ending at `end`.
  fileprivate func extended(to end: FileOffset) -> Mapping {
    var mapping = self
    mapping.length = end - offset
    return mapping
  }
}
