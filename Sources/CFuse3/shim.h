// libfuse3's low-level API for Swift. FUSE_USE_VERSION 314 keeps the signatures of 3.14 with every
// later libfuse; what newer headers turn into function-like macros or versioned symbols is reached
// through the static inline functions below, which Swift can import.
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/loop.h>
#include <malloc.h>

#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

/// fuse_session_new is a function-like macro from libfuse 3.17 on.
static inline struct fuse_session *cfuse_session_new(struct fuse_args *args,
                                                     const struct fuse_lowlevel_ops *operations,
                                                     void *userdata) {
  return fuse_session_new(args, operations, sizeof(*operations), userdata);
}

/// Swift hides fork because a child of a threaded process may only exec. The daemon forks before it
/// has a second thread.
static inline pid_t cfuse_fork(void) { return fork(); }

/// The signal that this process gets when its parent ends; 0 for none. prctl is variadic.
static inline int cfuse_set_parent_death_signal(int signal_number) {
  return prctl(PR_SET_PDEATHSIG, (unsigned long)signal_number, 0UL, 0UL, 0UL);
}

/// All threads allocate from one arena. Swift's module of the C library leaves malloc.h out; other libraries have no arenas.
static inline void cfuse_allocate_from_one_arena(void) {
#ifdef M_ARENA_MAX
  mallopt(M_ARENA_MAX, 1);
#endif
}

/// The calling thread, and those that it starts, write what dirty pages wait for. prctl is variadic.
static inline int cfuse_become_io_flusher(void) {
#ifdef PR_SET_IO_FLUSHER
  return prctl(PR_SET_IO_FLUSHER, 1L, 0L, 0L, 0L);
#else
  return prctl(57, 1L, 0L, 0L, 0L);
#endif
}

/// A system call that the C library declares for GNU sources only, or not at all. syscall is variadic.
static inline long cfuse_system_call(long number, long first, long second, long third, long fourth, long fifth) {
  extern long syscall(long number, ...);
  return syscall(number, first, second, third, fourth, fifth);
}

/// prctl is variadic.
static inline int cfuse_process_control(int option, unsigned long first, unsigned long second) {
  return prctl(option, first, second, 0UL, 0UL);
}

/// O_PATH is declared for GNU sources only, and open is variadic.
static inline int cfuse_open_path(const char *path) {
  return open(path, 010000000 /* O_PATH */ | O_DIRECTORY | O_CLOEXEC);
}

/// Where the words of the command line are, one behind the other: what /proc/PID/cmdline shows. Swift refuses the global variable.
static inline char *cfuse_command_line(void) {
  extern char *program_invocation_name;
  return program_invocation_name;
}

/// Swift refuses the global variable.
static inline char **cfuse_environment(void) {
  extern char **environ;
  return environ;
}

/// openlog keeps the pointer to the name, so that a literal must stand here. It connects at once: a confined daemon cannot.
static inline void cfuse_open_syslog(void) { openlog("fuse4fs", LOG_PID | LOG_NDELAY, LOG_DAEMON); }

/// syslog is variadic.
static inline void cfuse_syslog(int priority, const char *message) {
  syslog(priority, "%s", message);
}

/// The smallest and largest write that a device does as one, in bytes; 0 where it promises nothing. From the fields that
/// statx(2) has for STATX_WRITE_ATOMIC (include/uapi/linux/stat.h), which older headers do not know.
static inline void cfuse_atomic_write_limits(int fd, uint32_t *smallest, uint32_t *largest) {
  union {
    uint32_t words[64];
    unsigned char bytes[256];
  } status;
  memset(&status, 0, sizeof(status));
  extern long syscall(long number, ...);
  *smallest = *largest = 0;
  if (syscall(SYS_statx, fd, "", 0x1000 /* AT_EMPTY_PATH */, 0x10000u, &status) != 0) return;
  if (!(status.words[0] & 0x10000u)) return;
  *smallest = status.words[168 / 4];
  *largest = status.words[172 / 4];
}

/// Declared only for programs that define _GNU_SOURCE, which Swift's own module of the C library does not.
static inline int cfuse_syncfs(int fd) {
  extern int syncfs(int fd);
  return syncfs(fd);
}

/// The processor's counter of time, which takes less time to read than the system's clock; 0 where there is none that is read like this.
static inline uint64_t cfuse_time_stamp(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return 0;
#endif
}
