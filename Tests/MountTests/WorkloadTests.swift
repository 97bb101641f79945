import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// What people do with file systems.
  @Suite struct WorkloadTests {
    @Test func fsx() throws {
      try Site.with(size: "128M") { site in
        let saved = site.scratch.appending("saved")
        try site.mount(Mounted.Plan(timeout: 300)) { root in
          let run = try Command(
            [
              try Daemon.tool("fsx").string, root.appending("file").string, "--ops", "200000",
              "--save", saved.string, "--seed", "\(DifferentialTests.seed)",
            ], timeout: 280
          ).run()
          #expect(run.succeeded, "\(run.description)")
        }
        try site.kernel { root in
          try Command(["cmp", root.appending("file").string, saved.string]).succeed()
        }
      }
    }

    @Test func fsxOnOtherLayouts() throws {
      for (type, blockSize, exclude) in [("ext2", 1024, "allocate,zero"), ("ext4", 1024, "")] {
        try Site.with(size: "64M", type: type, blockSize: blockSize) { site in
          try site.mount { root in
            let run = try Command(
              [
                try Daemon.tool("fsx").string, root.appending("file").string, "--ops", "20000",
                "--base", "\(5 << 30)", "--exclude", exclude, "--seed", "\(DifferentialTests.seed)",
              ], timeout: 100
            ).run()
            #expect(run.succeeded, "\(run.description)")
          }
        }
      }
    }

    /// 20,000 files in 400 directories, with links, modes, times and attributes.
    @Test func copyingALargeTree() throws {
      try Site.with(size: "512M", options: ["-N", "30000"]) { site in
        let tree = try site.scratch.directory("tree")
        let generate = """
          for d in $(seq 1 20); do for e in $(seq 1 20); do
            mkdir -p "$d/$e"; (cd "$d/$e"; seq 1 50 | split -l 1 -a 3 - "file-"; )
          done; done
          head -c 10M /dev/urandom > large; truncate -s 100M sparse; ln large hard; ln -s large soft
          chmod 4750 1/1/file-aaa; touch -m -d '1999-12-31 23:59:59.123456789' 1/1/file-aab
          setfattr -n user.note -v kept 1/1/file-aac; mkfifo fifo; mkdir empty
          """
        try Command(shell: generate, timeout: 120, in: tree).succeed()
        let compare = [
          try Daemon.tool("fsdiff").string, "compare", tree.string,
          site.point.appending("copy").string,
        ]
        try site.mount(Mounted.Plan(options: ["noatime"], timeout: 300)) { root in
          try Command(["cp", "-a", tree.string, root.appending("copy").string], timeout: 200)
            .succeed()
          let run = try Command(compare, timeout: 120).run()
          #expect(run.succeeded, "\(run.description)")
        }
        try site.kernel { root in
          let run = try Command(compare, timeout: 120).run()
          #expect(run.succeeded, "\(run.description)")
        }
        try site.mount(Mounted.Plan(timeout: 300)) { root in
          try Command(["rm", "-rf", root.appending("copy").string], timeout: 200).succeed()
          #expect(try root.names() == ["lost+found"])
        }
      }
    }

    @Test func gitClonesAndChecksOut() throws {
      let user = try TestUser.mounter.get()
      try Site.with(
        size: "256M", options: ["-E", "root_owner=\(user.uid):\(user.gid)"], owner: user
      ) { site in
        let origin = try site.scratch.directory("origin")
        let make = """
          git init -q -b main .
          git config user.name Test; git config user.email test@localhost
          for c in $(seq 1 20); do
            mkdir -p "dir$c"
            for f in $(seq 1 50); do seq "$c" $((c * f)) > "dir$c/file$f"; done
            git add .; git commit -qm "Commit $c"
          done
          git tag half HEAD~10; git gc -q
          """
        try Command(shell: make, as: user, timeout: 120, in: origin).succeed()
        try site.mount(Mounted.Plan(user: user, timeout: 200)) { root in
          let work = """
            git clone -q --no-local '\(origin)' clone; cd clone
            git checkout -q half; test ! -e dir20; git checkout -q main; test -e dir20/file50
            git fsck --full --strict; git status --porcelain
            git config user.name Test; git config user.email test@localhost
            git rm -qr dir1; git commit -qm Removed; git gc -q; git fsck
            git rev-list --count main
            """
          let run = try Command(shell: work, as: user, timeout: 150, in: root).succeed()
          #expect(run.lines.last == "21")
        }
      }
    }

    @Test func aProgramIsBuiltAndRun() throws {
      try onMount { root in
        try root.appending("main.c").write(
          """
          #include <stdio.h>
          int square(int);
          int main(void) { printf("%d\\n", square(12)); return 0; }

          """)
        try root.appending("square.c").write("int square(int x) { return x * x; }\n")
        try root.appending("Makefile").write(
          "program: main.o square.o\n\tcc -o $@ $^\ntest: program\n\t./program > out\n"
            + "clean:\n\trm -f program *.o\n")
        try Command(["make", "-j2", "test"], in: root).succeed()
        #expect(try root.appending("out").text() == "144\n")
        #expect(try Command(["make", "test"], in: root).succeed().output.contains("./program"))
        // Only what depends on the change is made again.
        try Command(["touch", "square.c"], in: root).succeed()
        let again = try Command(["make", "program"], in: root).succeed().output
        #expect(again.contains("square.c") && !again.contains("main.c"))
        try Command(["make", "clean"], in: root).succeed()
        #expect(!root.appending("program").exists)
      }
    }

    /// SQLite's locks, journals and shared memory: write-ahead logs are mapped.
    @Test(arguments: ["DELETE", "WAL"])
    func aDatabaseKeepsItsIntegrity(journal: String) throws {
      try Site.with { site in
        let query = "SELECT count(*), sum(length(text)) FROM t; PRAGMA integrity_check;"
        let answer = try site.mount { root in
          try root.appending("script").write(
            """
            PRAGMA journal_mode=\(journal);
            CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);
            CREATE INDEX i ON t (text);
            WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 20000)
              INSERT INTO t SELECT x, hex(x * 7919) FROM c;
            BEGIN; DELETE FROM t WHERE id % 3 = 0; COMMIT;
            BEGIN; DELETE FROM t; ROLLBACK;
            UPDATE t SET text = text || '-' WHERE id % 5 = 0;
            VACUUM;

            """)
          try Command(shell: "sqlite3 -bail database < script", in: root).succeed()
          let writers = """
            for w in 1 2 3 4; do
              for n in 1 2 3 4 5 6 7 8 9 10; do
                echo "PRAGMA busy_timeout=20000; INSERT INTO t (text) VALUES ('w$w n$n');"
              done | sqlite3 -bail database > /dev/null & all="${all:-} $!"
            done
            for pid in $all; do wait $pid; done
            """
          try Command(shell: writers, in: root).succeed()
          let answer = try Command(["sqlite3", "database", query], in: root).succeed().text
          #expect(answer.hasPrefix("13374|") && answer.hasSuffix("\nok"), "\(answer)")
          return answer
        }
        try site.kernel { root in
          let again = try Command(["sqlite3", "database", query], in: root).succeed().text
          #expect(again == answer)
        }
      }
    }
  }
}
