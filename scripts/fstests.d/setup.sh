# The work directory, the loop devices, and how they go again. Sourced by scripts/fstests.
# shellcheck shell=bash

check_prerequisites() {
  local tool
  [ "$(id -u)" = 0 ] || complain "only root can make loop devices and mount: run this as root"
  for tool in unshare losetup mke2fs e2fsck python3 findmnt; do
    command -v "$tool" >/dev/null || complain "$tool is missing"
  done
  # Where python3 is a wrapper, the interpreter behind it.
  python=$(python3 -c 'import sys; print(sys.executable)')
  for tool in check common/rc ltp/fsstress src/lstat64 tests/generic/group.list; do
    [ -e "$tree/$tool" ] || complain "$tree has no $tool: it is not a built tree of fstests (run make there)"
  done
  case $tree$parent in
    *[:,\\\ ]*) complain "a path with a colon, comma, backslash or blank cannot be mounted: $tree, $parent" ;;
  esac
}

set_up() {
  if [ "$label" = fuse4fs ] && [ -z "$program" ]; then program=$("$self/build"); fi
  mkdir -p "$output"
  # Without a dot, which some tests take for that of their own files.
  work=$(mktemp -d "$parent/fstests-XXXXXX")
  trap tear_down EXIT
  trap 'exit 130' INT TERM HUP
  # Tests run as other users, too.
  chmod 755 "$work"
  mkdir "$work"/{mnt,tree.upper,tree.work,tmp,results,helpers,bin,home}
  chmod 1777 "$work/tmp"

  loops=()
  local name
  for name in test scratch; do
    truncate --size "${size}G" "$work/$name.img"
    loops+=("$(losetup --find --show "$work/$name.img")")
  done
  test_device=${loops[0]} scratch_device=${loops[1]}
  format_test_device

  cp "$parts"/bin/* "$work/bin"
  cp "$parts/overrides.sh" "$parts/init.py" "$parts/namespace.sh" "$work"
  if [ "$label" = kernel ]; then
    rm "$work"/bin/{mount,umount,start-server,fuse4fs}
  else
    cp "$program" "$work/$label-server"
    cp "$parts"/sbin/* "$work/helpers"
    cp "$self/mount.fuse.ext4" "$work/mount.fuse.fuse4fs"
    ln -s mount.fuse "$work/helpers/mount.fuse.$label"
  fi
  write_accounts
  write_configuration
  started=$(date +%s)
}

format_test_device() {
  mke2fs -q -t ext4 -F "${mkfs_options[@]}" "$test_device" >"$work/mke2fs.log" 2>&1 || {
    cat "$work/mke2fs.log" >&2
    complain "mke2fs cannot make a file system on $test_device"
  }
}

# The users that tests want, in copies of the tables which only tests see.
write_accounts() {
  local table user number
  mkdir "$work/etc"
  for table in passwd group shadow; do
    cp --preserve "/etc/$table" "$work/etc/$table"
  done
  number=61000
  for user in fsgqa fsgqa2 123456-fsgqa; do
    getent group "$user" >/dev/null || echo "$user:x:$number:" >>"$work/etc/group"
    if ! getent passwd "$user" >/dev/null; then
      echo "$user:x:$number:$number:fstests:/tmp:/bin/bash" >>"$work/etc/passwd"
      echo "$user:*:19000:0:99999:7:::" >>"$work/etc/shadow"
    fi
    number=$((number + 1))
  done
}

# What the tree reads (local.config), and what the helpers read. Paths are those within the namespace.
write_configuration() {
  local mount_options=acl,user_xattr$options
  {
    echo "export TEST_DEV=$test_device TEST_DIR=/mnt/${work##*/}/test"
    echo "export SCRATCH_DEV=$scratch_device SCRATCH_MNT=/mnt/${work##*/}/scratch"
    echo "export RESULT_BASE=/mnt/work/results"
    if [ "$label" != kernel ]; then mount_options=allow_other,default_permissions,suid,dev$options; fi
    # The tests want open(2) refused as ext4 refuses it; by default the kernel does not ask the daemon. mount(8) keeps suid and dev to
    # itself.
    if [ "$label" = fuse4fs ]; then mount_options+=",check_open,allow_suid,allow_dev\$fuse4fs_sandbox"; fi
    echo ". /mnt/work/type.config"
    echo "export MOUNT_OPTIONS=\"-o $mount_options\" TEST_FS_MOUNT_OPTS=\"-o $mount_options\""
    echo "export MKFS_OPTIONS='${mkfs_options[*]}' FSCK_OPTIONS='-nf'"
  } >"$work/local.config"
  {
    echo "server_label=$label"
    echo "real_mount=$(command -v mount) real_umount=$(command -v umount)"
  } >"$work/server.conf"
}

# The type as which the tree tests the file system.
write_type() {
  local name=$1 type
  if [ "$label" = kernel ]; then
    type="FSTYP=ext4"
  elif grep -q 'fuse\.ext4' "$tree/common/rc"; then
    # Newer trees know it by itself.
    type="FSTYP=fuse.ext4 FUSE_SUBTYP="
  elif [[ $name == ext4/* ]] || grep -qxF "$name" "$parts/as-ext4"; then
    type="FSTYP=ext4"
  else
    type="FSTYP=fuse FUSE_SUBTYP=.$label"
  fi
  echo "export $type" >"$work/type.config"
  # A confined daemon does not see which kind of shutdown a caller wants.
  if grep -qE 'shutdown|godown' "$tree/tests/$name"; then
    echo "fuse4fs_sandbox=,sandbox=off" >>"$work/type.config"
  else
    echo "fuse4fs_sandbox=''" >>"$work/type.config"
  fi
}

# Everything that was made goes, whatever state it is in.
tear_down() {
  local device
  if [ -n "${running:-}" ]; then
    kill -KILL "$running" 2>/dev/null || true
    wait "$running" 2>/dev/null || true
  fi
  detach_loops_of_tests
  for device in "${loops[@]}"; do
    losetup --detach "$device" || echo "fstests: $device stays attached to an image in $work" >&2
  done
  rm -rf --one-file-system "$work"
}

# Loop devices that a test attached to its files, and forgot.
detach_loops_of_tests() {
  local device file
  while read -r device file; do
    case $file in
      "/mnt/${work##*/}"/* | "$work"/tmp/*) losetup --detach "$device" 2>/dev/null || true ;;
    esac
  done < <(losetup --list --noheadings --output NAME,BACK-FILE)
}
