import ArgumentParser
import Glibc

/// Asks for the file system's statistics: a request that the server answers from memory, so that this is what a request costs by itself.
struct Statfs: ParsableCommand {
  @Argument(help: "Any file of the file system.") var path: String
  @Option(help: "Threads that ask at the same time.") var clients = 1
  @Option(help: "For how long.") var seconds = 2.0

  func run() throws {
    let path = path
    try Measurement.run(clients: clients, seconds: seconds) { _, watch in
      var result = statvfs()
      var done = 0
      while !watch.isOver(after: done) {
        try WorkFailure.check(statvfs(path, &result) == 0, "statfs \(path)")
        done += 1
      }
      return done
    }
  }
}
