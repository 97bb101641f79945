// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
]

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "fuse4fs",
  products: [
    .executable(name: "fuse4fs", targets: ["fuse4fs"]),
    .library(name: "IomapCache", targets: ["IomapCache"]),
    // For Benchmarks, which is a package of its own.
    .library(name: "Ext4", targets: ["Ext4"]),
    .library(name: "FuseTransport", targets: ["FuseTransport"]),
    .library(name: "Journal", targets: ["Journal"]),
    // For Fuzzing, another.
    .library(name: "FuzzTargets", targets: ["FuzzTargets"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CFuse3", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
    .systemLibrary(
      name: "CExt2FS", pkgConfig: "ext2fs", providers: [.apt(["libext2fs-dev"])]),
    .systemLibrary(
      name: "CUring", pkgConfig: "liburing", providers: [.apt(["liburing-dev"])]),
    .target(name: "IomapCache", dependencies: [system], swiftSettings: strict),
    .target(name: "FuseProtocol", dependencies: ["IomapCache"], swiftSettings: strict),
    .target(name: "Journal", dependencies: ["CExt2FS", system], swiftSettings: strict),
    .target(
      name: "Ext4", dependencies: ["CExt2FS", "IomapCache", "Journal", logging, system],
      swiftSettings: strict),
    .target(
      name: "FuseTransport", dependencies: ["CFuse3", "CUring", "FuseProtocol", system],
      swiftSettings: strict
    ),
    .target(
      name: "FuseServer",
      dependencies: ["CFuse3", "FuseProtocol", "FuseTransport", "IomapCache", logging, system],
      swiftSettings: strict),
    .target(name: "Confinement", dependencies: ["CFuse3", system], swiftSettings: strict),
    .target(name: "PartitionTables", swiftSettings: strict),
    .executableTarget(
      name: "fuse4fs",
      dependencies: [
        "CExt2FS", "CFuse3", "Confinement", "Ext4", "FuseServer", "FuseTransport", "IomapCache",
        "Journal",
        "PartitionTables",
        argumentParser, logging, system,
      ],
      swiftSettings: strict),

    .systemLibrary(name: "CLinux", path: "Tests/CLinux"),
    .target(
      name: "TestSupport", dependencies: ["CLinux", system], path: "Tests/Support",
      exclude: ["Corruption", "CrashExploration", "FuzzTargets", "SimulatedKernel"],
      swiftSettings: strict),
    .target(
      name: "CrashExploration",
      dependencies: ["CLinux", "Ext4", "Journal", "TestSupport", system],
      path: "Tests/Support/CrashExploration", swiftSettings: strict),
    .target(
      name: "Corruption",
      dependencies: ["CExt2FS", "CLinux", "Ext4", "IomapCache", "Journal", "TestSupport", system],
      path: "Tests/Support/Corruption", exclude: ["Images"], swiftSettings: strict),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "CLinux", "Corruption", "Ext4", "FuseProtocol", "FuseServer", "IomapCache", "Journal",
        "PartitionTables", "TestSupport", system,
      ], path: "Tests/Support/FuzzTargets", swiftSettings: strict),
    .testTarget(
      name: "CorruptionTests",
      dependencies: ["CLinux", "Corruption", "FuzzTargets", "TestSupport", "tour", system],
      swiftSettings: strict),
    .testTarget(
      name: "CrashTests",
      dependencies: ["CrashExploration", "Ext4", "Journal", "TestSupport", system],
      swiftSettings: strict),
    .target(
      name: "KernelDouble", dependencies: ["CExt2FS", "CLinux", "TestSupport", system],
      path: "Tests/Support/SimulatedKernel", swiftSettings: strict),
    .testTarget(
      name: "SimulatedKernelTests",
      dependencies: ["CLinux", "KernelDouble", "TestSupport", system],
      swiftSettings: strict),
    .testTarget(
      name: "IomapTests",
      dependencies: [
        "CLinux", "Ext4", "FuseServer", "FuseTransport", "IomapCache", "Journal", "KernelDouble",
        "TestSupport",
        "fuse4fs", system,
      ], swiftSettings: strict),
    .testTarget(
      name: "FuseProtocolTests",
      dependencies: ["CLinux", "FuseProtocol", "IomapCache"],
      swiftSettings: strict),
    .testTarget(
      name: "IomapCacheTests", dependencies: ["IomapCache", "TestSupport", system],
      swiftSettings: strict),
    .testTarget(
      name: "JournalTests", dependencies: ["CExt2FS", "CLinux", "Journal", "TestSupport", system],
      swiftSettings: strict),
    .testTarget(
      name: "FuseTransportTests",
      dependencies: ["FuseProtocol", "FuseTransport", "Journal", "TestSupport", system],
      swiftSettings: strict),
    .testTarget(
      name: "FuseServerTests",
      dependencies: [
        "CFuse3", "CLinux", "FuseProtocol", "FuseServer", "FuseTransport", "TestSupport", system,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "Ext4Tests", dependencies: ["Ext4", "Journal", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "MountTests",
      dependencies: ["CLinux", "TestSupport", "confined", "fsdiff", "fsx", "fuse4fs", system],
      swiftSettings: strict),
    .executableTarget(
      name: "confined", dependencies: ["CFuse3", "Confinement", system],
      path: "Tests/Tools/confined", swiftSettings: strict),
    .executableTarget(
      name: "fsx", dependencies: ["CLinux", "TestSupport", argumentParser, system],
      path: "Tests/Tools/fsx", swiftSettings: strict),
    .executableTarget(
      name: "fsdiff", dependencies: ["CLinux", "TestSupport", argumentParser, system],
      path: "Tests/Tools/fsdiff", swiftSettings: strict),
    .executableTarget(
      name: "tour", dependencies: ["Corruption", "Ext4", "TestSupport", argumentParser],
      path: "Tests/Tools/tour", swiftSettings: strict),
    .executableTarget(
      name: "bench-driver", dependencies: [argumentParser, system],
      path: "Tests/Tools/bench-driver", swiftSettings: strict),
  ]
)
