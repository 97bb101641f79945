import CFuse3
import Glibc
import SystemPackage

/// The system calls that are left to this process (seccomp(2)). All others fail with ENOSYS, as on a kernel that does not have them: the C
/// library knows what to do then, and a process that holds data goes on.
///
/// For calls that are allowed whatever their arguments, the kernel knows the answer without running the program (since Linux 5.11).
enum SystemCallFilter {
  /// - Parameters:
  ///   - listener: the socket at which connections may be accepted; nil for none.
  ///   - allowsRings: rings of io_uring(7) that are there can be used.
  static func install(_ listener: CInt?, allowsRings: Bool) -> Errno? {
    guard let program = program(listener, allowsRings) else { return .noFunction }
    return program.withUnsafeBufferPointer { instructions in
      var description = sock_fprog(
        len: UInt16(instructions.count),
        filter: UnsafeMutablePointer(mutating: instructions.baseAddress))
      return withUnsafePointer(to: &description) {
        // SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC: for all threads, and SECCOMP_FILTER_FLAG_SPEC_ALLOW: no foreign code runs in here that
        // older kernels would slow the process down for.
        let code = cfuse_system_call(Int(SYS_seccomp), 1, 1 | 4, Int(bitPattern: $0), 0, 0)
        return code == 0 ? nil : code > 0 ? .noSuchProcess : Errno(rawValue: errno)
      }
    }
  }

  /// AUDIT_ARCH_* (include/uapi/linux/audit.h).
  private static var architecture: UInt32? {
    #if arch(x86_64)
      0xC000_003E
    #elseif arch(arm64)
      0xC000_00B7
    #else
      nil
    #endif
  }

  /// Offsets in struct seccomp_data.
  private static let numberOffset: UInt32 = 0
  private static let architectureOffset: UInt32 = 4

  /// Where the lower half of an argument is; both architectures are little-endian.
  private static func argumentOffset(_ index: Int) -> UInt32 { UInt32(16 + 8 * index) }

  /// Calls have other numbers on other architectures, which a process of this one can use: these get ENOSYS at once.
  private static func program(_ listener: CInt?, _ allowsRings: Bool) -> [sock_filter]? {
    guard let architecture else { return nil }
    var program = [
      load(architectureOffset), jumpIfEqual(architecture, then: 1), refusal, load(numberOffset),
    ]
    for number in AllowedSystemCalls.always {
      program += [jumpIfEqual(UInt32(number), else: 1), allowance]
    }
    let rings = allowsRings ? AllowedSystemCalls.ofRings : []
    for (number, conditions) in rings + AllowedSystemCalls.conditional(listener) {
      program += check(UInt32(number), conditions)
    }
    return program + [refusal]
  }

  /// All conditions must be met.
  private static func check(
    _ number: UInt32, _ conditions: [AllowedSystemCalls.Condition]
  ) -> [sock_filter] {
    var body: [sock_filter] = []
    for condition in conditions {
      let offset = argumentOffset(condition.argument)
      body.append(load(offset))
      switch condition.rule {
      case .isNull:
        // Both halves.
        body += [jumpIfEqual(0, then: 1), refusal]
        body += [load(offset + 4), jumpIfEqual(0, then: 1), refusal]
      case .isOneOf(let values):
        for (index, value) in values.enumerated() {
          // Over the other values and the refusal.
          body.append(jumpIfEqual(value, then: UInt8(values.count - index)))
        }
        body.append(refusal)
      case .has(let bits):
        for bit in bits { body += [jumpIfAnySet(bit, then: 1), refusal] }
      case .hasNone(let bits):
        body += [jumpIfAnySet(bits, else: 1), refusal]
      }
    }
    body.append(allowance)
    return [jumpIfEqual(number, then: 1), jump(UInt32(body.count))] + body
  }

  // BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K and so on (include/uapi/linux/bpf_common.h).

  private static func load(_ offset: UInt32) -> sock_filter {
    sock_filter(code: 0x20, jt: 0, jf: 0, k: offset)
  }

  private static func jumpIfEqual(
    _ value: UInt32, then: UInt8 = 0, else otherwise: UInt8 = 0
  ) -> sock_filter {
    sock_filter(code: 0x15, jt: then, jf: otherwise, k: value)
  }

  private static func jumpIfAnySet(
    _ bits: UInt32, then: UInt8 = 0, else otherwise: UInt8 = 0
  ) -> sock_filter {
    sock_filter(code: 0x45, jt: then, jf: otherwise, k: bits)
  }

  private static func jump(_ count: UInt32) -> sock_filter {
    sock_filter(code: 0x05, jt: 0, jf: 0, k: count)
  }

  /// SECCOMP_RET_ALLOW.
  private static var allowance: sock_filter {
    sock_filter(code: 0x06, jt: 0, jf: 0, k: 0x7FFF_0000)
  }

  /// SECCOMP_RET_ERRNO.
  private static var refusal: sock_filter {
    sock_filter(code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | UInt32(ENOSYS))
  }
}
