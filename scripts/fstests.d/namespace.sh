#!/bin/bash
# Arranges what the test sees, in mount and process namespaces of its own: namespace.sh WORK TREE
#
#   /mnt            work, fstests (a copy-on-write view of the tree), and a directory of the name of WORK with the mount
#                   points and tmp: what loop devices are attached to in there is told from that of other runs by its path
#   /tmp            empty
#   /sbin           the system's, with the mount helpers of the server under test
#   /etc            the system's, with the users that tests want
set -euo pipefail
work=$1 tree=$2 own=${1##*/}

# Everything is gathered in one place before that covers /mnt and /tmp, where TREE and WORK may be.
mount -t tmpfs -o mode=755 fstests "$work/mnt"
mkdir -p "$work"/mnt/{work,fstests,"$own"/{test,scratch,tmp}}
mount --bind "$work" "$work/mnt/work"
mount -t overlay -o "lowerdir=$tree,upperdir=$work/tree.upper,workdir=$work/tree.work" fstests "$work/mnt/fstests"
if [ -n "$(ls "$work/helpers")" ]; then
  sbin=$(realpath /sbin)
  mount -t overlay -o "lowerdir=$work/helpers:$sbin" fstests "$sbin"
fi
for table in passwd group shadow; do
  mount --bind "$work/etc/$table" "/etc/$table"
done
mount --bind "$work/tmp" "$work/mnt/$own/tmp"
mount --rbind "$work/mnt" /mnt
mount --bind /mnt/work/tmp /tmp

cd /mnt/fstests
mv common/rc common/rc.tree
cat >common/rc <<'END'
. ./common/rc.tree
. /mnt/work/overrides.sh
END
