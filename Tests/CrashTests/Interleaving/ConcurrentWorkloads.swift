import CrashExploration
import TestSupport

/// What the tasks do whose interleavings are explored. The log is as small as mke2fs(8) makes it, and what they do goes round it several times.
enum ConcurrentWorkloads {
  /// Three writers whose data goes through the log as well, and checkpoints that come late, so that it is always nearly full.
  static let fullLog = ConcurrentWorkload(
    "full log", writers: Array(repeating: fillLog, count: 3)
  ).with {
    $0.journalData()
    $0.pausesBetweenCheckpoints = 12
    $0.disk.byteCount = 2800 << 10
    $0.disk.options += ["-N", "128"]
  }

  private static let fillLog: Workload.Body = { volume, random in
    var work = RandomWork()
    work.steps = [.create, .makeDirectory, .unlink, .rename, .exchange, .append, .setAttribute]
    work.commitEvery = .max
    work.nameLimit = 6
    work.sizeLimit = 32 << 10
    for index in 0..<2 { try volume.create("file\(index)") }
    for _ in 0..<26 {
      if let path = volume.files.randomElement(using: &random) {
        try volume.write(
          path, at: random.number(0..<6) * 1024, count: random.number(4000..<24_000))
      }
      try work.run(1, on: volume, &random)
      if random.oneIn(3) { try volume.synchronize() }
    }
  }

  /// Names, files and attributes that come and go, with data that does not go through the log.
  static let mix = workload("mix", operations: 60) { _ in }

  /// The same on a disk that is full most of the time.
  static let fullDisk = mix.with {
    $0.disk.name = "full disk"
    $0.disk.byteCount = 2100 << 10
  }

  /// Blocks of directories, links and attributes that become the data of files.
  static let reusedBlocks = ConcurrentWorkload(
    "reused blocks",
    writers: [
      { volume, random in
        for round in 0..<5 {
          for index in 0..<3 {
            guard try volume.makeDirectory("d\(index)") else { continue }
            for name in 0..<5 {
              let long = String(repeating: "n", count: 200)
              try volume.makeSymbolicLink(
                "d\(index)/\(name)\(long)", to: String(repeating: "t", count: 300))
            }
          }
          if random.oneIn(2) { try volume.commitInBackground() }
          for name in volume.names where name.contains("/") { try volume.unlink(name) }
          for directory in volume.emptyDirectories { try volume.removeDirectory(directory) }
          if round % 2 == 0 { try volume.synchronize() }
        }
      },
      { volume, random in
        for round in 0..<14 {
          let path = "data\(round)"
          guard try volume.create(path) else { continue }
          for place in 0..<6 { try volume.write(path, at: place * 8192, count: 6000) }
          if random.oneIn(2) { try volume.synchronize() }
          if round > 1, volume.files.contains("data\(round - 2)") {
            try volume.unlink("data\(round - 2)")
          }
        }
      },
    ]
  ).with {
    $0.disk.byteCount = 2100 << 10
    $0.disk.options += ["-N", "128"]
  }

  private static func workload(
    _ name: String, operations: Int, _ change: @escaping @Sendable (inout RandomWork) -> Void
  ) -> ConcurrentWorkload {
    let body: Workload.Body = { volume, random in
      var work = RandomWork()
      work.commitEvery = 8
      work.nameLimit = 12
      change(&work)
      try work.run(operations, on: volume, &random)
    }
    return ConcurrentWorkload(name, writers: [body, body, body]).with {
      $0.disk.byteCount = 2600 << 10
      $0.disk.options += ["-N", "256"]
    }
  }
}
