import SystemPackage
import TestSupport

extension SimulatedKernel {
  /// What kernel it is, and what goes wrong in it.
  public struct Configuration: Sendable {
    public var revision = Revision.v7
    /// Whether INIT offers bit 43.
    public var offersIomap = true
    /// Whether INIT has INIT_EXT; without it `flags2` means nothing (I-3).
    public var offersExtendedInit = true
    /// CONFIG's flags have a bit above 6: a kernel of some later revision (I-7).
    public var unknownConfigBit = false
    /// Bits that no revision knows, added to every BEGIN (I-41).
    public var unknownOperationFlags: UInt32 = 0

    /// In bytes; nil: the image's size.
    public var deviceSize: UInt64?
    /// The device's soft block size before the server sets one.
    public var deviceBlockSize: UInt32 = 4096
    /// Its smallest unit: direct I/O is aligned to it.
    public var logicalBlockSize: UInt32 = 512
    /// False: the image is a plain file, which BACKING_OPEN refuses with ENODEV.
    public var isBlockDevice = true
    /// Whether the device can do untorn writes of one file system block.
    public var supportsAtomicWrites = false
    /// The server's own device I/O leaves nothing in the device's page cache (I-66).
    public var serverUsesDirectIO = false
    /// Keep what an unflushed write overwrote, for `crashImage`.
    public var recordsUnflushedWrites = false

    /// Per fork; v7 only. CONFIG may change it.
    public var cacheMaximumBytes: UInt32 = 262_144
    public var pageSize: UInt64 = 4096
    /// Pages read at once when the reader goes on after the first.
    public var readaheadPages: UInt64 = 32
    /// Threads that write dirty pages back while everything else goes on; 0: only when asked.
    public var writebackThreads = 2
    /// Pause between two rounds of such a thread, in microseconds.
    public var writebackInterval: UInt32 = 3000
    public var completionThreads = 2
    /// Requests in the background at a time, as INIT replies may say.
    public var maximumBackground = 12
    /// After which an unanswered request fails the run, in milliseconds.
    public var deadline = 10_000 * Sanitizer.patience

    public var seed: UInt64 = 1
    /// Of each look-up: the inode's cached mappings are gone before it.
    public var evictionProbability = 0.0
    /// Of each UPSERT: ENOMEM.
    public var upsertFailureProbability = 0.0
    /// Every UPSERT fails so (I-36, I-37, I-46).
    public var upsertError: Errno?
    /// Every INVAL_MAPPINGS fails so (I-46).
    public var invalidationError: Errno?
    /// Of each IOEND: it comes late, by up to `completionDelay` milliseconds.
    public var completionDelayProbability = 0.0
    public var completionDelay = 3
    /// Of each step of a buffered write: copying stops short.
    public var shortCopyProbability = 0.0
    /// Of each device write: EIO.
    public var deviceErrorProbability = 0.0
    /// BACKING_OPEN fails so (I-8).
    public var backingOpenError: Errno?

    public init() {}
  }
}
