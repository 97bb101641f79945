import Benchmark
import IomapCache

/// The bytes of the iomap protocol: a question decoded, an answer encoded.
enum WireBenchmarks {
  static func register() {
    Benchmark("decode a BEGIN request", configuration: .init(scalingFactor: .kilo)) { benchmark in
      let request = IomapWire.BeginRequest(
        operation: .write, attributeInode: 12, position: 65_536, count: 4096)
      var bytes = [UInt8](repeating: 0, count: IomapWire.BeginRequest.size)
      bytes.withUnsafeMutableBytes { buffer in
        request.encode(into: buffer)
        let payload = UnsafeRawBufferPointer(buffer)
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { blackHole(IomapWire.BeginRequest(payload)) }
        benchmark.stopMeasurement()
      }
    }
    Benchmark("encode a mapping", configuration: .init(scalingFactor: .kilo)) { benchmark in
      let mapping = MappingBenchmarks.mapping(3)
      var bytes = [UInt8](repeating: 0, count: IomapWire.MappingRecord.size)
      bytes.withUnsafeMutableBytes { buffer in
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
          IomapWire.MappingRecord.encode(mapping, into: buffer)
        }
        benchmark.stopMeasurement()
      }
      blackHole(bytes)
    }
    Benchmark("decode a mapping", configuration: .init(scalingFactor: .kilo)) { benchmark in
      var bytes = [UInt8](repeating: 0, count: IomapWire.MappingRecord.size)
      bytes.withUnsafeMutableBytes { buffer in
        IomapWire.MappingRecord.encode(MappingBenchmarks.mapping(3), into: buffer)
        let payload = UnsafeRawBufferPointer(buffer)
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
          blackHole(IomapWire.MappingRecord.decode(payload))
        }
        benchmark.stopMeasurement()
      }
    }
  }
}
