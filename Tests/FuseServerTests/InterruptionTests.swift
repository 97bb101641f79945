import CFuse3
import CLinux
import Foundation
import Glibc
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import FuseServer
@testable import FuseTransport

/// FUSE_INTERRUPT: what is under way ends with EINTR once its caller is being killed, and for no other signal.
@Suite struct InterruptionTests {
  /// A process that sleeps.
  private final class Victim {
    let process: pid_t

    init() throws {
      var process = pid_t()
      let arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("60"), nil]
      defer { for argument in arguments { free(argument) } }
      let code = posix_spawnp(&process, "sleep", nil, nil, arguments, environ)
      guard code == 0 else { throw Errno(rawValue: code) }
      self.process = process
    }

    func kill() {
      Glibc.kill(process, SIGKILL)
      waitpid(process, nil, 0)
    }
  }

  private func seek(_ offset: UInt64) -> [UInt8] {
    var request = fuse_lseek_in()
    request.fh = .max
    request.offset = offset
    request.whence = UInt32(SEEK_HOLE)
    return bytes(of: request)
  }

  private func interruption(of unique: UInt64) -> [UInt8] {
    bytes(of: fuse_interrupt_in(unique: unique))
  }

  /// A session in which SEEK_HOLE goes on until its caller is gone, or for so many steps of a millisecond.
  private func withKernel(steps: Int, _ body: (SocketKernel) throws -> Void) throws {
    var options = Session.Options()
    options.workerCount = 4
    let kernel = try SocketKernel(options)
    try kernel.initialize()
    kernel.files.script.withLock { script in
      script.seek = { (offset, _) throws(Errno) in
        for _ in 0..<steps {
          if Session.isCallerGone { throw .interrupted }
          usleep(1000)
        }
        return offset
      }
    }
    kernel.session.dispatch.deferred.start()
    defer { kernel.session.dispatch.deferred.stop() }
    try body(kernel)
  }

  /// The next answer, notifications left out.
  private func answer(from kernel: SocketKernel) throws -> SocketKernel.Reply {
    while true {
      let reply = try kernel.receive()
      if reply.unique != 0 { return reply }
    }
  }

  @Test func aKilledCallerEndsWhatIsServed() throws {
    let victim = try Victim()
    try withKernel(steps: 20_000) { kernel in
      kernel.caller = victim.process
      try kernel.serve(FUSE_LSEEK.rawValue, node: 5, seek(1))
      let unique = kernel.unique
      usleep(50_000)
      victim.kill()
      try kernel.serve(FUSE_INTERRUPT.rawValue, interruption(of: unique))
      let reply = try answer(from: kernel)
      #expect(reply.unique == unique && reply.error == -EINTR)
    }
  }

  @Test func aCallerThatGoesOnIsServed() throws {
    try withKernel(steps: 300) { kernel in
      try kernel.serve(FUSE_LSEEK.rawValue, node: 5, seek(1))
      let unique = kernel.unique
      usleep(20_000)
      try kernel.serve(FUSE_INTERRUPT.rawValue, interruption(of: unique))
      let reply = try answer(from: kernel)
      #expect(reply.unique == unique && reply.error == 0)
    }
  }

  /// Another signal comes first: the kernel interrupts each request once.
  @Test func aCallerThatIsKilledLaterEndsIt() throws {
    let victim = try Victim()
    try withKernel(steps: 20_000) { kernel in
      kernel.caller = victim.process
      try kernel.serve(FUSE_LSEEK.rawValue, node: 5, seek(1))
      let unique = kernel.unique
      usleep(20_000)
      try kernel.serve(FUSE_INTERRUPT.rawValue, interruption(of: unique))
      usleep(100_000)
      #expect(try kernel.receive().unique == 0, "a notification")
      #expect(kernel.isSilent)
      victim.kill()
      let reply = try answer(from: kernel)
      #expect(reply.unique == unique && reply.error == -EINTR)
    }
  }

  @Test func aKilledCallerNeedNotWaitForItsTurn() throws {
    let victim = try Victim()
    try withKernel(steps: 500) { kernel in
      try kernel.serve(FUSE_LSEEK.rawValue, node: 5, seek(7))
      let first = kernel.unique
      kernel.caller = victim.process
      try kernel.serve(FUSE_LSEEK.rawValue, node: 6, seek(8))
      let second = kernel.unique
      victim.kill()
      try kernel.serve(FUSE_INTERRUPT.rawValue, interruption(of: second))
      let reply = try answer(from: kernel)
      #expect(reply.unique == second && reply.error == -EINTR)
      let other = try answer(from: kernel)
      #expect(other.unique == first && other.error == 0)
    }
  }

  /// The number of one request never ends another, be it answered, waiting or unknown.
  @Test func othersGoOn() throws {
    try withKernel(steps: 200) { kernel in
      try kernel.serve(FUSE_LSEEK.rawValue, node: 5, seek(7))
      let unique = kernel.unique
      for other in [unique - 2, unique + 100, 0] {
        try kernel.serve(FUSE_INTERRUPT.rawValue, interruption(of: other))
      }
      let reply = try answer(from: kernel)
      #expect(reply.unique == unique && reply.error == 0)
    }
  }

  @Test func theEndOfTheSessionEndsAll() throws {
    try withKernel(steps: 20_000) { kernel in
      try kernel.serve(FUSE_LSEEK.rawValue, node: 5, seek(1))
      usleep(20_000)
      kernel.session.stop()
      let reply = try answer(from: kernel)
      #expect(reply.unique == kernel.unique && reply.error == -EINTR)
    }
  }

  @Test func aWordHoldsNumberAndMark() {
    let interruptions = Interruptions()
    let served = interruptions.add()
    served.begin(8, caller: -1)
    #expect(!served.isCallerGone)
    #expect(!served.interrupt(6) && !served.isCallerGone)
    #expect(served.interrupt(8) && served.isCallerGone)
    // However often it is asked.
    #expect(served.isCallerGone)
    #expect(!served.interrupt(8))
    served.begin(10, caller: -1)
    #expect(!served.interrupt(8) && !served.isCallerGone)
    #expect(ServedRequest.goesOn(getpid()))
    #expect(!ServedRequest.goesOn(0))
  }
}
