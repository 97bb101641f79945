import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// What the superblock says, and what it makes us refuse.
  @Suite struct StateTests {
    @Test(arguments: ["ext2", "ext4"])
    func withoutAJournalNotCleanWhileMounted(type: String) throws {
      let features = type == "ext2" ? [] : ["^has_journal"]
      try Site.with(type: type, features: features) { site in
        #expect(try site.image.superblock("Filesystem state") == "clean")
        try site.mount(options: ["ro"]) { _ throws in
          #expect(try site.image.superblock("Filesystem state") == "clean")
        }
        try site.mount { _ throws in
          #expect(try site.image.superblock("Filesystem state") == "not clean")
        }
        #expect(try site.image.superblock("Filesystem state") == "clean")
      }
    }

    @Test func afterAKillItStaysNotClean() throws {
      try Site.with(features: ["^has_journal"]) { site in
        _ = try Mounted(site.image.path, at: site.point)
        try site.point.appending("file").write("x")
        Daemon.kill(at: site.point)
        try Mounted.waitForEnd(of: site.image.path)
        try Command(["umount", site.point.string]).succeed()
        #expect(try site.image.superblock("Filesystem state") == "not clean")
      }
    }

    @Test func mountsAreCounted() throws {
      try Site.with { site in
        try site.mount { _ in }
        try site.mount { _ in }
        #expect(try site.image.superblock("Mount count") == "2")
        try site.mount(options: ["ro"]) { _ in }
        #expect(try site.image.superblock("Mount count") == "2")
      }
    }

    @Test func withoutItsJournal() throws {
      try Site.with { site in
        func log() throws -> String { try site.image.debugfs("logdump -a") }
        try site.mount(options: []) { root in try root.appending("file").write("x") }
        let before = try log()
        #expect(!before.isEmpty)
        try site.mount(options: ["noload"]) { root in try root.appending("other").write("y") }
        #expect(try log() == before)
        try site.kernel { root throws in
          #expect(try root.appending("file").text() == "x")
          #expect(try root.appending("other").text() == "y")
        }
      }
    }

    @Test func aJournalThatNeedsRecovery() throws {
      try Site.with { site in
        try site.kernel { root in try root.appending("file").write("x") }
        try site.image.debugfs("feature needs_recovery", write: true)
        let contradiction = try Mounted.attempt(
          site.image.path, at: site.point, Mounted.Plan(options: ["norecovery"]))
        #expect(contradiction.status == 32 && contradiction.errors.contains("-o ro,norecovery"))
        let before = try site.image.path.bytes()
        let plan = Mounted.Plan(options: ["ro", "norecovery"], check: false)
        try site.mount(plan) { root throws in
          #expect(try root.appending("file").text() == "x")
        }
        try site.mount(Mounted.Plan(options: ["ro", "noload"], check: false)) { _ in }
        #expect(try site.image.path.bytes() == before, "the journal is left alone")
        // The log is empty, so that the flag is all that there is to recover.
        for options in [["ro"], []] {
          try site.image.debugfs("feature needs_recovery", write: true)
          try site.mount(options: options) { root throws in
            #expect(try root.appending("file").text() == "x")
          }
          let features = try site.image.superblock("Filesystem features")
          #expect(!features.contains("needs_recovery"))
        }
      }
    }

    @Test func aFileSystemWithErrorsIsToldOf() throws {
      try Site.with { site in
        try site.image.debugfs("set_super_value state 2", write: true)
        let result = try Mounted.attempt(
          site.image.path, at: site.point, Mounted.Plan(options: ["ro"]))
        #expect(result.succeeded, "reading what can be read: \(result.description)")
        try Command(["umount", site.point.string]).succeed()
        try Mounted.waitForEnd(of: site.image.path)
      }
    }

    /// Each incompatible feature that is not supported is named. What they are is our choice; that
    /// those of a later ext4 are refused is not.
    @Test func unsupportedFeaturesAreNamed() throws {
      for (option, name) in [("casefold", "casefold"), ("encrypt", "encrypt")] {
        try Site.with(features: [option]) { site in
          let refused = try Mounted.attempt(site.image.path, at: site.point)
          #expect(refused.status == 32)
          #expect(refused.errors.contains(name), "\(refused.errors)")
        }
      }
      try Site.with { site in
        try site.image.debugfs("feature FEATURE_I30", write: true)
        for options in [[], ["ro"]] {
          let refused = try Mounted.attempt(
            site.image.path, at: site.point, Mounted.Plan(options: options))
          #expect(refused.status == 32)
          #expect(refused.errors.contains("FEATURE_"), "\(refused.errors)")
        }
      }
    }

    /// Read-only compatible features that are unknown forbid writing, not reading.
    @Test func unknownReadOnlyFeatures() throws {
      try Site.with { site in
        try site.image.debugfs("feature FEATURE_R30", write: true)
        let refused = try Mounted.attempt(site.image.path, at: site.point)
        #expect(refused.status == 32)
        #expect(refused.errors.contains("FEATURE_"), "\(refused.errors)")
        #expect(refused.errors.contains("ro"), "\(refused.errors)")
        let plan = Mounted.Plan(options: ["ro"], check: false)
        try site.mount(plan) { root in #expect(root.appending("lost+found").exists) }
      }
    }

    /// Every kind of file system that mke2fs makes by the features we know.
    @Test(arguments: [
      ["^metadata_csum"], ["^64bit"], ["^extent", "^64bit"], ["inline_data"], ["^dir_index"],
      ["^flex_bg"], ["^resize_inode"], ["meta_bg", "^resize_inode"], ["sparse_super2"],
      ["^uninit_bg", "^metadata_csum"], ["uninit_bg", "^metadata_csum"], ["large_dir"],
      ["^huge_file"], ["^filetype"], ["^ext_attr"], ["metadata_csum_seed"], ["^dir_nlink"],
      ["^extra_isize"], ["^large_file"], ["orphan_file"], ["^resize_inode", "^sparse_super"],
    ])
    func features(_ features: [String]) throws {
      try Site.with(features: features) { site in
        try site.mount { root in
          try Syscall.mkdir(root.appending("directory"))
          for index in 0..<300 { try root.appending("directory/file-\(index)").write("\(index)") }
          for index in 0..<100 { try Syscall.unlink(root.appending("directory/file-\(index)")) }
          try root.appending("large").write(SeededGenerator.bytes(3_000_000, seed: 10))
          try Syscall.symlink("large", root.appending("link"))
        }
        try site.kernel { root throws in
          #expect(try root.appending("directory").names().count == 200)
          #expect(try root.appending("directory/file-299").text() == "299")
          #expect(try root.appending("link").bytes() == SeededGenerator.bytes(3_000_000, seed: 10))
        }
      }
    }
  }
}
