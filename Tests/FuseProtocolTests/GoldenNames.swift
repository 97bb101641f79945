import FuseProtocol
import Testing

extension Golden {
  /// Requests about names.
  static let names: [Golden] = [
    Golden(.lookup, "name: \"a.txt\" 00") {
      guard case .lookup(let lookup) = $0 else { throw Mismatch() }
      #expect(text(lookup.name) == "a.txt")
    },
    Golden(.forget, "nlookup: 03 00 00 00 01 00 00 00") {
      guard case .forget(let forget) = $0 else { throw Mismatch() }
      #expect(forget.lookups == 0x1_0000_0003)
    },
    Golden(
      .batchForget,
      """
      count: 02 00 00 00
      dummy: ff ff ff ff
      nodeid: 0c 00 00 00 00 00 00 00
      nlookup: 01 00 00 00 00 00 00 00
      nodeid: 0d 00 00 00 00 00 00 80
      nlookup: 07 00 00 00 00 00 00 00
      """
    ) {
      guard case .batchForget(let batch) = $0 else { throw Mismatch() }
      #expect(batch.map(\.nodeID) == [12, 0x8000_0000_0000_000D])
      #expect(batch.map(\.lookups) == [1, 7])
    },
    Golden(
      .symlink,
      """
      name: "link" 00
      target: "../to/it" 00
      """
    ) {
      guard case .symlink(let link) = $0 else { throw Mismatch() }
      #expect(text(link.name) == "link" && text(link.target) == "../to/it")
    },
    Golden(
      .mknod,
      """
      mode: b0 21 00 00
      rdev: 05 03 10 00
      umask: 12 00 00 00
      padding: 00 00 00 00
      name: "tty" 00
      """
    ) {
      guard case .mknod(let node) = $0 else { throw Mismatch() }
      #expect(node.mode == 0o020_660 && node.device == 0x10_0305 && node.umask == 0o22)
      #expect(text(node.name) == "tty")
    },
    Golden(
      .mknod, minor: 11,
      """
      mode: b0 21 00 00
      rdev: 05 03 10 00
      name: "tty" 00
      """
    ) {
      guard case .mknod(let node) = $0 else { throw Mismatch() }
      #expect(node.mode == 0o020_660 && node.device == 0x10_0305 && node.umask == 0)
      #expect(text(node.name) == "tty")
    },
    Golden(
      .mkdir,
      """
      mode: ed 01 00 00
      umask: 1b 00 00 00
      name: "d" 00
      """
    ) {
      guard case .mkdir(let directory) = $0 else { throw Mismatch() }
      #expect(directory.mode == 0o755 && directory.umask == 0o33)
      #expect(text(directory.name) == "d")
    },
    Golden(.unlink, "name: \"x\" 00") {
      guard case .unlink(let unlink) = $0 else { throw Mismatch() }
      #expect(text(unlink.name) == "x")
    },
    Golden(.rmdir, "name: \"y\" 00") {
      guard case .rmdir(let unlink) = $0 else { throw Mismatch() }
      #expect(text(unlink.name) == "y")
    },
    Golden(
      .rename,
      """
      newdir: 09 00 00 00 00 00 00 00
      oldname: "from" 00
      newname: "to" 00
      """
    ) {
      guard case .rename(let rename) = $0 else { throw Mismatch() }
      #expect(rename.newParent == 9 && rename.flags == 0)
      #expect(text(rename.name) == "from" && text(rename.newName) == "to")
    },
    Golden(
      .rename2,
      """
      newdir: 09 00 00 00 00 00 00 00
      flags: 02 00 00 00
      padding: 00 00 00 00
      oldname: "from" 00
      newname: "to" 00
      """
    ) {
      guard case .rename2(let rename) = $0 else { throw Mismatch() }
      #expect(rename.newParent == 9 && rename.flags == 2)
      #expect(text(rename.name) == "from" && text(rename.newName) == "to")
    },
    Golden(
      .link,
      """
      oldnodeid: 0e 00 00 00 00 00 00 00
      newname: "second" 00
      """
    ) {
      guard case .link(let link) = $0 else { throw Mismatch() }
      #expect(link.nodeID == 14 && text(link.name) == "second")
    },
    Golden(
      .create,
      """
      flags: 42 80 00 00
      mode: a4 81 00 00
      umask: 12 00 00 00
      open_flags: 01 00 00 00
      name: "new" 00
      """
    ) {
      guard case .create(let create) = $0 else { throw Mismatch() }
      #expect(create.flags == 0x8042 && create.mode == 0o100_644 && create.umask == 0o22)
      #expect(create.requestFlags == .killSetID && text(create.name) == "new")
    },
    Golden(
      .create, minor: 11,
      """
      flags: 42 80 00 00
      mode: a4 81 00 00
      name: "new" 00
      """
    ) {
      guard case .create(let create) = $0 else { throw Mismatch() }
      #expect(create.flags == 0x8042 && create.mode == 0o100_644 && create.umask == 0)
      #expect(create.requestFlags == [] && text(create.name) == "new")
    },
    Golden(
      .tmpfile,
      """
      flags: 02 80 41 00
      mode: 80 81 00 00
      umask: 00 00 00 00
      open_flags: 00 00 00 00
      name: "/" 00
      """
    ) {
      guard case .tmpfile(let create) = $0 else { throw Mismatch() }
      #expect(create.flags == 0x41_8002 && create.mode == 0o100_600 && text(create.name) == "/")
    },
    Golden(.readlink, "") { guard case .readlink = $0 else { throw Mismatch() } },
  ]
}
