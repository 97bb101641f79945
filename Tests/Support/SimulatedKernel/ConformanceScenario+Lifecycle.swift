import Glibc
import SystemPackage
import TestSupport

extension ConformanceScenario {
  static let lifecycle = [
    ConformanceScenario(
      "freeze and thaw", [.i72, .i75],
      both { subject, configuration in
        try subject.with(configuration) { try freezing($0) }
      }),
    ConformanceScenario("shutdown", [.i76]) { subject in try shutdown(subject) },
    ConformanceScenario(
      "unmount with RELEASEs outstanding", [.i77],
      both { subject, configuration in
        var configuration = configuration
        configuration.maximumBackground = 2
        try subject.with(configuration) { kernel in
          var files: [OpenFile] = []
          for index in 0..<100 { files.append(try kernel.makeFile("f\(index)", size: 100)) }
          for file in files { try kernel.close(file) }
        }
      }),
    ConformanceScenario("abort", [.i77]) { subject in
      let image = try subject.makeImage(.init())
      let kernel = try subject.mount(.init(), image)
      try kernel.start()
      let file = try kernel.makeFile("kept", size: 50_000, seed: 13)
      for index in 0..<20 { try kernel.write(try kernel.create("g\(index)"), at: 0, [1, 2, 3]) }
      _ = file
      kernel.abort()
      try subject.finish(kernel)
      try subject.with(.init(), image: image) { kernel in
        let file = try kernel.open(kernel.lookup("kept").node)
        let read = try kernel.read(file, at: 0, count: 60_000)
        kernel.rules.check(
          .i77, read == SeededGenerator.bytes(50_000, seed: 13),
          "a synchronized file is lost after the connection broke")
        try kernel.close(file)
      }
    },
  ]

  private static func freezing(_ kernel: SimulatedKernel) throws {
    let file = try kernel.makeFile("frozen", size: 50_000)
    try kernel.close(try kernel.create("other"))
    try kernel.freeze()
    let orphans = kernel.orphanCount
    usleep(200_000)
    for name in ["frozen", "other"] { _ = try kernel.lookup(name) }
    try kernel.dropMappingCache(file.node)
    try kernel.expect(file, SeededGenerator.bytes(50_000, seed: 7))
    if orphans == 0 {
      let isClean = (try? kernel.oracle.isClean()) ?? false
      kernel.rules.check(.i75, isClean, "the image is not clean while frozen")
    }
    usleep(100_000)
    try kernel.thaw()
    try kernel.write(file, at: 60_000, [1, 2, 3])
    try kernel.fsync(file)
    try kernel.checkAgainstDisk()
    try kernel.close(file)
  }

  private static func shutdown(_ subject: ScenarioSubject) throws {
    let image = try subject.makeImage(.init())
    let kernel = try subject.mount(.init(), image)
    try kernel.start()
    let file = try kernel.makeFile("down", size: 20_000)
    try kernel.shutdown()
    for operation in [
      { try kernel.mkdir("no") as Any }, { try kernel.create("no") as Any },
      { try kernel.rawFsync(file) as Any },
    ] as [() throws -> Any] {
      do {
        let reply = try operation() as? Reply
        kernel.rules.check(
          .i76, reply?.error == EIO, "after SHUTDOWN_FS an operation has succeeded")
      } catch let error as Errno {
        kernel.rules.check(.i76, error == .ioError, "after SHUTDOWN_FS: \(error)")
      }
    }
    let answer = kernel.probe(file.inode, .write, at: 100_000, count: 4096)
    kernel.rules.check(
      .i76, answer.error == .ioError, "BEGIN after SHUTDOWN_FS: \(String(describing: answer.error))"
    )
    usleep(300_000)
    kernel.abort()
    try subject.finish(kernel)
  }
}
