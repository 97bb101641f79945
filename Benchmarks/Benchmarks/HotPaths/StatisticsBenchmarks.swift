import Benchmark
import FuseTransport

/// What it costs each request to be counted and timed: below 50 nanoseconds.
enum StatisticsBenchmarks {
  static func register() {
    // LOOKUP, GETATTR, READ, WRITE (include/uapi/linux/fuse.h).
    let opcodes: [UInt32] = [1, 3, 15, 16]
    Benchmark("count and time a request", configuration: .init(scalingFactor: .mega)) { benchmark in
      let statistics = RequestStatistics()
      let reply = [UInt8](repeating: 1, count: 4096)
      reply.withUnsafeBytes { reply in
        benchmark.startMeasurement()
        for turn in benchmark.scaledIterations {
          let request = statistics.received(opcodes[turn & 3])
          statistics.answered(request, reply)
        }
        benchmark.stopMeasurement()
      }
      blackHole(statistics.operations)
    }
  }
}
