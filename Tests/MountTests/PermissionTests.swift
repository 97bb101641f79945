import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Permissions: owners and modes where several users share a mount, and what an ordinary user
  /// can do with an image whose files belong to root.
  @Suite struct PermissionTests {
    private func shell(_ script: String, as user: TestUser, in directory: FilePath) throws -> Bool {
      try Command(["sh", "-c", script], as: user, in: directory).run().succeeded
    }

    @Test func aSharedMountEnforcesOwnersAndModes() throws {
      let (user, other) = (try TestUser.mounter.get(), try TestUser.other.get())
      try Site.with { site in
        try site.mount(options: ["allow_other"]) { root in
          let file = root.appending("private")
          try file.write("secret")
          try Syscall.chmod(file, mode: 0o600)
          try Syscall.lchown(file, user: user.uid, group: user.gid)
          #expect(try shell("cat private && echo more >> private", as: user, in: root))
          #expect(try !shell("cat private", as: other, in: root))
          #expect(try !shell("echo more >> private", as: other, in: root))
          #expect(try !shell("chmod 666 private", as: other, in: root))
          #expect(try !shell("chown \(other.uid) private", as: user, in: root))
          #expect(try !shell("touch new", as: user, in: root), "the root directory is root's")

          try Syscall.mkdir(root.appending("sticky"))
          try Syscall.chmod(root.appending("sticky"), mode: 0o1777)
          #expect(try shell("echo mine > sticky/file", as: user, in: root))
          #expect(try Syscall.lstat(root.appending("sticky/file")).st_uid == user.uid)
          #expect(try Syscall.lstat(root.appending("sticky/file")).st_gid == user.gid)
          #expect(try !shell("rm -f sticky/file", as: other, in: root))
          #expect(try shell("rm sticky/file", as: user, in: root))

          try Syscall.mkdir(root.appending("closed"), mode: 0o711)
          try root.appending("closed/file").write("x")
          #expect(try !shell("ls closed", as: user, in: root))
          #expect(try shell("cat closed/file", as: user, in: root))

          try Command(["cp", "/bin/true", root.appending("program").string]).succeed()
          try Syscall.chmod(root.appending("program"), mode: 0o744)
          #expect(try !shell("./program", as: user, in: root))
        }
      }
    }

    @Test func otherUsersNeedAllowOther() throws {
      let user = try TestUser.other.get()
      try Site.with { site in
        try site.mount { root in
          try Syscall.chmod(root, mode: 0o777)
          #expect(try !shell("ls \(root)", as: user, in: "/"))
        }
      }
    }

    @Test func theMountingUserOwnsWhatTheyMake() throws {
      let user = try TestUser.mounter.get()
      try Site.with(options: ["-E", "root_owner=\(user.uid):\(user.gid)"], owner: user) { site in
        try site.mount(Mounted.Plan(user: user)) { root in
          let script = """
            id -u; echo hello > file; mkdir directory; ln -s file link; cat link; stat -c %u file
            chmod 600 file; mv file directory; rm link
            """
          let run = try Command(shell: script, as: user, in: root).succeed()
          #expect(run.lines == ["\(user.uid)", "hello", "\(user.uid)"])
          #expect(MountTable.entry(at: root)?.type == "fuse.fuse4fs")
          #expect(MountTable.entry(at: root)?.options.contains("user_id=\(user.uid)") == true)
        }
        try site.kernel { root throws in
          #expect(try Syscall.lstat(root.appending("directory/file")).st_uid == user.uid)
        }
      }
    }

    /// Files of root's in a user's mount are root's, and the command says what would help.
    @Test func withoutFakerootRootsFilesAreRoots() throws {
      let user = try TestUser.mounter.get()
      try Site.with(owner: user) { site in
        try site.kernel { root in try root.appending("file").write("readable") }
        try Mounted.with(site.image, at: site.point, Mounted.Plan(user: user)) { mounted throws in
          #expect(try shell("cat file", as: user, in: site.point))
          #expect(try !shell("echo x >> file", as: user, in: site.point))
          #expect(try !shell("touch new", as: user, in: site.point))
          #expect(mounted.messages.contains("fakeroot"), "\(mounted.messages)")
          #expect(mounted.messages.contains("uid="), "\(mounted.messages)")
        }
      }
    }

    @Test func fakeroot() throws {
      let user = try TestUser.mounter.get()
      try Site.with(owner: user) { site in
        try site.kernel { root in
          try root.appending("file").write("root's")
          try Syscall.chmod(root.appending("file"), mode: 0o600)
        }
        let plan = Mounted.Plan(options: ["fakeroot"], user: user)
        try Mounted.with(site.image, at: site.point, plan) { mounted throws in
          #expect(try shell("cat file && echo x >> file && touch new", as: user, in: site.point))
          #expect(try shell("chown 12:34 new && chmod 4755 file", as: user, in: site.point))
          #expect(!mounted.messages.contains("uid="), "no hint where none is needed")
        }
        try site.kernel { root in
          let new = try Syscall.lstat(root.appending("new"))
          #expect(new.st_uid == 12 && new.st_gid == 34)
        }
      }
    }

    @Test func everythingAppearsAsOnesOwn() throws {
      let user = try TestUser.mounter.get()
      try Site.with(owner: user) { site in
        try site.kernel { root in
          try root.appending("file").write("root's")
          try Syscall.chmod(root.appending("file"), mode: 0o600)
        }
        let plan = Mounted.Plan(options: ["uid=\(user.uid)", "gid=\(user.gid)"], user: user)
        try Mounted.with(site.image, at: site.point, plan) { _ in
          let owner = try Command(["stat", "-c", "%u:%g", "file"], as: user, in: site.point)
            .succeed()
          #expect(owner.text == "\(user.uid):\(user.gid)")
          #expect(try shell("cat file && echo x >> file && touch new", as: user, in: site.point))
        }
        try site.kernel { root throws in
          #expect(try Syscall.lstat(root.appending("file")).st_uid == 0, "shown, not stored")
        }
      }
    }

    @Test func setUserIDProgramsNeedRootToMount() throws {
      let user = try TestUser.other.get()
      try Site.with { site in
        for (option, effective) in [("suid", "0"), ("nosuid", "\(user.uid)")] {
          try site.mount(options: ["allow_other", option]) { root in
            let program = root.appending("id-\(option)")
            try Command(["cp", "/usr/bin/id", program.string]).succeed()
            try Syscall.chmod(program, mode: 0o4755)
            #expect(try Command([program.string, "-u"], as: user).succeed().text == effective)
          }
        }
      }
    }
  }
}
