/// What the hashes of names are made with.
struct DirectoryHashSettings: Sendable {
  /// Of directories that get an index; nil if it is none that is known.
  let version: HashVersion?
  let isUnsigned: Bool
  let seed: (UInt32, UInt32, UInt32, UInt32)

  init(of superblock: RawSuperblock) {
    version = superblock[\.s_def_hash_version].ifIn(0...UInt8.max).flatMap {
      HashVersion(rawValue: $0)
    }
    isUnsigned = superblock.hasUnsignedHash
    seed = superblock.hashSeed
  }
}
