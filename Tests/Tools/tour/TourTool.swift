import ArgumentParser

/// Takes images that are not to be trusted through every operation.
@main
struct TourTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tour", abstract: "Tours images that are not to be trusted.",
    subcommands: [Serve.self, Case.self, Images.self, Prepare.self])
}
