import Benchmark

/// What happens at every request, or nearly: `swift package --package-path Benchmarks benchmark`.
let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [.wallClock, .throughput], warmupIterations: 2,
    scalingFactor: .one, maxDuration: .seconds(2))
  MappingBenchmarks.register()
  WireBenchmarks.register()
  StatisticsBenchmarks.register()
  VolumeBenchmarks.register()
}
