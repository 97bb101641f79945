/// What one of the commands of a unit of systemd(1) does (`--systemd STEP`).
enum ServiceStep: String, CaseIterable, Sendable {
  /// Opens the image and /dev/fuse, mounts, and gives the descriptors to the service manager. For root, without confinement.
  case mount
  /// Gets the descriptors from the service manager, and serves them. Needs no privileges, no device, and no file but the libraries.
  case serve
  /// Unmounts, and waits for the process that serves. For root, without confinement.
  case unmount
}

/// The names that the descriptors have between the steps.
enum ServiceDescriptor: String, CaseIterable, Sendable {
  case device
  case fuse
  /// The journal, where it is on another device.
  case journal
  /// /dev/cpu_dma_latency.
  case latency
  /// The control socket, which listens.
  case socket
}
