// The four times of an inode. Metadata lock held, for all of them.
extension Inode {
  public var accessTime: Timestamp {
    get { time(.accessTime, .accessTimeExtra) }
    set { setTime(.accessTime, .accessTimeExtra, newValue) }
  }

  public var modificationTime: Timestamp {
    get { time(.modificationTime, .modificationTimeExtra) }
    set {
      setTime(.modificationTime, .modificationTimeExtra, newValue)
      accessCurrentUntil.store(0, ordering: .relaxed)
    }
  }

  public var changeTime: Timestamp {
    get { time(.changeTime, .changeTimeExtra) }
    set {
      setTime(.changeTime, .changeTimeExtra, newValue)
      accessCurrentUntil.store(0, ordering: .relaxed)
    }
  }

  /// Nil where the inode has no room for it.
  public var birthTime: Timestamp? {
    hasRoom(for: .birthTimeExtra) ? time(.birthTime, .birthTimeExtra) : nil
  }

  func setBirthTime(_ time: Timestamp) {
    if hasRoom(for: .birthTimeExtra) { setTime(.birthTime, .birthTimeExtra, time) }
  }

  /// The inode has changed: now, unless the kernel keeps the times of the file and says when.
  func noteChangeTime() {
    if !isServedByIomap.load(ordering: .relaxed) { changeTime = .now }
  }

  private func time(_ base: InodeField, _ extra: InodeField) -> Timestamp {
    Timestamp(base: self[base], extra: hasRoom(for: extra) ? self[extra] : 0)
  }

  private func setTime(_ base: InodeField, _ extra: InodeField, _ time: Timestamp) {
    if hasRoom(for: extra) {
      (self[base], self[extra]) = time.encoded
    } else {
      self[base] = time.encodedBase
    }
  }
}
