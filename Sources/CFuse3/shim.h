// libfuse3's low-level API for Swift. FUSE_USE_VERSION 314 keeps the signatures of 3.14 with every
// later libfuse; what newer headers turn into function-like macros or versioned symbols is reached
// through the static inline functions below, which Swift can import.
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

/// fuse_session_new is a function-like macro from libfuse 3.17 on.
static inline struct fuse_session *cfuse_session_new(struct fuse_args *args,
                                                     const struct fuse_lowlevel_ops *operations,
                                                     void *userdata) {
  return fuse_session_new(args, operations, sizeof(*operations), userdata);
}

/// fuse_session_custom_io has a second, versioned form from libfuse 3.17 on.
static inline int cfuse_session_custom_io(struct fuse_session *session,
                                          const struct fuse_custom_io *io, int fd) {
  return fuse_session_custom_io(session, io, fd);
}
