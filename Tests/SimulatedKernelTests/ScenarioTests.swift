import KernelDouble
import TestSupport
import Testing

/// All scenarios on the reference server: nothing to complain about without a fault.
@Suite(.serialized)
struct ScenarioTests {
  @Test(arguments: ConformanceScenario.all)
  func nothingToComplainAbout(scenario: ConformanceScenario) throws {
    let rules = RuleBook()
    try Scratch.with { scratch in
      let reference = ReferenceSubject(fault: .none, scratch: scratch)
      try scenario.run(reference.subject(rules))
    }
    try rules.verify()
    let missing = scenario.rules.filter { rules.timesExercised($0) == 0 }
    #expect(missing.isEmpty, "not exercised: \(missing)")
  }

  @Test func everyRuleBelongsToAScenario() {
    let all = Set(ConformanceScenario.all.flatMap(\.rules))
    #expect(Rule.allCases.filter { !all.contains($0) } == [])
  }
}
