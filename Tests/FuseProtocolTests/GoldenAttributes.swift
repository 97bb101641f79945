import FuseProtocol
import Testing

extension Golden {
  /// Requests about attributes, extended ones, and the file system as a whole.
  static let attributes: [Golden] = [
    Golden(
      .getattr,
      """
      getattr_flags: 01 00 00 00
      dummy: 00 00 00 00
      fh: 01 02 03 04 05 06 07 08
      """
    ) {
      guard case .getattr(let getattr) = $0 else { throw Mismatch() }
      #expect(getattr.handle == 0x0807_0605_0403_0201)
    },
    Golden(
      .getattr,
      """
      getattr_flags: 00 00 00 00
      dummy: 00 00 00 00
      fh: 01 02 03 04 05 06 07 08
      """
    ) {
      guard case .getattr(let getattr) = $0 else { throw Mismatch() }
      #expect(getattr.handle == nil)
    },
    Golden(.getattr, minor: 8, "", longerForms: [16]) {
      guard case .getattr(let getattr) = $0 else { throw Mismatch() }
      #expect(getattr.handle == nil)
    },
    Golden(
      .setattr,
      """
      valid: 6f 0c 00 00
      padding: 00 00 00 00
      fh: 01 02 03 04 05 06 07 08
      size: 00 10 00 00 01 00 00 00
      lock_owner: 11 12 13 14 15 16 17 18
      atime: 21 00 00 00 00 00 00 00
      mtime: fe ff ff ff ff ff ff ff
      ctime: 23 00 00 00 02 00 00 00
      atimensec: 31 00 00 00
      mtimensec: ff c9 9a 3b
      ctimensec: 33 00 00 00
      mode: a4 09 00 00
      unused4: ff ff ff ff
      uid: e8 03 00 00
      gid: 64 00 00 00
      unused5: ff ff ff ff
      """
    ) {
      guard case .setattr(let setattr) = $0 else { throw Mismatch() }
      #expect(
        setattr.selection == [
          .mode, .userID, .groupID, .size, .modificationTime, .handle, .changeTime, .killSetID,
        ])
      #expect(setattr.handle == 0x0807_0605_0403_0201 && setattr.size == 0x1_0000_1000)
      #expect(setattr.lockOwner == 0x1817_1615_1413_1211)
      #expect(setattr.accessTime == Timestamp(seconds: 0x21, nanoseconds: 0x31))
      #expect(setattr.modificationTime == Timestamp(seconds: -2, nanoseconds: 999_999_999))
      #expect(setattr.changeTime == Timestamp(seconds: 0x2_0000_0023, nanoseconds: 0x33))
      #expect(setattr.mode == 0o4644 && setattr.userID == 1000 && setattr.groupID == 100)
    },
    Golden(
      .statx,
      """
      getattr_flags: 01 00 00 00
      reserved: 00 00 00 00
      fh: 01 02 03 04 05 06 07 08
      sx_flags: 00 20 00 00
      sx_mask: ff 0f 00 00
      """
    ) {
      guard case .statx(let statx) = $0 else { throw Mismatch() }
      #expect(statx.handle == 0x0807_0605_0403_0201)
      #expect(statx.flags == 0x2000 && statx.mask == 0xFFF)
    },
    Golden(
      .setxattr,
      """
      size: 03 00 00 00
      flags: 01 00 00 00
      name: "user.a" 00
      value: 00 ff 00
      """
    ) {
      guard case .setxattr(let attribute) = $0 else { throw Mismatch() }
      #expect(text(attribute.name) == "user.a" && Array(attribute.value) == [0, 0xFF, 0])
      #expect(attribute.flags == 1 && attribute.setxattrFlags == [])
    },
    Golden(
      .setxattr, flags: .setxattrExtension,
      """
      size: 03 00 00 00
      flags: 02 00 00 00
      setxattr_flags: 01 00 00 00
      padding: 00 00 00 00
      name: "user.a" 00
      value: 00 ff 00
      """
    ) {
      guard case .setxattr(let attribute) = $0 else { throw Mismatch() }
      #expect(text(attribute.name) == "user.a" && Array(attribute.value) == [0, 0xFF, 0])
      #expect(attribute.flags == 2 && attribute.setxattrFlags == .aclKillsSetGroupID)
    },
    Golden(
      .getxattr,
      """
      size: 00 01 00 00
      padding: 00 00 00 00
      name: "user.b" 00
      """
    ) {
      guard case .getxattr(let attribute) = $0 else { throw Mismatch() }
      #expect(attribute.size == 256 && text(attribute.name) == "user.b")
    },
    Golden(
      .listxattr,
      """
      size: 00 00 01 00
      padding: 00 00 00 00
      """
    ) {
      guard case .listxattr(let list) = $0 else { throw Mismatch() }
      #expect(list.size == 65_536)
    },
    Golden(.removexattr, "name: \"user.c\" 00") {
      guard case .removexattr(let attribute) = $0 else { throw Mismatch() }
      #expect(text(attribute.name) == "user.c")
    },
    Golden(.statfs, "") { guard case .statfs = $0 else { throw Mismatch() } },
    Golden(
      .access,
      """
      mask: 06 00 00 00
      padding: 00 00 00 00
      """
    ) {
      guard case .access(let access) = $0 else { throw Mismatch() }
      #expect(access.mask == 6)
    },
  ]
}
