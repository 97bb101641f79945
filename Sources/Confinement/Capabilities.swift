import CFuse3
import Glibc
import SystemPackage

/// What root may do beyond others (capabilities(7)).
public enum Capabilities {
  /// The numbers of include/uapi/linux/capability.h.
  public enum Capability: UInt64, Sendable {
    /// CAP_DAC_READ_SEARCH: may read what belongs to others.
    case readOthersFiles = 2
    /// CAP_SETPCAP: may shrink the bounding set.
    case shrinkBoundingSet = 8
    /// CAP_SYS_ADMIN: may unmount, among much else.
    case administer = 21

    var mask: UInt64 { 1 << rawValue }
  }

  /// Gives up all others of the calling thread, also what it could gain by executing a program.
  public static func keepOnly(_ kept: Set<Capability>) -> Errno? {
    let mask = kept.reduce(0) { $0 | $1.mask }
    // Where there are none of these, that is as good.
    _ = cfuse_process_control(PR_CAP_AMBIENT, UInt(PR_CAP_AMBIENT_CLEAR_ALL), 0)
    if isEffective(.shrinkBoundingSet) {
      // EINVAL behind the last that this kernel knows.
      for number in UInt(0)..<64 where mask >> number & 1 == 0 {
        guard cfuse_process_control(PR_CAPBSET_DROP, number, 0) == 0 else { break }
      }
    }
    return set(effective: mask, permitted: mask)
  }

  private static var header: __user_cap_header_struct {
    // _LINUX_CAPABILITY_VERSION_3.
    __user_cap_header_struct(version: 0x2008_0522, pid: 0)
  }

  private static func isEffective(_ capability: Capability) -> Bool {
    read().map { $0.effective & capability.mask != 0 } ?? false
  }

  private static func read() -> (effective: UInt64, permitted: UInt64, inheritable: UInt64)? {
    var header = header
    var data = [__user_cap_data_struct](repeating: .init(), count: 2)
    let code = withUnsafeMutablePointer(to: &header) { header in
      data.withUnsafeMutableBufferPointer { data in
        cfuse_system_call(
          Int(SYS_capget), Int(bitPattern: header), Int(bitPattern: data.baseAddress), 0, 0, 0)
      }
    }
    guard code == 0 else { return nil }
    return (
      UInt64(data[1].effective) << 32 | UInt64(data[0].effective),
      UInt64(data[1].permitted) << 32 | UInt64(data[0].permitted),
      UInt64(data[1].inheritable) << 32 | UInt64(data[0].inheritable)
    )
  }

  /// Within what is permitted now.
  private static func set(effective: UInt64, permitted: UInt64) -> Errno? {
    guard let present = read() else { return Errno(rawValue: errno) }
    let (effective, permitted) = (effective & present.permitted, permitted & present.permitted)
    // A service manager that has taken all may also have taken the call.
    if present == (effective, permitted, 0) { return nil }
    var header = header
    var data = [0, 32].map { shift in
      __user_cap_data_struct(
        effective: UInt32(truncatingIfNeeded: effective >> shift),
        permitted: UInt32(truncatingIfNeeded: permitted >> shift), inheritable: 0)
    }
    let code = withUnsafeMutablePointer(to: &header) { header in
      data.withUnsafeMutableBufferPointer { data in
        cfuse_system_call(
          Int(SYS_capset), Int(bitPattern: header), Int(bitPattern: data.baseAddress), 0, 0, 0)
      }
    }
    return code == 0 ? nil : Errno(rawValue: errno)
  }
}
