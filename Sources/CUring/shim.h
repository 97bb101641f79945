// liburing for Swift. What Swift cannot import is reached through the static inline functions below.
#pragma once

// The C library's headers before liburing.h, which defines _GNU_SOURCE: with that they would define types, such as fd_set, differently
// from what other modules see, which the compiler refuses.
#include <stdint.h>
#include <sys/types.h>

// The kernel's header before liburing's copy of it, so that the structures are those that swift-system has imported.
#include <linux/io_uring.h>
#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

/// The command area of a submission in a ring with IORING_SETUP_SQE128, 80 bytes: a flexible array in a union.
static inline void *curing_command_area(struct io_uring_sqe *submission) { return submission->cmd; }

/// A set of processors, as sched_setaffinity(2) takes it. The C library declares its own for GNU sources only.
struct curing_processors {
  unsigned long words[1024 / (8 * sizeof(unsigned long))];
};

/// Where the calling thread may run.
static inline int curing_get_processors(struct curing_processors *processors) {
  extern long syscall(long number, ...);
  return (int)syscall(SYS_sched_getaffinity, 0, sizeof(*processors), processors);
}

static inline int curing_set_processors(const struct curing_processors *processors) {
  extern long syscall(long number, ...);
  return (int)syscall(SYS_sched_setaffinity, 0, sizeof(*processors), processors);
}

/// The set with this processor alone; empty where there is no room for it.
static inline struct curing_processors curing_one_processor(unsigned processor) {
  struct curing_processors processors = {{0}};
  const unsigned width = 8 * sizeof(unsigned long);
  if (processor < 1024) processors.words[processor / width] = 1UL << (processor % width);
  return processors;
}
