// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that a build of fuse4fs leaves it out. scripts/fuzz builds it, with the sanitizers' flags.
let package = Package(
  name: "fuse4fs-fuzzing",
  dependencies: [.package(name: "fuse4fs", path: "..")],
  targets: [
    .executableTarget(
      name: "Fuzzer",
      dependencies: [.product(name: "FuzzTargets", package: "fuse4fs")],
      path: "Fuzzer",
      swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)],
      // The fuzzer's library has a main of its own, which gold takes for an error.
      linkerSettings: [.unsafeFlags(["-use-ld=lld"])])
  ]
)
