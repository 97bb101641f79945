import CrashExploration
import Ext4
import TestSupport

// Work on a file system of which nothing is in memory, and little stays there: each step reads much before, and while, it changes
// something.
extension Workloads {
  private static func makeCold(_ workload: inout Workload) {
    workload.options = ["-J", "size=1", "-g", "1024", "-N", "1024"]
    workload.cacheSizes = CacheSizes(total: 0)
    workload.setUp = { volume, _ in
      for directory in ["a", "b", "c"] {
        try volume.makeDirectory(directory)
        for index in 0..<24 {
          let path = "\(directory)/\(index)-" + String(repeating: "y", count: 100)
          switch index % 6 {
          case 0: try volume.makeDirectory(path)
          case 1: try volume.makeSymbolicLink(path, to: String(repeating: "t", count: 300))
          default:
            try volume.create(path)
            try volume.write(path, at: 0, count: 700 * index)
          }
        }
      }
      // Trees of extents, and of indirect blocks, with nodes of their own.
      for name in ["f", "g", "h"] {
        try volume.create(name)
        for block in 0..<24 { try volume.write(name, at: block * 3072, count: 900) }
      }
      try volume.setAttribute("f", "user.a", to: [UInt8](repeating: 1, count: 600))
      try volume.setAttribute("g", "user.a", to: [UInt8](repeating: 1, count: 600))
    }
  }

  private static func name(_ index: Int) -> String {
    "\(index)-" + String(repeating: "y", count: 100)
  }

  static let coldMetadata = Workload("cold metadata") { volume, _ in
    try volume.create("a/new")
    try volume.write("a/new", at: 0, count: 3000)
    try volume.makeDirectory("b/new")
    try volume.makePipe("c/pipe")
    try volume.synchronize()
    try volume.makeSymbolicLink("a/link", to: String(repeating: "u", count: 400))
    try volume.link("b/\(name(3))", as: "c/linked")
    try volume.makeTemporary()
    try volume.rename("a/\(name(4))", to: "b/renamed")
    try volume.synchronize()
    try volume.rename("a/\(name(0))", to: "c/moved")
    try volume.rename("b/\(name(5))", to: "c/\(name(5))")
    try volume.rename("a/\(name(6))", to: "b/\(name(8))", exchange: true)
    try volume.unlink("c/\(name(2))")
    try volume.commitInBackground()
    try volume.removeDirectory("b/\(name(12))")
    try volume.unlink("b/\(name(7))")
    try volume.truncate("f", to: 20_000)
    try volume.append("g", count: 5000)
    try volume.synchronize()
    try volume.write("h", at: 1000, count: 20_000)
    try volume.setMode("a/\(name(9))", 0o600)
    let id = try volume.openFile("h")
    try volume.unlink("h")
    try volume.commitInBackground()
    volume.closeFile(id)
    for index in 0..<14 {
      try volume.create("c/more\(index)-" + String(repeating: "z", count: 150))
    }
    try volume.synchronize()
  }.with(makeCold)

  static let coldAttributes = Workload("cold attributes") { volume, _ in
    let large = SeededGenerator.bytes(9000, seed: 1)
    try volume.setAttribute("f", "user.large", to: large)
    try volume.synchronize()
    try volume.setAttribute("g", "user.large", to: large)
    try volume.setAttribute("f", "user.a", to: [UInt8](repeating: 2, count: 500))
    try volume.commitInBackground()
    try volume.removeAttribute("f", "user.large")
    try volume.setAttribute("g", "user.b", to: [UInt8](repeating: 3, count: 100))
    try volume.synchronize()
    try volume.setAttribute("h", "user.large", to: SeededGenerator.bytes(5000, seed: 2))
    try volume.removeAttribute("g", "user.a")
    try volume.unlink("g")
    try volume.unlink("h")
    try volume.synchronize()
  }.with(makeCold).with { $0.features = ["ea_inode"] }

  static let coldRanges = Workload("cold ranges") { volume, _ in
    try volume.allocate("f", at: 10_000, count: 40_000)
    try volume.synchronize()
    try volume.punchHole("g", at: 5000, count: 30_000)
    try volume.write("f", at: 11_000, count: 3000)
    try volume.commitInBackground()
    try volume.zeroRange("h", at: 4000, count: 20_000)
    try volume.collapse("z", at: 10_240, count: 10_240)
    try volume.synchronize()
    try volume.insertHole("z", at: 10_240, count: 10_240)
    try volume.truncate("f", to: 3000)
    try volume.truncate("g", to: 0)
    try volume.commitInBackground()
    try volume.append("f", count: 9000)
    try volume.synchronize()
  }.with(makeCold).with { workload in
    let setUp = workload.setUp
    workload.setUp = { volume, random in
      try setUp(volume, &random)
      // All zeros, in many pieces.
      try volume.create("z")
      for block in 0..<24 { try volume.allocate("z", at: block * 3072, count: 1024) }
    }
  }
}
