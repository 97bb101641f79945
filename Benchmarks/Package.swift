// swift-tools-version: 6.2
import PackageDescription

// Of its own, so that nobody who builds fuse4fs builds this: swift package --package-path Benchmarks benchmark
let package = Package(
  name: "fuse4fs-benchmarks",
  dependencies: [
    .package(name: "fuse4fs", path: ".."),
    // Without its traits it needs no jemalloc.
    .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
  ],
  targets: [
    .executableTarget(
      name: "HotPaths",
      dependencies: [
        .product(name: "Benchmark", package: "benchmark"),
        .product(name: "Ext4", package: "fuse4fs"),
        .product(name: "FuseTransport", package: "fuse4fs"),
        .product(name: "IomapCache", package: "fuse4fs"),
        .product(name: "Journal", package: "fuse4fs"),
      ],
      path: "Benchmarks/HotPaths",
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)],
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
  ]
)
