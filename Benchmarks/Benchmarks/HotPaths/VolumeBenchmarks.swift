import Benchmark
import Ext4
import IomapCache

/// The file system below the requests.
enum VolumeBenchmarks {
  static func register() {
    for extents in [1, 1_000, 10_000] {
      Benchmark("extent walk, \(extents) extents", configuration: .init(scalingFactor: .one)) {
        benchmark in
        let scratch = try ScratchVolume(mebibytes: 256)
        let file = try scratch.createFragmented("file", extents: extents)
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
        try scratch.volume.close()
      }
    }
    for files in [100, 50_000] {
      Benchmark("htree lookup, \(files) files", configuration: .init(scalingFactor: .kilo)) {
        benchmark in
        let scratch = try ScratchVolume(mebibytes: 1024)
        for number in 0..<files {
          let inode = try scratch.create("file\(number)")
          try scratch.volume.forget(inode.number, count: 1)
        }
        let root = try scratch.volume.node(.root)
        var number = 0
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
          number = (number + 7919) % files
          let inode = try scratch.name("file\(number)") { try scratch.volume.lookup($0, in: root) }
          try scratch.volume.forget(inode.number, count: 1)
        }
        benchmark.stopMeasurement()
        try scratch.volume.close()
      }
    }
    Benchmark("commit of 100 creates", configuration: .init(maxIterations: 50)) { benchmark in
      let scratch = try ScratchVolume(mebibytes: 256)
      for number in 0..<100 {
        let inode = try scratch.create("file\(number)")
        try scratch.volume.forget(inode.number, count: 1)
      }
      benchmark.startMeasurement()
      try scratch.volume.commit()
      benchmark.stopMeasurement()
      try scratch.volume.close()
    }
  }
}
