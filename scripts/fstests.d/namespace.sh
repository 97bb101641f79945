#!/bin/bash
# Arranges what the test sees, in mount and process namespaces of its own: namespace.sh WORK TREE
#
#   /mnt            work, the tree of fstests (a copy-on-write view), and the mount points test and scratch
#   /tmp            empty
#   /sbin           the system's, with the mount helpers of the server under test
#   /etc            the system's, with the users that tests want
set -euo pipefail
work=$1 tree=$2

# Everything is gathered in one place before that covers /mnt and /tmp, where TREE and WORK may be.
mount -t tmpfs -o mode=755 fstests "$work/mnt"
mkdir "$work"/mnt/{work,fstests,test,scratch}
mount --bind "$work" "$work/mnt/work"
mount -t overlay -o "lowerdir=$tree,upperdir=$work/tree.upper,workdir=$work/tree.work" fstests "$work/mnt/fstests"
if [ -n "$(ls "$work/helpers")" ]; then
  sbin=$(realpath /sbin)
  mount -t overlay -o "lowerdir=$work/helpers:$sbin" fstests "$sbin"
fi
for table in passwd group shadow; do
  mount --bind "$work/etc/$table" "/etc/$table"
done
mount --rbind "$work/mnt" /mnt
mount --bind /mnt/work/tmp /tmp

cd /mnt/fstests
mv common/rc common/rc.tree
cat >common/rc <<'END'
. ./common/rc.tree
. /mnt/work/overrides.sh
END
