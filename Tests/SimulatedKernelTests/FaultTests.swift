import KernelDouble
import TestSupport
import Testing

/// A server with one thing wrong: the rule about it says so, and no other.
@Suite(.serialized)
struct FaultTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let fault: Fault
    /// The scenario that must find it.
    let scenario: String
    let rule: Rule
    /// Rules that the same mistake also breaks.
    var others: Set<Rule> = []

    init(_ fault: Fault, _ scenario: String, _ rule: Rule, _ others: Set<Rule> = []) {
      self.fault = fault
      self.scenario = scenario
      self.rule = rule
      self.others = others
    }

    var testDescription: String { "\(fault): \(rule)" }
  }

  private static let plain = "mount and unmount"
  private static let begins = "every kind of BEGIN"
  private static let layouts = "FALLOCATE and truncate"

  static let cases: [Case] = [
    Case(.lowMinor, plain, .i1),
    Case(.keepsAtomicTruncate, plain, .i2),
    Case(.flagsWithoutOffer, "iomap is not offered", .i3),
    Case(.wrongPadding, plain, .i4),
    Case(.longConfigReply, plain, .i5),
    Case(.noMaxBytes, plain, .i6),
    Case(.wrongRevision, plain, .i7, [.i15, .i54, .i57]),
    Case(.flagsWithoutDevice, "the device cannot be registered", .i8, [.i23, .i43]),
    Case(.configError, "the device cannot be registered", .i9),
    Case(.flagsOnFile, "the image is a plain file", .i10, [.i23, .i43]),
    Case(.changesDecision, "attributes", .i11),
    Case(.iomapWithoutExclusive, "attributes", .i12),
    Case(.twoNodes, "attributes", .i13),
    Case(.wrongNotificationInode, plain, .i14),
    Case(.inflatedSize, "attributes", .i15, [.i17, .i57]),
    Case(.noKeepCache, plain, .i16),
    Case(.wrongTruncatedSize, "attributes", .i17, [.i57]),
    Case(.bumpsChangeTime, "attributes", .i18),
    Case(.checksOwner, "attributes", .i19),
    Case(.appliesUmaskAgain, "modes and ACLs", .i20),
    Case(.aclChangesMode, "modes and ACLs", .i21),
    Case(.longBeginReply, begins, .i22),
    Case(.uncoveredSlot, begins, .i23),
    Case(.mappedWriteSlot, begins, .i24),
    Case(.foreignBlock, "FALLOCATE and truncate", .i25, [.i48, .i49, .i55]),
    Case(.newFlag, begins, .i26, [.i43]),
    Case(.readAllocates, begins, .i27),
    Case(.allocatesWritten, begins, .i28),
    Case(.unzeroedBlocks, "blocks without an unwritten state", .i29),
    Case(.noDirtyFlag, begins, .i30),
    Case(.noSpaceAtWriteback, begins, .i31),
    Case(.noTooLarge, begins, .i32),
    Case(.unimplementedBegin, begins, .i33),
    Case(.atomicInCache, "atomic writes", .i34, [.i12]),
    Case(.dirtySwapfile, "swap files", .i35),
    Case(.retriesWithoutUpsert, begins, .i36, [.i23]),
    Case(.unclippedReply, "failing UPSERTs", .i37),
    Case(.beginWaitsForFsync, "BEGIN and IOEND while FSYNC waits for the disk", .i38, [.i59]),
    Case(.mapsUnknownNodes, begins, .i39),
    Case(.longInlineRead, "inline data", .i40),
    Case(.choosyAboutFlags, "unknown operation flags", .i41),
    Case(.shortUpsert, plain, .i42),
    Case(.upsertsWriteSlot, plain, .i43),
    Case(.upsertsDirectories, "before it is shown, after it is forgotten", .i44),
    Case(.upsertsBeforeShown, "before it is shown, after it is forgotten", .i45),
    Case(.failsWithUpsert, "failing UPSERTs", .i46),
    Case(.lateUpsert, "UPSERTs and layout changes", .i47, [.i48, .i49]),
    Case(.staleAfterTrim, layouts, .i48, [.i25, .i49, .i63, .i64, .i69]),
    Case(.movesBlocks, begins, .i49),
    Case(.unalignedInval, layouts, .i50),
    Case(.reliesOnCache, "cache dropped at close", .i51, [.i36]),
    Case(.upsertsReports, "FIEMAP of a fragmented file", .i52),
    Case(.invalidatesInode, plain, .i53),
    Case(.wrongCompletionLength, plain, .i54, [.i7, .i48, .i57]),
    Case(.convertsTooMuch, "IOENDs", .i55, [.i48, .i58]),
    Case(.convertsFailedWrites, "IOENDs with errors", .i56),
    Case(.wrongNewSize, plain, .i57),
    Case(.shrinksOnRepeat, "IOENDs", .i58, [.i57, .i15]),
    Case(.completionWaitsForFsync, "BEGIN and IOEND while FSYNC waits for the disk", .i59),
    Case(.forgetsFailures, "IOENDs that fail in the server", .i60),
    Case(.endRaisesSize, "ENDs", .i61, [.i15]),
    Case(.swapoffConverts, "swap files", .i62, [.i55]),
    Case(.allocatesWrittenAhead, layouts, .i63),
    Case(.zeroesEdges, layouts, .i64),
    Case(.freesLastBlock, layouts, .i65, [.i28, .i49, .i67]),
    Case(.noDeviceInval, "a random workload", .i66),
    Case(.reusesAtOnce, "a random workload", .i67),
    Case(.emptyDeviceInval, "a random workload", .i68, [.i66]),
    Case(.writesFileBlocks, begins, .i69, [.i66]),
    Case(.largeDeviceBlocks, "block sizes", .i70),
    Case(.copiesRanges, "COPY_FILE_RANGE", .i71),
    Case(.fsyncWithoutFlush, plain, .i72),
    Case(.exposesAfterCrash, "power cuts", .i73),
    Case(.noSyncfs, plain, .i74, [.i72]),
    Case(.writesWhileFrozen, "freeze and thaw", .i75),
    Case(.writesAfterShutdown, "shutdown", .i76),
    Case(.destroysEarly, "unmount with RELEASEs outstanding", .i77),
    Case(.oneLockForAll, "all workers but one blocked", .i78, [.i47]),
    Case(.rememberEverything, "a fragmented file", .i79),
    Case(.repliesTwice, "interrupts", .i80),
  ]

  @Test(arguments: cases.filter { $0.rule != .i79 })
  func isFound(wrong: Case) throws { try Self.find(wrong) }

  /// What other tests of a process take and give back would hide what the server keeps: this one has a process of its own.
  @Test func aLeakIsFound() async {
    await #expect(processExitsWith: .success) {
      try Self.find(try #require(Self.cases.first { $0.rule == .i79 }))
    }
  }

  private static func find(_ wrong: Case) throws {
    let scenario = try #require(
      ConformanceScenario.all.first { $0.name == wrong.scenario },
      "there is no scenario \(wrong.scenario)")
    let rules = RuleBook()
    try Scratch.with { scratch in
      let reference = ReferenceSubject(fault: wrong.fault, scratch: scratch)
      // What goes wrong on the way is not what is judged here.
      try? scenario.run(reference.subject(rules))
    }
    let found = rules.violatedRules
    #expect(found.contains(wrong.rule), "\(rules.violations) \(rules.failures)")
    #expect(
      found.subtracting(wrong.others).subtracting([wrong.rule]) == [],
      "\(rules.violations.prefix(10))")
  }

  @Test func everyRuleHasAFault() {
    #expect(Set(Self.cases.map(\.rule)) == Set(Rule.allCases))
    #expect(Set(Self.cases.map(\.fault)).union([.none]) == Set(Fault.allCases))
  }
}
