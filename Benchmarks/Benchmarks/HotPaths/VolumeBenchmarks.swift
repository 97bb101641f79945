import Benchmark
import Ext4
import IomapCache

/// The file system below the requests.
enum VolumeBenchmarks {
  static func register() {
    for extents in [1, 1_000, 10_000] { registerWalk(extents) }
    for files in [100, 50_000] { registerLookup(files) }
    Benchmark("commit of 100 creates", configuration: .init(maxIterations: 50)) { benchmark in
      let scratch = try ScratchVolume(mebibytes: 256)
      for number in 0..<100 { try scratch.createAndForget("file\(number)") }
      benchmark.startMeasurement()
      try scratch.volume.commit()
      benchmark.stopMeasurement()
      try scratch.volume.close()
    }
  }

  private static func registerWalk(_ extents: Int) {
    Benchmark("extent walk, \(extents) extents") { (benchmark, prepared: (ScratchVolume, Inode)) in
      let (_, file) = prepared
      benchmark.startMeasurement()
      for _ in benchmark.scaledIterations {
        var count = 0
        try file.withMapping(at: FileOffset(0), count: 4096, for: .inspect) {
          window throws(Ext4Error) in
          try window.walk { _ in
            count += 1
            return true
          }
        }
        blackHole(count)
      }
      benchmark.stopMeasurement()
    } setup: {
      let scratch = try ScratchVolume(mebibytes: 256)
      return (scratch, try scratch.createFragmented("file", extents: extents))
    }
  }

  private static func registerLookup(_ files: Int) {
    Benchmark(
      "htree lookup, \(files) files", configuration: .init(scalingFactor: .kilo),
      closure: { (benchmark, scratch: ScratchVolume) in
        let volume = scratch.volume
        let root = try volume.node(.root)
        // A stride that is prime to both counts.
        let names = (0..<1000).map { "file\(($0 * 7919) % files)" }
        benchmark.startMeasurement()
        for turn in benchmark.scaledIterations {
          let inode = try scratch.name(names[turn % names.count]) {
            try volume.lookup($0, in: root)
          }
          try volume.forget(inode.number, count: 1)
        }
        benchmark.stopMeasurement()
      },
      setup: {
        let scratch = try ScratchVolume(mebibytes: 1024)
        for number in 0..<files { try scratch.createAndForget("file\(number)") }
        return scratch
      })
  }
}
