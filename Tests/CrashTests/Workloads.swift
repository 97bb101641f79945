import CrashExploration
import TestSupport

/// What the exploration goes through.
enum Workloads {
  static func mix(
    _ name: String, _ operations: Int = 150, without excluded: [RandomWork.Step] = []
  ) -> Workload {
    Workload("mix, \(name)") { volume, random in
      var work = RandomWork()
      work.steps.removeAll(where: excluded.contains)
      try work.run(operations, on: volume, &random)
    }
  }

  /// Files made and named, and names that change.
  static let names = Workload("names") { volume, random in
    var work = RandomWork()
    work.steps = [
      .create, .create, .makeDirectory, .symbolicLink, .pipe, .link, .unlink, .removeDirectory,
      .rename, .rename, .exchange,
    ]
    try work.run(140, on: volume, &random)
  }

  /// As editors and databases do it: a new file, synchronized, takes the name of the old one; records at the end of a file.
  static let savedFiles = Workload("saved files") { volume, random in
    try volume.create("log")
    try volume.makeDirectory("saved")
    for round in 0..<25 {
      let path = "saved/document\(round % 3)"
      try volume.create("saved/new")
      try volume.write("saved/new", at: 0, count: 1500 + 700 * (round % 7))
      if !random.oneIn(5) { try volume.synchronize() }
      try volume.rename("saved/new", to: path)
      try volume.append("log", count: random.number(20..<900))
      if random.oneIn(2) { try volume.synchronize() } else { try volume.commitInBackground() }
    }
  }

  /// Files that are used without a name, and freed after that.
  static let unlinkedFiles = Workload("unlinked files") { volume, random in
    for round in 0..<14 {
      try volume.create("file\(round)")
      try volume.write("file\(round)", at: 0, count: random.number(1..<20_000))
      let id = try volume.openFile("file\(round)")
      try RandomWork.commitSometimes(volume, &random, every: 3)
      try volume.unlink("file\(round)")
      try RandomWork.commitSometimes(volume, &random, every: 2)
      try volume.write(open: id, at: random.number(0..<20_000), count: 3000)
      try RandomWork.commitSometimes(volume, &random, every: 3)
      if round % 3 != 0 { volume.closeFile(id) }
      try RandomWork.commitSometimes(volume, &random, every: 3)
    }
  }

  static let truncation = Workload("truncation") { volume, random in
    var work = RandomWork()
    for index in 0..<4 {
      try volume.create("file\(index)")
      try volume.write("file\(index)", at: 0, count: 20_000 + index * 777)
    }
    work.steps = [.truncate, .truncate, .grow, .append, .overwrite, .writeFar]
    work.commitEvery = 3
    try work.run(110, on: volume, &random)
  }

  /// A directory that grows over several levels of its index, and shrinks.
  static let directories = Workload("directories") { volume, random in
    try volume.makeDirectory("d")
    func path(_ index: Int) -> String { "d/\(index)-" + String(repeating: "y", count: 180) }
    for index in 0..<120 {
      if index % 7 == 3 {
        try volume.makeDirectory(path(index))
      } else if index % 11 == 5, index % 7 != 4 {
        try volume.link(path(index - 1), as: path(index))
      } else {
        try volume.create(path(index))
      }
      try RandomWork.commitSometimes(volume, &random, every: 12)
    }
    for index in 0..<120 {
      if index % 7 == 3 {
        try volume.removeDirectory(path(index))
      } else {
        try volume.unlink(path(index))
      }
      try RandomWork.commitSometimes(volume, &random, every: 12)
    }
    try volume.removeDirectory("d")
    try volume.synchronize()
  }

  static let attributes = Workload("attributes") { volume, random in
    var work = RandomWork()
    for index in 0..<6 { try volume.create("file\(index)") }
    work.steps = [
      .setAttribute, .setAttribute, .setAttribute, .removeAttribute, .create, .unlink, .link,
    ]
    work.nameLimit = 12
    try work.run(120, on: volume, &random)
  }

  /// Values in inodes of their own, which some share.
  static let largeAttributes = Workload("large attributes") { volume, random in
    volume.mayBeFull = true
    for index in 0..<6 { try volume.create("file\(index)") }
    for round in 0..<90 {
      let path = "file\(random.number(0..<6))"
      let name = volume.attributeNames(of: path).randomElement(using: &random)
      if let name, random.oneIn(3) {
        try volume.removeAttribute(path, name)
      } else if random.oneIn(8) {
        try volume.unlink(path)
        try volume.create(path)
      } else {
        let value = SeededGenerator.bytes(
          random.pick([30, 700, 2000, 9000, 30_000]), seed: UInt64(random.number(0..<3)))
        try volume.setAttribute(path, "user.\(random.pick(["a", "bb", "c"]))", to: value)
      }
      if round % 4 == 3 { try RandomWork.commitSometimes(volume, &random, every: 2) }
    }
  }.with { $0.features = ["ea_inode"] }

  /// Ranges that go, and holes that come, in files with many extents, all of them unwritten.
  static let shiftedRanges = Workload("shifted ranges") { volume, random in
    for _ in 0..<40 {
      let path = "file\(random.number(0..<2))"
      let place = random.number(0..<300) * 1024
      let count = random.number(1..<30) * 1024
      if random.oneIn(2) {
        try volume.insertHole(path, at: place, count: count)
      } else {
        try volume.collapse(path, at: place, count: count)
      }
      if random.oneIn(3) { try volume.punchHole(path, at: place, count: 2048) }
      try RandomWork.commitSometimes(volume, &random, every: 3)
    }
  }.with {
    $0.setUp = { volume, _ in
      for index in 0..<2 {
        try volume.create("file\(index)")
        try volume.allocate("file\(index)", at: 0, count: 1 << 20)
        for block in stride(from: 1, to: 900 - 500 * index, by: 2) {
          try volume.punchHole("file\(index)", at: block * 1024, count: 1024)
        }
      }
    }
  }

  static let preallocation = Workload("preallocation") { volume, random in
    var work = RandomWork()
    for index in 0..<4 { try volume.create("file\(index)") }
    work.steps = [.allocate, .punch, .zero, .append, .overwrite, .writeFar, .truncate]
    work.commitEvery = 3
    try work.run(110, on: volume, &random)
  }

  /// What is stored in place, with and without a synchronization after it.
  static let overwrites = Workload("overwrites") { volume, random in
    var work = RandomWork()
    work.steps = [.overwrite]
    try work.run(90, on: volume, &random)
  }.with {
    $0.setUp = { volume, _ in
      for index in 0..<3 {
        try volume.create("file\(index)")
        try volume.write("file\(index)", at: 0, count: 9000 + 400 * index)
      }
    }
  }

  /// Blocks that were directories, nodes of extent trees, attributes and links become the data of files, and the other way round.
  static let reusedBlocks = Workload("reused blocks") { volume, random in
    volume.mayBeFull = true
    for round in 0..<8 {
      for index in 0..<6 {
        let directory = "d\(index)"
        guard try volume.makeDirectory(directory) else { continue }
        for name in 0..<6 {
          let long = String(repeating: "n", count: 200)
          try volume.makeSymbolicLink(
            "\(directory)/\(name)\(long)", to: String(repeating: "t", count: 300))
        }
      }
      try RandomWork.commitSometimes(volume, &random, every: 2)
      for name in volume.names where name.contains("/") { try volume.unlink(name) }
      for directory in volume.emptyDirectories { try volume.removeDirectory(directory) }
      try volume.commitInBackground()
      let path = "data\(round)"
      guard try volume.create(path) else { continue }
      for place in 0..<10 { try volume.write(path, at: place * 8192, count: 6000) }
      if round % 2 == 0 { try volume.synchronize() } else { try volume.commitInBackground() }
      if round > 1, volume.files.contains("data\(round - 2)") {
        try volume.unlink("data\(round - 2)")
      }
    }
  }.with {
    $0.byteCount = 2560 << 10
    $0.options += ["-N", "128"]
  }

  static let nearlyFull = Workload("nearly full") { volume, random in
    volume.mayBeFull = true
    var work = RandomWork()
    work.steps = [
      .create, .create, .append, .append, .writeFar, .unlink, .truncate, .makeDirectory, .allocate,
      .setAttribute, .symbolicLink, .openAndUnlink, .closeFile,
    ]
    work.nameLimit = 200
    work.sizeLimit = 200 << 10
    try work.run(200, on: volume, &random)
  }.with {
    $0.byteCount = 2560 << 10
    $0.options += ["-N", "256"]
    $0.setUp = { volume, _ in
      volume.mayBeFull = true
      for index in 0..<40 {
        guard try volume.create("filling\(index)") else { return }
        if try volume.write("filling\(index)", at: 0, count: 24_000) < 24_000 { return }
      }
    }
  }

  /// A log that is filled several times.
  static let longLog = Workload("long log") { volume, random in
    var work = RandomWork()
    for _ in 0..<250 {
      try work.run(4, on: volume, &random)
      try volume.commitInBackground()
    }
  }

  /// A log without checkpoints in the background: when a commit comes, it finds no room.
  static let fullLog = Workload("full log") { volume, random in
    var work = RandomWork()
    work.commitEvery = .max
    for _ in 0..<250 {
      try work.run(4, on: volume, &random)
      try volume.synchronize()
    }
  }

  /// Commits and checkpoints by another thread, whenever they happen to come.
  static let busyBackground = Workload("busy background") { volume, random in
    let background = Background(volume.volume)
    let work = Result {
      var work = RandomWork()
      work.commitEvery = 12
      try work.run(150, on: volume, &random)
    }
    try background.stop()
    try work.get()
  }

  /// Files and directories whose contents are in their inodes.
  static let inlineData = Workload("inline data") { volume, random in
    var work = RandomWork()
    try work.run(90, on: volume, &random)
  }.with {
    $0.features = ["inline_data"]
    $0.tree = { scratch in
      let directory = scratch.appending("tree")
      for index in 0..<12 {
        let bytes = FilePattern.bytes(
          file: 1000 + index, operation: 0, at: 0, count: 10 + index * 10)
        let file = try Syscall.open(directory.appending("small\(index)"), 0o101)
        try Syscall.write(file, bytes, at: 0)
        try Syscall.close(file)
        try Syscall.mkdir(directory.appending("dir\(index)"), mode: 0o755)
      }
    }
  }

  /// Files that are freed in several steps, since they lie in many groups.
  static let manyGroups = Workload("many groups") { volume, random in
    for index in 0..<3 {
      try volume.truncate("large\(index)", to: [1_000_000, 300_001, 0][index])
      try RandomWork.commitSometimes(volume, &random, every: 2)
      let id = try volume.openFile("large\(index)")
      try volume.unlink("large\(index)")
      try RandomWork.commitSometimes(volume, &random, every: 2)
      volume.closeFile(id)
      try RandomWork.commitSometimes(volume, &random, every: 2)
    }
    try volume.synchronize()
  }.with {
    $0.options += ["-g", "256", "-N", "512"]
    $0.setUp = { volume, _ in
      for index in 0..<3 { try volume.create("large\(index)") }
      for piece in 0..<24 {
        for index in 0..<3 { try volume.append("large\(index)", count: 64 << 10) }
        if piece % 8 == 7 { try volume.synchronize() }
      }
    }
  }

  /// The journal is on a device that is flushed by itself.
  static let externalJournal = mix("external journal").with {
    $0.options = []
    $0.journalByteCount = 2 << 20
  }

  static let all: [(workload: Workload, limit: Int)] = [
    (names, 900), (savedFiles, 900), (unlinkedFiles, 800), (truncation, 800), (directories, 900),
    (attributes, 800), (largeAttributes, 500), (shiftedRanges, 500), (preallocation, 900),
    (overwrites, 400), (reusedBlocks, 900),
    (nearlyFull, 900), (longLog, 900), (fullLog, 900),
    (busyBackground, 600), (inlineData, 700), (manyGroups, 250),
    (mix("ext4", 220), 1200),
    (mix("without checksums").with { $0.features = ["^metadata_csum"] }, 700),
    (mix("without 64bit").with { $0.features = ["^64bit"] }, 500),
    (mix("orphan file").with { $0.features = ["orphan_file", "metadata_csum_seed"] }, 500),
    (
      mix("4 KiB blocks").with {
        $0.blockSize = 4096
        $0.byteCount = 16 << 20
        $0.options = ["-J", "size=4"]
      }, 400
    ),
    (ext3(mix("ext3", without: RandomWork.Step.needingExtents)), 800), (ext3(truncation), 500),
    (ext3(reusedBlocks), 500),
  ]

  /// The same on ext3: files have indirect blocks, and preallocation is not possible.
  static func ext3(_ workload: Workload) -> Workload {
    workload.with { $0.type = "ext3" }
  }
}
