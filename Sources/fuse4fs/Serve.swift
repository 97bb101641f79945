import CFuse3
import Ext4
import FuseServer
import Glibc
import Journal
import Logging
import SystemPackage

/// Mounts the image, serves it until it is unmounted, and leaves it clean.
func serve(
  options: MountOptions, image: ImageSource, in environment: Mount.Environment,
  readiness: Readiness
) -> ExitCode {
  // What one thread takes another gives back, as requests come: with an arena for each, all of them would grow to what one needs.
  cfuse_allocate_from_one_arena()
  do throws(StartupFailure) {
    let mount = try Mount(options: options, image: image, in: environment)
    return try mount.run(readiness: readiness)
  } catch {
    Console.report(error)
    return error.code
  }
}
