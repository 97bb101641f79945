/// What can be wrong with the reference server, one at a time.
enum Fault: String, CaseIterable, Sendable {
  case none
  case lowMinor, keepsAtomicTruncate, flagsWithoutOffer, wrongPadding, longConfigReply, noMaxBytes
  case wrongRevision, flagsWithoutDevice, configError, flagsOnFile, changesDecision
  case iomapWithoutExclusive, twoNodes, wrongNotificationInode, inflatedSize, noKeepCache
  case wrongTruncatedSize, bumpsChangeTime, checksOwner, appliesUmaskAgain, aclChangesMode
  case longBeginReply, uncoveredSlot, mappedWriteSlot, foreignBlock, newFlag, readAllocates
  case allocatesWritten, unzeroedBlocks, noDirtyFlag, noSpaceAtWriteback, noTooLarge
  case unimplementedBegin, atomicInCache, dirtySwapfile, retriesWithoutUpsert, unclippedReply
  case beginWaitsForFsync, mapsUnknownNodes, longInlineRead, choosyAboutFlags, shortUpsert
  case upsertsWriteSlot, upsertsDirectories, upsertsBeforeShown, failsWithUpsert, lateUpsert
  case staleAfterTrim, movesBlocks, unalignedInval, reliesOnCache, upsertsReports
  case invalidatesInode, wrongCompletionLength, convertsTooMuch, convertsFailedWrites
  case wrongNewSize, shrinksOnRepeat, completionWaitsForFsync, forgetsFailures, endRaisesSize
  case swapoffConverts, allocatesWrittenAhead, zeroesEdges, freesLastBlock, noDeviceInval
  case reusesAtOnce, emptyDeviceInval, writesFileBlocks, largeDeviceBlocks, copiesRanges
  case fsyncWithoutFlush, exposesAfterCrash, noSyncfs, writesWhileFrozen, writesAfterShutdown
  case destroysEarly, oneLockForAll, rememberEverything, repliesTwice
}
