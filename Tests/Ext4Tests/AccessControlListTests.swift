import Testing

@testable import Ext4

/// The rules of fs/posix_acl.c, and the two forms.
@Suite struct AccessControlListTests {
  typealias Entry = AccessControlList.Entry

  static func acl(_ entries: (AccessControlList.Tag, UInt16, UInt32?)...) -> AccessControlList {
    AccessControlList(
      entries: entries.map { Entry(tag: $0.0, permissions: $0.1, id: $0.2 ?? UInt32.max) })
  }

  static let extended = acl(
    (.owner, 7, nil), (.user, 6, 1000), (.user, 4, 1001), (.owningGroup, 7, nil), (.group, 5, 50),
    (.mask, 6, nil), (.other, 1, nil))
  static let minimal = acl((.owner, 6, nil), (.owningGroup, 4, nil), (.other, 0, nil))

  @Test func forms() throws {
    let disk = Self.extended.diskForm
    #expect(disk.count == 4 + 3 * 8 + 4 * 4)
    #expect(
      Array(disk.prefix(16)) == [1, 0, 0, 0, 1, 0, 7, 0, 2, 0, 6, 0, 0xE8, 3, 0, 0])
    #expect(disk.withUnsafeBytes { AccessControlList(onDisk: $0) } == Self.extended)
    let attribute = Self.extended.attributeForm
    #expect(attribute.count == 4 + 7 * 8)
    #expect(
      Array(attribute.prefix(12)) == [2, 0, 0, 0, 1, 0, 7, 0, 0xFF, 0xFF, 0xFF, 0xFF])
    #expect(try attribute.withUnsafeBytes { try AccessControlList(attribute: $0) } == Self.extended)
  }

  @Test func malformedOnDisk() {
    let disk = Self.extended.diskForm
    for length in 0..<disk.count where (length - 4) % 4 != 0 || [4, 12, 20, 32].contains(length) {
      #expect(disk[..<length].withUnsafeBytes { AccessControlList(onDisk: $0) } == nil)
    }
    for (offset, byte) in [(0, 2), (4, 3), (5, 1)] as [(Int, UInt8)] {
      var wrong = disk
      wrong[offset] = byte
      #expect(wrong.withUnsafeBytes { AccessControlList(onDisk: $0) } == nil)
    }
  }

  @Test func validity() {
    #expect(Self.extended.isValid)
    #expect(Self.minimal.isValid)
    // A mask alone is allowed; users or groups without one are not.
    #expect(
      Self.acl((.owner, 7, nil), (.owningGroup, 5, nil), (.mask, 4, nil), (.other, 0, nil)).isValid)
    let invalid = [
      Self.acl((.owner, 7, nil), (.user, 7, 5), (.owningGroup, 5, nil), (.other, 0, nil)),
      Self.acl((.owner, 7, nil), (.owningGroup, 5, nil)),
      Self.acl((.owningGroup, 5, nil), (.owner, 7, nil), (.other, 0, nil)),
      Self.acl((.owner, 7, nil), (.owningGroup, 5, nil), (.other, 0, nil), (.other, 0, nil)),
      Self.acl((.owner, 8, nil), (.owningGroup, 5, nil), (.other, 0, nil)),
      Self.acl(
        (.owner, 7, nil), (.user, 7, nil), (.owningGroup, 5, nil), (.mask, 7, nil), (.other, 0, nil)
      ),
      Self.acl(
        (.owner, 7, nil), (.group, 7, 5), (.owningGroup, 5, nil), (.mask, 7, nil), (.other, 0, nil)),
      Self.acl(),
    ]
    for acl in invalid { #expect(!acl.isValid, "\(acl)") }
  }

  @Test func equivalentModes() {
    #expect(Self.minimal.equivalentMode == (0o640, true))
    #expect(Self.extended.equivalentMode == (0o761, false))
  }

  @Test func modeChanges() {
    var acl = Self.extended
    var applied = acl.apply(mode: 0o100524)
    #expect(applied)
    #expect(acl.equivalentMode.bits == 0o524)
    #expect(acl.entries.first { $0.tag == .owningGroup }?.permissions == 7)
    acl = Self.extended
    var bits = acl.restrict(toMode: 0o100644)
    #expect(bits == 0o640)
    #expect(acl.entries.first { $0.tag == .mask }?.permissions == 4)
    #expect(acl.entries.first { $0.tag == .user }?.permissions == 6)
    acl = Self.minimal
    bits = acl.restrict(toMode: 0o777)
    #expect(bits == 0o640)
    acl = Self.acl((.owner, 7, nil), (.other, 0, nil))
    applied = acl.apply(mode: 0o777)
    #expect(!applied)
    bits = acl.restrict(toMode: 0o777)
    #expect(bits == nil)
  }
}
