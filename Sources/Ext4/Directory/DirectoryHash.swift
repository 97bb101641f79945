import CExt2FS

/// Which hash function an index uses (`hash_version` of the dx root, `s_def_hash_version`).
enum HashVersion: UInt8 {
  case legacy = 0
  case halfMD4 = 1
  case tea = 2
}

/// The hash of a name: `major` orders the index, `minor` tells apart what has the same major.
struct NameHash: Equatable {
  /// Even: the lowest bit is the index's mark for a leaf that continues the hash of the one before it.
  let major: UInt32
  let minor: UInt32

  /// Where readdir finds the name: 31 bits of the major hash, 32 of the minor one (hash2pos in
  /// fs/ext4/dir.c).
  var position: UInt64 { UInt64(major >> 1) << 32 | UInt64(minor) }
}

/// The hash function of a file system's directories: seed, and signedness of char in it.
struct DirectoryHash {
  private let version: HashVersion
  private let isUnsigned: Bool
  private var seed: (UInt32, UInt32, UInt32, UInt32)

  init(_ version: HashVersion, _ settings: DirectoryHashSettings) {
    self.version = version
    isUnsigned = settings.isUnsigned
    seed = settings.seed
  }

  func callAsFunction(_ name: UnsafeRawBufferPointer) -> NameHash {
    let (major, minor) = compute(version, name)
    // The largest hash is the end-of-directory mark (EXT4_HTREE_EOF_32BIT).
    return NameHash(major: major >= 0xFFFF_FFFE ? 0xFFFF_FFFC : major & ~1, minor: minor)
  }

  /// As the hash itself, but the minor hash is never constant. The legacy function has none, and readdir
  /// could not tell names of the same hash apart; this one exists in memory only.
  func position(of name: UnsafeRawBufferPointer) -> UInt64 {
    let hash = self(name)
    guard version == .legacy else { return hash.position }
    return NameHash(major: hash.major, minor: compute(.halfMD4, name).major).position
  }

  private func compute(
    _ version: HashVersion, _ name: UnsafeRawBufferPointer
  ) -> (major: UInt32, minor: UInt32) {
    var major: ext2_dirhash_t = 0
    var minor: ext2_dirhash_t = 0
    withUnsafeBytes(of: seed) { seed in
      // Fails for unknown versions only.
      _ = ext2fs_dirhash(
        CInt(version.rawValue) + (isUnsigned ? 3 : 0),
        name.assumingMemoryBound(to: CChar.self).baseAddress, CInt(name.count),
        seed.assumingMemoryBound(to: UInt32.self).baseAddress, &major, &minor)
    }
    return (major, minor)
  }
}
