"""System calls that Python has no functions for, and memory that is aligned."""

import ctypes
import mmap
import os

_libc = ctypes.CDLL(None, use_errno=True)

KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
RENAME_EXCHANGE = 2


class Gone(Exception):
    """The daemon has gone, as it was meant to."""


def _check(result, path=None):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def fallocate(descriptor, mode, offset, count):
    _check(_libc.fallocate(descriptor, mode, ctypes.c_long(offset), ctypes.c_long(count)))


def exchange(old, new):
    at = -100  # AT_FDCWD
    _check(_libc.renameat2(at, os.fsencode(old), at, os.fsencode(new), RENAME_EXCHANGE), old)


def aligned(data):
    """A copy of the bytes at an address that direct I/O takes."""
    memory = mmap.mmap(-1, max(len(data), 1))
    memory[: len(data)] = data
    return memoryview(memory)[: len(data)]


class Mapping:
    """A shared mapping of a file. The kernel stores to it and loads from it, so that a page that cannot be had
    is EFAULT and not the end of the process."""

    def __init__(self, descriptor, offset, count):
        self._map = mmap.mmap(descriptor, count, offset=offset)
        self._buffer = os.memfd_create("buffer")

    def store(self, data, at):
        os.pwrite(self._buffer, data, 0)
        view = memoryview(self._map)[at : at + len(data)]
        try:
            done = 0
            while done < len(data):
                done += os.preadv(self._buffer, [view[done:]], done)
        finally:
            view.release()

    def load(self):
        view = memoryview(self._map)
        try:
            done = 0
            while done < len(view):
                done += os.pwrite(self._buffer, view[done:], done)
        finally:
            view.release()
        return os.pread(self._buffer, len(self._map), 0)

    def flush(self):
        self._map.flush()

    def close(self):
        os.close(self._buffer)
        self._map.close()
