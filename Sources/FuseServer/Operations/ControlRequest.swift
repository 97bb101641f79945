/// An ioctl that the kernel passes on: those of regular files and directories whose numbers tell how many bytes go in and out
/// (fs/fuse/ioctl.c), apart from those that it answers by itself.
public struct ControlRequest {
  public let command: UInt32
  /// The caller's third argument: where in its memory the bytes are, or a plain number.
  public let argument: UInt64
  /// What the caller passes in, as the command's number says.
  public let input: UnsafeRawBufferPointer
  /// The most bytes that it takes back.
  public let outputCapacity: Int
  public let caller: Caller

  public init(
    command: UInt32, argument: UInt64, input: UnsafeRawBufferPointer, outputCapacity: Int,
    caller: Caller
  ) {
    self.command = command
    self.argument = argument
    self.input = input
    self.outputCapacity = outputCapacity
    self.caller = caller
  }
}
