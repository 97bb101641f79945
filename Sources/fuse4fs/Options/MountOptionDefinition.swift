/// One entry of the `-o` vocabulary: how it is written, what it is for, what it does.
struct MountOptionDefinition: Sendable {
  enum Effect: Sendable {
    /// An option without a value.
    case flag(@Sendable (inout MountOptions) -> Void)
    /// An option with a value; false means that the value makes no sense.
    case value(placeholder: String, @Sendable (inout MountOptions, String) -> Bool)
    /// The same, but the value may be left out.
    case optionalValue(placeholder: String, @Sendable (inout MountOptions, String?) -> Bool)
    /// Accepted with or without a value, and without effect.
    case ignored
  }

  /// Synonyms. A name that ends in `*` stands for every name that begins so.
  let names: [String]
  let summary: String
  let effect: Effect

  init(_ names: String..., summary: String, effect: Effect) {
    self.names = names
    self.summary = summary
    self.effect = effect
  }

  /// As help shows it: `norecovery, noload` or `offset=BYTES`.
  var spelling: String {
    switch effect {
    case .value(let placeholder, _), .optionalValue(let placeholder, _):
      return names.map { "\($0)=\(placeholder)" }.joined(separator: ", ")
    case .flag, .ignored:
      return names.joined(separator: ", ")
    }
  }

  func apply(value: String?, to options: inout MountOptions) throws(StartupFailure) {
    switch effect {
    case .ignored:
      break
    case .flag(let set):
      guard value == nil else {
        throw .usage("mount option '\(names[0])' takes no value")
      }
      set(&options)
    case .optionalValue(_, let assign):
      guard assign(&options, value) else {
        throw .usage("'\(value ?? "")' is no value for mount option '\(names[0])': \(spelling)")
      }
    case .value(_, let assign):
      guard let value, !value.isEmpty else {
        throw .usage("mount option '\(names[0])' needs a value: \(spelling)")
      }
      guard assign(&options, value) else {
        throw .usage("'\(value)' is no value for mount option '\(names[0])': \(spelling)")
      }
    }
  }
}

extension MountOptionDefinition.Effect {
  /// A flag that stores a constant.
  static func set<Value: Sendable>(
    _ property: WritableKeyPath<MountOptions, Value> & Sendable, _ value: Value
  ) -> Self {
    .flag { $0[keyPath: property] = value }
  }

  /// A value that `parse` understands, or refuses with nil.
  static func assign<Value>(
    _ placeholder: String, _ property: WritableKeyPath<MountOptions, Value?> & Sendable,
    _ parse: @escaping @Sendable (String) -> Value?
  ) -> Self {
    .value(placeholder: placeholder) { options, text in
      guard let value = parse(text) else { return false }
      options[keyPath: property] = value
      return true
    }
  }
}
