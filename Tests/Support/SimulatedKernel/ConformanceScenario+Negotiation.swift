import SystemPackage

extension ConformanceScenario {
  static let negotiation = [
    ConformanceScenario(
      "mount and unmount",
      [
        .i1, .i2, .i4, .i5, .i6, .i7, .i9, .i16, .i42, .i43, .i50, .i54, .i68, .i70, .i72, .i74,
        .i77,
      ],
      both { subject, configuration in
        try subject.with(configuration) { kernel in
          try kernel.exerciseFile("a")
          _ = try kernel.statx(SimulatedKernel.root)
          try kernel.checkAgainstDisk()
        }
      }),
    ConformanceScenario("iomap is not offered", [.i3]) { subject in
      for (offersIomap, isExtended) in [(false, true), (true, false)] {
        var configuration = SimulatedKernel.Configuration()
        configuration.offersIomap = offersIomap
        configuration.offersExtendedInit = isExtended
        try subject.with(configuration) { try $0.exerciseFile("a") }
      }
    },
    ConformanceScenario("a kernel of some later revision", [.i7]) { subject in
      var configuration = SimulatedKernel.Configuration()
      configuration.unknownConfigBit = true
      try subject.with(configuration) { try $0.exerciseFile("a") }
    },
    ConformanceScenario("the device cannot be registered", [.i8, .i9]) { subject in
      for error in [Errno.notPermitted, .noDevice, .noSpace] {
        var configuration = SimulatedKernel.Configuration()
        configuration.backingOpenError = error
        try subject.with(configuration) { try $0.exerciseFile("a") }
      }
    },
    ConformanceScenario("the image is a plain file", [.i10]) { subject in
      var configuration = SimulatedKernel.Configuration()
      configuration.isBlockDevice = false
      try subject.with(configuration) { try $0.exerciseFile("a") }
    },
    ConformanceScenario("block sizes", [.i6, .i23, .i48, .i70]) { subject in
      for blockSize: UInt64 in [1024, 2048] {
        for revision in Revision.allCases {
          var configuration = SimulatedKernel.Configuration()
          configuration.revision = revision
          var fixture = ScenarioSubject.Fixture()
          fixture.blockSize = blockSize
          try subject.with(configuration, fixture) { kernel in
            try kernel.exerciseFile("a")
            try kernel.checkAgainstDisk()
          }
        }
      }
    },
  ]
}
