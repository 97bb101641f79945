# FUSE over io_uring is off unless root turns it on, for the whole machine (the parameter enable_uring of the module fuse): sourced by
# scripts/test, which has it on for its tests, and scripts/machine-state.
# shellcheck shell=bash

uring_parameter=/sys/module/fuse/parameters/enable_uring
# Runs beside each other share it: the first turns it on, and the last puts it back as the first found it.
uring_directory=/tmp/fuse4fs-io-uring
# What is locked there; not for other processes to inherit.
exec {uring_gate}>/dev/null {uring_users}>/dev/null
uring_is_shared=''

# Prints what the parameter is when no tests run; nothing where there is none.
print_io_uring_setting() {
  cat "$uring_directory/before" 2>/dev/null || cat "$uring_parameter" 2>/dev/null || true
}

# Turns it on, if root asks and the kernel has it.
turn_io_uring_on() {
  [ "$(id -u)" -eq 0 ] && [ -w "$uring_parameter" ] || return 0
  # A directory of another user would let that user decide what is put back.
  mkdir --mode 0700 "$uring_directory" 2>/dev/null || [ -O "$uring_directory" ] || return 0
  exec {uring_gate}>"$uring_directory/gate" {uring_users}>"$uring_directory/users"
  flock "$uring_gate"
  if flock --nonblock "$uring_users"; then
    # One that is there is from a run that was killed.
    [ -e "$uring_directory/before" ] || cp "$uring_parameter" "$uring_directory/before"
    echo Y >"$uring_parameter"
  fi
  flock --shared "$uring_users"
  flock --unlock "$uring_gate"
  uring_is_shared=yes
}

# Puts it back, if this is the last run that has it on.
put_io_uring_back() {
  [ -n "$uring_is_shared" ] || return 0
  uring_is_shared=''
  flock "$uring_gate"
  if flock --nonblock "$uring_users"; then
    cat "$uring_directory/before" >"$uring_parameter"
    rm -f "$uring_directory/before"
  fi
  flock --unlock "$uring_users"
  flock --unlock "$uring_gate"
}
