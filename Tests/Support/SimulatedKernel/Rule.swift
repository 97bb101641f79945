/// The rules of the ABI document's section 8, by their numbers.
public enum Rule: Int, CaseIterable, Sendable, Comparable, CustomStringConvertible {
  case i1 = 1
  case i2, i3, i4, i5, i6, i7, i8, i9, i10, i11, i12, i13, i14, i15, i16, i17, i18, i19
  case i20, i21, i22, i23, i24, i25, i26, i27, i28, i29, i30, i31, i32, i33, i34, i35, i36, i37
  case i38, i39, i40, i41, i42, i43, i44, i45, i46, i47, i48, i49, i50, i51, i52, i53, i54, i55
  case i56, i57, i58, i59, i60, i61, i62, i63, i64, i65, i66, i67, i68, i69, i70, i71, i72, i73
  case i74, i75, i76, i77, i78, i79, i80

  /// The number as the document writes it.
  public var description: String { "I-\(rawValue)" }

  public static func < (first: Rule, second: Rule) -> Bool { first.rawValue < second.rawValue }

  /// Marked M in the document: memory or data safety, where one failure fails the run.
  public var isSafety: Bool { Rule.safety.contains(self) }

  private static let safety: Set<Rule> = [
    .i13, .i15, .i25, .i28, .i29, .i36, .i44, .i47, .i48, .i49, .i55, .i56, .i57, .i64, .i65,
    .i66, .i67, .i69, .i72, .i73, .i77,
  ]
}
