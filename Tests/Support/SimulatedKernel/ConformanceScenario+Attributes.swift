import SystemPackage

extension ConformanceScenario {
  static let attributes = [
    ConformanceScenario(
      "attributes", [.i11, .i12, .i13, .i14, .i15, .i17, .i18, .i19],
      both { subject, configuration in
        try subject.with(configuration) { kernel in
          try flagsAndNames(kernel)
          try sizes(kernel)
          try timesAndModes(kernel)
        }
      }),
    ConformanceScenario(
      "modes and ACLs", [.i20, .i21],
      both { subject, configuration in
        try subject.with(configuration) { kernel in
          try creation(kernel)
          try inheritanceInRoot(kernel)
        }
      }),
  ]

  private static func flagsAndNames(_ kernel: SimulatedKernel) throws {
    for name in ScenarioSubject.Fixture.names {
      if let entry = try? kernel.lookup(name) { try kernel.getattr(entry.node) }
    }
    let file = try kernel.makeFile("first", size: 5000)
    try kernel.link(file.node, as: "second")
    _ = try kernel.readdirplus()
    try kernel.checkAgainstDisk()
    try kernel.close(file)
    for name in ["first", "second"] { try kernel.unlink(name) }
    try kernel.evict(file.node)
  }

  /// attr.size is what is on disk while the file is longer in core.
  private static func sizes(_ kernel: SimulatedKernel) throws {
    try kernel.withoutWriteback {
      let file = try kernel.makeFile("sizes", size: 3000)
      try kernel.write(file, at: 3000, [UInt8](repeating: 1, count: 50_000))
      try kernel.getattr(file.node)
      _ = try kernel.statx(file.node)
      try kernel.fsync(file)
      try kernel.getattr(file.node)
      for size: UInt64 in [52_999, 4096, 4097, 0, 1, 1_000_000, 5000] {
        try kernel.truncate(file.node, to: size)
        try kernel.getattr(file.node)
      }
      try kernel.checkAgainstDisk()
      try kernel.close(file)
    }
  }

  private static func timesAndModes(_ kernel: SimulatedKernel) throws {
    let file = try kernel.makeFile("times", size: 100)
    let access = InodeTruth.Time(seconds: 1_234_567_890, nanoseconds: 123_456_789)
    let modification = InodeTruth.Time(seconds: 2_345_678_901, nanoseconds: 987_654_321)
    try kernel.setTimes(file.node, access: access, modification: modification)
    try kernel.checkAgainstDisk()
    let change = try kernel.status(file.node).changeTime
    // A caller that does not own the file: the kernel has checked its permissions, so that the server must not.
    try kernel.chown(file.node, uid: 1000, gid: 1000)
    try kernel.chmod(file.node, 0o640, as: Caller(uid: 2000, gid: 2000))
    try kernel.chmod(file.node, 0o4755, as: Caller(uid: 1000, gid: 1000))
    try kernel.write(file, at: 0, [1, 2, 3])
    try kernel.close(file)
    try kernel.evict(file.node)
    let again = try kernel.lookup("times").attributes
    kernel.rules.check(
      .i18, again.accessTime == access && again.changeTime.seconds >= change.seconds,
      "after eviction, access time \(again.accessTime)")
    kernel.rules.check(
      .i19, again.mode & 0o7777 == 0o755 || !file.usesIomap,
      "mode \(String(again.mode, radix: 8)) after a write")
    try kernel.checkAgainstDisk()
  }

  // MARK: Modes and ACLs

  private static let list = AccessControlEntries(
    owner: 7, user: 1234, 6, group: 5, mask: 7, other: 1)

  private static func creation(_ kernel: SimulatedKernel) throws {
    let directory = try kernel.mkdir("exclusive", mode: 0o777, umask: 0)
    for (mode, umask) in [(0o666, 0o022), (0o777, 0o077), (0o640, 0)] as [(UInt32, UInt32)] {
      let name = "f\(mode)-\(umask)"
      try kernel.close(try kernel.create(name, in: directory.node, mode: mode, umask: umask))
      try kernel.mkdir("d\(name)", in: directory.node, mode: mode, umask: umask)
      try kernel.mknod("n\(name)", in: directory.node, mode: 0o010000 | mode, umask: umask)
    }
    try kernel.setXattr(directory.node, SimulatedKernel.defaultACL, list.encoded)
    let file = try kernel.create("inheriting", in: directory.node, mode: 0o666, umask: 0o077)
    let expected = list.inherited(by: 0o666)
    let found = AccessControlEntries(
      (try? kernel.xattr(file.node, SimulatedKernel.accessACL)) ?? [])
    kernel.rules.check(.i20, found == expected.0, "access ACL \(String(describing: found))")
    try kernel.close(file)
    let made = try kernel.mkdir("below", in: directory.node, mode: 0o777, umask: 0o022)
    let inherited = try? kernel.xattr(made.node, SimulatedKernel.defaultACL)
    kernel.rules.check(.i20, inherited == list.encoded, "the default ACL is not inherited")
    try accessLists(kernel)
  }

  private static func accessLists(_ kernel: SimulatedKernel) throws {
    let file = try kernel.create("acl", mode: 0o640)
    try kernel.setAccessACL(file.node, list)
    // The same again with a mode that the list does not have: it is stored, nothing else.
    try kernel.chmod(file.node, 0o600)
    try kernel.setXattr(file.node, SimulatedKernel.accessACL, list.encoded)
    try kernel.removeXattr(file.node, SimulatedKernel.accessACL)
    try kernel.removeXattr(file.node, SimulatedKernel.accessACL)
    try kernel.close(file)
  }

  /// The root is not exclusive: what it hands down is the server's to inherit, once (4.10).
  private static func inheritanceInRoot(_ kernel: SimulatedKernel) throws {
    try kernel.close(try kernel.create("plain", mode: 0o666, umask: 0o027))
    try kernel.setXattr(SimulatedKernel.root, SimulatedKernel.defaultACL, list.encoded)
    let file = try kernel.create("heir", mode: 0o666, umask: 0o077)
    // Without DONT_MASK the kernel has taken the umask away already.
    let doesNotMask = kernel.monitor.withLock { kernel.session.doesNotMask }
    let expected = list.inherited(by: doesNotMask ? 0o666 : 0o600)
    let mode = try kernel.getattr(file.node).mode & 0o777
    let found = (try? kernel.xattr(file.node, SimulatedKernel.accessACL)).flatMap {
      AccessControlEntries($0)
    }
    kernel.rules.check(
      .i20, mode == expected.1 && found?.items.count == expected.0.items.count,
      "below the root with a default ACL: mode \(String(mode, radix: 8)), ACL \(String(describing: found))"
    )
    try kernel.close(file)
    try kernel.removeXattr(SimulatedKernel.root, SimulatedKernel.defaultACL)
  }
}
