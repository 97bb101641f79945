import Confinement
import Glibc

/// `fuse4fs [options] DEVICE MOUNTPOINT`
@main
struct Fuse4fs {
  static func main() {
    FileSizeLimit.becomeError()
    do throws(StartupFailure) {
      switch try Invocation(arguments: Array(CommandLine.arguments.dropFirst())) {
      case .print(let text):
        print(text)
      case .replay(let options):
        try Replay.run(options)
      case .remount(let options):
        try Remount.run(options)
      case .service(.mount, let options):
        try ServiceMount.make(options)
      case .service(_, let options):
        try ServiceMount.end(options)
      case .statistics(let options):
        try StatisticsCommand.run(options)
      case .mount(let options):
        try mount(options)
      }
    } catch {
      Console.report(error)
      exit(error.code.rawValue)
    }
  }

  /// The order matters: no thread before the fork and the signal mask, no path is looked up after
  /// `ready`, and the image stays locked until the process ends.
  private static func mount(_ options: MountOptions) throws(StartupFailure) {
    let inherited = Confinement.openDescriptors()
    var readiness = try Daemonizer.start(foreground: options.foreground)
    var options = options
    if options.serviceStep == .serve {
      let manager = try ServiceManager()
      options = try ServiceMount.receive(options, manager)
      readiness.manager = manager
    }
    var environment = Mount.Environment()
    let callers = try CallerMount(options.mountpoint)
    if callers == nil {
      environment.unmountHelper = try UnmountHelper.start(for: options.mountpoint)
    }
    let used = [callers?.descriptor, options.latencyDescriptor, options.controlDescriptor]
    environment.sandbox = Sandbox(
      wish: options.sandbox ?? .auto, inherited: inherited.filter { !used.contains($0) })
    SignalWatcher.block()
    DaemonLog.bootstrap(foreground: options.foreground, debug: options.debug)

    if let callers {
      options.mountpoint = callers.path
      environment.isCallersMount = true
    } else {
      try FusePrerequisites.check(for: options)
      let mountPoint = try MountPoint(options.mountpoint)
      options.mountpoint = mountPoint.path
      environment.mountPoint = mountPoint
    }
    let image = try ImageSource(options: options)
    let code = withExtendedLifetime(image) {
      serve(options: options, image: image, in: environment, readiness: readiness)
    }
    readiness.exit(code)
  }
}
