// Has a sanitizer's runtime do what it cannot do any more when its process has confined itself (Sources/Confinement).
//
// - The file for its reports is opened: Landlock would refuse that, and a runtime that cannot open the file ends the process without
//   a report.
// - ThreadSanitizer's background thread ends. A process that confines itself must have one thread: Landlock and seccomp hold for the calling
//   thread and those that it starts, so that this one would stay as it is. The thread only frees memory at times when options ask for that.
//
// llvm-symbolizer cannot be started then, so that reports have addresses in place of names: scripts/test.d/symbols.py puts those in.
//
// scripts/test --sanitize links this into what it builds, ahead of the runtime's own prctl, which is a weak symbol.

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

const char *__sanitizer_get_report_path(void);
void __sanitizer_sandbox_on_notify(void *arguments);
int __interceptor_prctl(int option, unsigned long, unsigned long, unsigned long, unsigned long);

// Once: the runtime does not start it again, and those that fork starts end by themselves.
__attribute__((constructor)) static void end_background_thread(void) {
  // sanitizer/common_interface_defs.h: __sanitizer_sandbox_arguments, of which no part is wanted.
  struct {
    int coverage_sandboxed;
    intptr_t coverage_fd;
    unsigned int coverage_max_block_size;
  } arguments = {0, -1, 0};
  __sanitizer_sandbox_on_notify(&arguments);
}

static int has_other_threads(void) {
  struct stat status;
  return stat("/proc/self/task", &status) == 0 && status.st_nlink > 3;
}

// At a number that no descriptor of the program has had: tests use those that were closed, to see that they are.
static void open_report(void) {
  int held[64];
  size_t count = 0;
  while (count < 64 && (held[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) count++;
  __sanitizer_get_report_path();
  while (count > 0) close(held[--count]);
}

// The first call of those that confine a process is the one that forbids new privileges.
int prctl(int option, ...) {
  unsigned long rest[4];
  va_list arguments;
  va_start(arguments, option);
  for (size_t index = 0; index < 4; index++) rest[index] = va_arg(arguments, unsigned long);
  va_end(arguments);
  if (option == PR_SET_NO_NEW_PRIVS) {
    open_report();
    // A thread that has ended is still there for a moment.
    for (int turn = 0; turn < 1000 && has_other_threads(); turn++) usleep(1000);
  }
  return __interceptor_prctl(option, rest[0], rest[1], rest[2], rest[3]);
}
