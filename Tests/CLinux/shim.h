// Linux system calls that Swift's Glibc module does not show (it is built without _GNU_SOURCE), for
// the tests and their tools. Static inline functions only: where glibc hides a call behind
// _GNU_SOURCE or makes it variadic, it is made by its number.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <linux/memfd.h>
#include <linux/stat.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

static inline int clinux_o_direct(void) { return __O_DIRECT; }
static inline int clinux_o_noatime(void) { return __O_NOATIME; }
static inline int clinux_o_path(void) { return __O_PATH; }
static inline int clinux_o_tmpfile(void) { return __O_TMPFILE; }

static inline int clinux_renameat2(const char *from, const char *to, unsigned flags) {
  return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static inline int clinux_fallocate(int fd, int mode, off_t offset, off_t length) {
  return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

static inline ssize_t clinux_copy_file_range(int from, off_t from_offset, int to, off_t to_offset,
                                             size_t count) {
  return syscall(SYS_copy_file_range, from, &from_offset, to, &to_offset, count, 0u);
}

static inline int clinux_thread_number(void) { return (int)syscall(SYS_gettid); }

// The calling thread alone, unlike setgroups(3).
static inline int clinux_set_thread_groups(size_t count, const gid_t *groups) {
  return (int)syscall(SYS_setgroups, count, groups);
}

static inline int clinux_syncfs(int fd) { return (int)syscall(SYS_syncfs, fd); }

static inline dev_t clinux_makedev(unsigned major, unsigned minor) { return makedev(major, minor); }

/// The birth time of a path (symbolic links not followed), or -1; ENODATA when none is kept.
static inline int clinux_birth_time(const char *path, struct timespec *time) {
  struct statx status;
  if (syscall(SYS_statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &status) < 0) return -1;
  if (!(status.stx_mask & STATX_BTIME)) {
    errno = ENODATA;
    return -1;
  }
  time->tv_sec = status.stx_btime.tv_sec;
  time->tv_nsec = status.stx_btime.tv_nsec;
  return 0;
}

/// The FS_*_FL flags of an open file.
static inline int clinux_get_flags(int fd, int *flags) {
  return ioctl(fd, FS_IOC_GETFLAGS, flags);
}

static inline int clinux_set_flags(int fd, int flags) {
  return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

/// An ioctl with a pointer, of whatever type.
static inline int clinux_ioctl(int fd, unsigned command, void *argument) {
  return ioctl(fd, (unsigned long)command, argument);
}

/// Gives the open file a name (what linkat(2) does for /proc/self/fd/N).
static inline int clinux_link_open(int fd, const char *path) {
  char link[32];
  char *end = link + sizeof(link) - 1;
  *end = 0;
  do *--end = (char)('0' + fd % 10); while ((fd /= 10) > 0);
  static const char directory[] = "/proc/self/fd/";
  for (int index = (int)sizeof(directory) - 2; index >= 0; index--) *--end = directory[index];
  return (int)syscall(SYS_linkat, AT_FDCWD, end, AT_FDCWD, path, 0x400 /* AT_SYMLINK_FOLLOW */);
}

/// `handle` is a struct file_handle whose first word says how many bytes there is room for.
static inline int clinux_name_to_handle(const char *path, void *handle) {
  int mount;
  return (int)syscall(SYS_name_to_handle_at, AT_FDCWD, path, handle, &mount, 0);
}

static inline int clinux_open_by_handle(int mount, void *handle, int flags) {
  return (int)syscall(SYS_open_by_handle_at, mount, handle, flags);
}

/// What the calling thread may do from now on: what this user may, or everything again for 0. The others of the process go on as
/// they were.
static inline int clinux_become(unsigned user) {
  return (int)syscall(SYS_setresuid, -1, user, -1);
}

/// A copy of the mount at `path`, with the ids that the user namespace maps, at `target`. By their numbers: open_tree,
/// mount_setattr, move_mount.
static inline int clinux_mount_mapped(const char *path, int user_namespace, const char *target) {
  uint64_t attributes[4] = {0x100000 /* MOUNT_ATTR_IDMAP */, 0, 0, (uint64_t)user_namespace};
  int tree = (int)syscall(428, AT_FDCWD, path, 1u /* OPEN_TREE_CLONE */);
  if (tree < 0) return -1;
  int result = (int)syscall(442, tree, "", 0x1000 /* AT_EMPTY_PATH */, attributes, sizeof(attributes));
  if (result == 0) {
    result = (int)syscall(429, tree, "", AT_FDCWD, target, 4u /* MOVE_MOUNT_F_EMPTY_PATH */);
  }
  int code = errno;
  close(tree);
  errno = code;
  return result;
}

/// A file of its own that is in memory and has no name.
static inline int clinux_memory_file(void) {
  return (int)syscall(SYS_memfd_create, "test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

/// From now on a memory file cannot become longer: a write behind its end is EPERM. F_ADD_SEALS and
/// F_SEAL_GROW by their numbers, since <linux/fcntl.h> and <fcntl.h> exclude each other.
static inline int clinux_seal_growth(int fd) { return fcntl(fd, 1024 + 9, 0x0004); }

/// A pipe that is closed on exec.
static inline int clinux_pipe(int ends[2]) { return (int)syscall(SYS_pipe2, ends, O_CLOEXEC); }

/// Asynchronous I/O of the kernel (io_submit(2)), which has no other way in.
static inline int clinux_aio_begin(unsigned depth, aio_context_t *context) {
  *context = 0;
  return (int)syscall(SYS_io_setup, depth, context);
}

static inline int clinux_aio_end(aio_context_t context) { return (int)syscall(SYS_io_destroy, context); }

/// Begins to write `count` bytes; `tag` comes back with the completion.
static inline int clinux_aio_write(aio_context_t context, int fd, const void *bytes, size_t count, off_t offset,
                                   uint64_t tag) {
  struct iocb block = {.aio_data = tag,
                       .aio_lio_opcode = IOCB_CMD_PWRITE,
                       .aio_fildes = (uint32_t)fd,
                       .aio_buf = (uint64_t)bytes,
                       .aio_nbytes = count,
                       .aio_offset = offset};
  struct iocb *blocks[1] = {&block};
  return (int)syscall(SYS_io_submit, context, 1l, blocks);
}

/// Waits for one completion; its tag, and what write(2) would have returned.
static inline int clinux_aio_wait(aio_context_t context, uint64_t *tag, int64_t *result) {
  struct io_event event;
  int count = (int)syscall(SYS_io_getevents, context, 1l, 1l, &event, (void *)0);
  if (count == 1) {
    *tag = event.data;
    *result = event.res;
  }
  return count;
}
