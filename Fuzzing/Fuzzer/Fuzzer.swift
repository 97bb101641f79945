import FuzzTargets
import Glibc

/// libFuzzer's own loop (FuzzerInterface.h).
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ testOneInput: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// The name that libFuzzer knows.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  do {
    try Fuzzer.target?.run(UnsafeRawBufferPointer(start: bytes, count: count))
  } catch {
    FuzzFailure.fail("\(error)")
  }
  return 0
}

/// Feeds the target that the environment variable FUSE4FS_FUZZ_TARGET names. Arguments are libFuzzer's.
@main
enum Fuzzer {
  static let target = getenv("FUSE4FS_FUZZ_TARGET").flatMap {
    FuzzTarget(rawValue: String(cString: $0))
  }

  static func main() {
    guard target != nil else {
      let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
      print("FUSE4FS_FUZZ_TARGET must be one of \(names)")
      exit(2)
    }
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    exit(runFuzzer(&count, &arguments, testOneInput))
  }
}
