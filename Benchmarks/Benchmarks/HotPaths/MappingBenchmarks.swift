import Benchmark
import IomapCache

/// The cache of a file's mappings: what a read or a write asks before it goes to the device.
enum MappingBenchmarks {
  /// So many extents of 64 KiB, none next to the one before on the device.
  static func fragmented(_ count: Int) -> MappingCache {
    var cache = MappingCache()
    for number in 0..<count { cache.upsert(mapping(number)) }
    return cache
  }

  static func mapping(_ number: Int) -> Mapping {
    let length: UInt64 = 65_536
    return Mapping(
      offset: FileOffset(UInt64(number) * length), length: length,
      address: DeviceOffset(UInt64(number) * 2 * length), kind: .mapped)
  }

  static func register() {
    for count in [1, 100, 10_000] {
      Benchmark(
        "mapping lookup, \(count) mappings", configuration: .init(scalingFactor: .kilo)
      ) { benchmark in
        let cache = fragmented(count)
        var number = 0
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
          // A stride that is prime to all counts: everywhere, in no order that helps.
          number = (number + 7919) % count
          blackHole(cache.lookup(FileOffset(UInt64(number) * 65_536 + 5)))
        }
        benchmark.stopMeasurement()
      }
    }
    Benchmark("mapping upsert, in order, 10000", configuration: .init(scalingFactor: .one)) {
      benchmark in
      for _ in benchmark.scaledIterations { blackHole(fragmented(10_000)) }
    }
    Benchmark("mapping upsert, over one of 10000", configuration: .init(scalingFactor: .kilo)) {
      benchmark in
      var cache = fragmented(10_000)
      var number = 0
      benchmark.startMeasurement()
      for _ in benchmark.scaledIterations {
        number = (number + 7919) % 10_000
        cache.upsert(mapping(number))
      }
      benchmark.stopMeasurement()
      blackHole(cache)
    }
  }
}
