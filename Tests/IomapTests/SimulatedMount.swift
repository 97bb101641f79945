import Ext4
import Glibc
import IomapCache
import Journal
import KernelDouble
import Synchronization
import SystemPackage
import TestSupport

@testable import FuseServer
@testable import FuseTransport
@testable import fuse4fs

/// The whole daemon, from mount to unmount, in threads of this process, with a simulated kernel for a kernel.
final class SimulatedMount: @unchecked Sendable {
  let kernel: SimulatedKernel
  let image: Image
  let mount: Mount
  private var thread = pthread_t()
  private var isRunning = false
  /// How the daemon ended.
  private(set) var exitCode: ExitCode?
  private(set) var failure: StartupFailure?

  /// Mounts `image`: the daemon serves the kernel from now on. `startsKernel`: the kernel makes its first requests at once.
  init(
    _ image: Image, _ configuration: SimulatedKernel.Configuration, rules: RuleBook,
    options: [String] = [], startsKernel: Bool = true
  ) throws {
    self.image = image
    kernel = try SimulatedKernel(configuration, image: image.path, rules: rules)
    var mountOptions = MountOptions(
      device: image.path.string, mountpoint: "/dev/fd/\(dup(kernel.daemonDescriptor))")
    mountOptions.foreground = true
    for option in options { try MountOptionList.apply(option, to: &mountOptions) }
    let source = try ImageSource(options: mountOptions)
    let bridge = Bridge(kernel)
    var environment = Mount.Environment()
    environment.channel = bridge
    environment.observer = bridge
    environment.watchesSignals = false
    let size = source.byteCount
    environment.makeDevice = { source throws(IomapRefusal) in
      SimulatedDevice(kernel: bridge.kernel, descriptor: source.fileDescriptor, byteCount: size)
    }
    mount = try Mount(options: mountOptions, image: source, in: environment)
    kernel.beforeReadingDisk.withLock {
      $0 = { [volume = mount.volume] in
        // If this fails, the comparison with the disk finds it.
        _ = try? volume.checkpoint()
      }
    }
    start(mount)
    if startsKernel { try kernel.start() }
  }

  private func start(_ mount: Mount) {
    let context = Unmanaged.passRetained(Running(mount, self))
    pthread_create(
      &thread, nil,
      { context in
        let running = Unmanaged<Running>.fromOpaque(context!).takeRetainedValue()
        do throws(StartupFailure) {
          running.owner.exitCode = try running.mount.run(readiness: Readiness(parent: nil))
        } catch {
          running.owner.failure = error
        }
        return nil
      }, context.toOpaque())
    isRunning = true
  }

  private final class Running {
    let mount: Mount
    let owner: SimulatedMount

    init(_ mount: Mount, _ owner: SimulatedMount) {
      self.mount = mount
      self.owner = owner
    }
  }

  /// Unmounts, waits for the daemon's end, and checks what is on disk.
  func unmount(check: Bool = true) throws {
    try kernel.unmount()
    waitForEnd()
    guard exitCode == .success else {
      throw Failure("the daemon ended with \(exitCode as Any), \(failure?.message ?? "")")
    }
    if check { try image.check() }
  }

  /// Returns when the daemon has ended.
  func waitForEnd() {
    guard isRunning else { return }
    isRunning = false
    pthread_join(thread, nil)
  }
}

/// What would be ioctls and writes on `/dev/fuse`, and what the daemon does to its device.
final class Bridge: KernelChannel, BlockDeviceObserver, @unchecked Sendable {
  let kernel: SimulatedKernel
  private var descriptor: CInt = -1

  init(_ kernel: SimulatedKernel) { self.kernel = kernel }

  func connect(_ descriptor: CInt) { self.descriptor = descriptor }

  func iomapSupport() -> IomapWire.SupportFlags {
    IomapWire.SupportFlags(rawValue: kernel.iomapSupportFlags())
  }

  func register(device descriptor: CInt) throws(Errno) -> DeviceCookie {
    DeviceCookie(
      rawValue: try kernel.backingOpen(fd: descriptor, flags: 1, padding: 0).get())
  }

  func forbidReclaim() throws(Errno) {
    if let error = kernel.setNoFS(1) { throw error }
  }

  func clone() -> CInt? { dup(descriptor) }

  func send(notification: UnsafeRawBufferPointer) throws(Errno) {
    let handling = Exchange.current?.header.rawOpcode ?? 0
    if let error = kernel.notify(notification, handling: handling) { throw error }
  }

  func didRead(_ count: Int, at offset: UInt64) {
    kernel.serverDidRead(offset: offset, count: count)
  }

  func willWrite(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {
    kernel.serverWillWrite(offset: offset, bytes: bytes)
  }

  func willFlush() { kernel.serverWillFlush() }
  func didFlush() { kernel.serverDidFlush() }
}

/// The image as the block device that the simulated kernel takes it for.
final class SimulatedDevice: IomapDevice, @unchecked Sendable {
  private let kernel: SimulatedKernel
  let descriptor: CInt
  let byteCount: Int64
  var registeredDescriptor: CInt { descriptor }
  var hasAtomicWrites: Bool { kernel.configuration.supportsAtomicWrites }

  init(kernel: SimulatedKernel, descriptor: CInt, byteCount: Int64) {
    self.kernel = kernel
    self.descriptor = descriptor
    self.byteCount = byteCount
  }

  func prepare(blockSize: Int) throws(Errno) {
    if let error = kernel.setDeviceBlockSize(UInt32(blockSize)) { throw error }
  }

  func close() { kernel.serverClosedDevice() }
}
