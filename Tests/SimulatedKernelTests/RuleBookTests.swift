import KernelDouble
import TestSupport
import Testing

/// The book itself.
struct RuleBookTests {
  @Test func everyRuleHasALine() {
    let lines = RuleBook().report().split(separator: "\n")
    #expect(lines.count == Rule.allCases.count + 1)
    #expect(Rule.allCases.allSatisfy { !$0.text.isEmpty })
  }

  @Test func violationsAreCountedAndFatalOnesTold() {
    let book = RuleBook()
    book.check(.i22, true, "fine")
    #expect(book.isClean)
    book.violate(.i22, "short")
    #expect(!book.isFatal)
    book.violate(.i25, "foreign")
    #expect(book.isFatal)
    #expect(book.violatedRules == [.i22, .i25])
    #expect(throws: Failure.self) { try book.verify() }
  }
}
