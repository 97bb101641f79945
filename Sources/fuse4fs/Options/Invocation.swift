import ArgumentParser

/// What a command line asks for.
enum Invocation {
  case mount(MountOptions)
  /// Without a mount point.
  case replay(MountOptions)
  /// Of what is mounted already.
  case remount(MountOptions)
  /// Of a mount that is there.
  case statistics(StatisticsCommand.Options)
  /// What comes before and after the daemon of a unit.
  case service(ServiceStep, MountOptions)
  /// Help or version: for standard output.
  case print(String)

  /// - Throws: a usage failure that names the argument that is wrong.
  init(arguments: [String]) throws(StartupFailure) {
    if arguments.first == StatisticsWords.configuration.commandName {
      self = try Self.statistics(Array(arguments.dropFirst()))
      return
    }
    let command: Command
    do {
      command = try Command.parse(MountFuse.withoutItsDefaults(arguments))
    } catch {
      // Not failures are the parser's own services, such as completion scripts for shells.
      guard Command.exitCode(for: error) == .success else {
        let message = Command.message(for: error)
        throw .usage(message.prefix(1).lowercased() + message.dropFirst())
      }
      self = .print(Command.fullMessage(for: error))
      return
    }
    if command.help {
      self = .print(Command.helpMessage(columns: 80) + "\n" + HelpText.appendix)
    } else if command.version {
      self = .print(Version.report)
    } else {
      if command.replay {
        self = .replay(try command.replayOptions())
      } else {
        let options = try command.mountOptions()
        self =
          switch options.serviceStep {
          case .mount, .unmount: .service(options.serviceStep ?? .mount, options)
          case .serve: .mount(options)
          case nil: options.remount ? .remount(options) : .mount(options)
          }
      }
    }
  }
}

extension Invocation {
  /// What follows the word `stats`, which is a device of that name only as `./stats`.
  fileprivate static func statistics(_ arguments: [String]) throws(StartupFailure) -> Invocation {
    let words: StatisticsWords
    do {
      words = try StatisticsWords.parse(arguments)
    } catch {
      guard StatisticsWords.exitCode(for: error) == .success else {
        let message = StatisticsWords.message(for: error)
        throw .usage(message.prefix(1).lowercased() + message.dropFirst())
      }
      return .print(StatisticsWords.fullMessage(for: error))
    }
    guard !words.json || !words.prometheus else {
      throw .usage("--json and --prometheus exclude each other")
    }
    return .statistics(
      StatisticsCommand.Options(
        mountpoint: words.mountpoint,
        form: words.json ? .json : words.prometheus ? .prometheus : .table))
  }
}

/// The words of `fuse4fs stats`.
private struct StatisticsWords: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats",
    abstract: "Show what a mount has done since it began.",
    usage: "fuse4fs stats [--json | --prometheus] MOUNTPOINT")

  @Flag(help: "As JSON, whose fields docs/statistics.md describes.")
  var json = false

  @Flag(help: "As metrics for Prometheus.")
  var prometheus = false

  @Argument(help: "Where the file system is mounted.")
  var mountpoint: String
}

/// The words of the command line. What `-o` says is left to `MountOptionList`.
private struct Command: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fuse4fs",
    abstract: "Mount an ext2, ext3 or ext4 file system as an ordinary user.",
    usage: """
      fuse4fs [options] DEVICE MOUNTPOINT
      fuse4fs --replay [options] DEVICE
      fuse4fs stats [--json | --prometheus] MOUNTPOINT
      """,
    helpNames: [])

  @Option(
    name: .customShort("o", allowingJoined: true),
    help: ArgumentHelp(
      "Mount options, separated by commas; may be repeated.", valueName: "option,..."))
  var optionLists: [String] = []

  @Flag(name: .customShort("f"), help: "Stay in the foreground.")
  var foreground = false

  @Flag(
    name: .customShort("d"), help: "Print each request and reply on standard error; implies -f.")
  var debug = false

  @Flag(name: .customShort("s"), help: "Serve with a single thread.")
  var singleThread = false

  @Flag(
    name: .customLong("replay"),
    help: "Replay DEVICE's journal as a mount would, say what was done, and exit.")
  var replay = false

  @Option(
    name: .customLong("systemd"),
    help: ArgumentHelp(
      "Do one step of a systemd unit: mount, serve or unmount.", valueName: "step"))
  var serviceStep: String?

  @Flag(name: [.customShort("V"), .customLong("version")], help: "Show versions.")
  var version = false

  @Flag(name: .shortAndLong, help: "Show this help.")
  var help = false

  // mount(8) passes these two to its helpers; neither means anything here.
  @Flag(name: .customShort("n"), help: .hidden)
  var noMountTable = false

  @Flag(name: .customShort("v"), help: .hidden)
  var verbose = false

  // Optional for the parser only, so that -V and -h can do without them.
  @Argument(help: "The image file or block device.")
  var device: String?

  @Argument(help: "The directory to mount it on.")
  var mountpoint: String?

  func mountOptions() throws(StartupFailure) -> MountOptions {
    guard let device, !device.isEmpty else {
      throw .usage("no DEVICE and no MOUNTPOINT given")
    }
    guard let mountpoint, !mountpoint.isEmpty else {
      throw .usage("no MOUNTPOINT given for '\(device)'")
    }
    return try mountOptions(device, mountpoint)
  }

  /// Of a command that replays and does not mount.
  func replayOptions() throws(StartupFailure) -> MountOptions {
    guard let device, !device.isEmpty else { throw .usage("no DEVICE given") }
    guard mountpoint == nil else {
      throw .usage("--replay mounts nothing: give a DEVICE and no MOUNTPOINT")
    }
    let options = try mountOptions(device, "")
    guard !options.readOnly else {
      throw .usage("--replay writes: it cannot be had with mount option 'ro'")
    }
    return options
  }

  private func mountOptions(
    _ device: String, _ mountpoint: String
  ) throws(StartupFailure) -> MountOptions {
    var options = MountOptions(device: device, mountpoint: mountpoint)
    options.debug = debug
    options.foreground = foreground || debug || serviceStep != nil
    if let serviceStep {
      guard let step = ServiceStep(rawValue: serviceStep) else {
        throw .usage("'\(serviceStep)' is no step for --systemd: mount, serve or unmount")
      }
      options.serviceStep = step
    }
    options.singleThread = singleThread
    if optionLists.contains(where: { MountOptionList.split($0).contains("remount") }) {
      Remount.takeOver(from: mountpoint, into: &options)
    }
    for list in optionLists {
      try MountOptionList.apply(list, to: &options)
    }
    if options.offset != nil && options.partition != nil {
      throw .usage("mount options 'offset' and 'partition' exclude each other")
    }
    return options
  }
}
