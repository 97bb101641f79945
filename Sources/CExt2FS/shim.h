// libext2fs for Swift: static inline functions for what Swift cannot import (macros, globals).
#pragma once

#include <ext2fs.h>

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fs.h>

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static inline uint32_t
cext2fs_crc32c_sse42(uint32_t crc, const uint8_t *bytes, size_t count) {
  uint64_t value = crc;
  for (; count >= 8; bytes += 8, count -= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    value = __builtin_ia32_crc32di(value, word);
  }
  crc = (uint32_t)value;
  for (; count > 0; bytes++, count--) crc = __builtin_ia32_crc32qi(crc, *bytes);
  return crc;
}
#endif

// As ext2fs_crc32c_le, with the processor's own instruction where it has one.
static inline uint32_t cext2fs_crc32c(uint32_t crc, const uint8_t *bytes, size_t count) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return cext2fs_crc32c_sse42(crc, bytes, count);
#endif
  return ext2fs_crc32c_le(crc, bytes, count);
}

// Plain files and devices, nothing in between: for programs that read an image from outside.
static inline io_manager cext2fs_unix_io_manager(void) { return unix_io_manager; }

// pread(2) of what is in the page cache, and of nothing else: what cannot be had without waiting is missing, or EAGAIN. The C library
// declares preadv2 for GNU sources only.
static inline ssize_t cext2fs_read_cached(int fd, void *buffer, size_t count, int64_t offset) {
  struct iovec part = {buffer, count};
  return syscall(SYS_preadv2, fd, &part, 1, (long)offset, 0L, RWF_NOWAIT);
}

// Has the system begin to write what is in its cache of these bytes, without waiting for it. Declared only with _GNU_SOURCE.
static inline int cext2fs_start_writing(int fd, int64_t offset, int64_t count) {
  return (int)syscall(SYS_sync_file_range, fd, offset, count, 2 /* SYNC_FILE_RANGE_WRITE */);
}

// Makes a hole in a file, whose size stays (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE). Declared only for programs that define
// _GNU_SOURCE, which Swift's own module of the C library does not.
static inline int cext2fs_punch_hole(int fd, int64_t offset, int64_t count) {
  return (int)syscall(SYS_fallocate, fd, 3, offset, count);
}
