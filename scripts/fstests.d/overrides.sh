# What the tree leaves out for FSTYP=fuse, done as for ext4. Sourced at the end of the tree's common/rc.
# shellcheck shell=bash
# shellcheck disable=SC1091,SC2016,SC2154  # The tree's files and variables.

# ext4's own helpers, such as _scratch_mkfs_ext4.
[ "$FSTYP" = ext4 ] || . ./common/ext4

# Defines functions anew that run the tree's code for ext4. The mount program mounts by the server all the same.
_fuse4fs_as_ext4() {
	local name
	for name in "$@"; do
		declare -F "$name" >/dev/null || continue
		eval "_tree$(declare -f "$name")"
		eval "$name() { local FSTYP=ext4 FUSE_SUBTYP=; _tree$name \"\$@\"; }"
	done
}

# Whatever the mount table calls it, it is of the type that is being tested.
_fs_type() {
	_df_device "$1" | $AWK_PROG '{ print $2 }' | sed "s/^fuse.*/$FSTYP/"
}

_is_dev_mounted() {
	findmnt -rncv -S "$1" -o TARGET | head -1
}

_is_dir_mountpoint() {
	findmnt -rncv -o TARGET "$1" | head -1
}

# Trees that know fuse.ext4 do all that by themselves.
if [ "$FSTYP" = fuse ]; then
	# Making, checking and repairing.
	_fuse4fs_as_ext4 _test_mkfs _try_mkfs_dev _mkfs_dev _scratch_mkfs _try_scratch_mkfs_sized _scratch_mkfs_sized \
		_scratch_mkfs_geom _scratch_mkfs_blocksized _scratch_options _check_test_fs _check_dev_fs \
		_check_scratch_fs _check_generic_filesystem _repair_test_fs _repair_scratch_fs _metadump_dev
	# What is known about ext4.
	_fuse4fs_as_ext4 _require_test _require_scratch_nocheck _require_scratch_16T_support \
		_filesystem_timestamp_range _fstyp_has_non_default_seek_data_hole _has_metadata_journaling \
		_label_get_max _require_names_are_bytes _require_duplicate_fsid
fi
