# The command line of scripts/fstests. Sourced.
# shellcheck shell=bash
# shellcheck disable=SC2034  # The other parts use what is set here.

usage() {
  cat <<'END'
usage: scripts/fstests --fstests DIR [OPTION]... [-g GROUP]... [TEST]...
       scripts/fstests --compare FILE DIR...

Runs tests of fstests against fuse4fs, on loop devices, as root, and says which passed, failed and did not run.

  --fstests DIR       a built tree of fstests; it is only read
  -g GROUP            the tests of this group: "quick" means generic/quick and ext4/quick. Default: quick
  TEST                a test, such as generic/001, or a pattern: 'ext4/00?'
  --exclude FILE      leave out the tests that this file lists, one a line
  --server SERVER     what is tested. Default: fuse4fs
                        fuse4fs   the daemon that scripts/build makes
                        fuse2fs   the fuse2fs that is installed
                        kernel    the kernel's own ext4
                        PATH      another program with the command line of fuse4fs and fuse2fs
  --fuse4fs PATH      the daemon to test as "fuse4fs", instead of building it
  --options OPT,...   further mount options
  --iomap             on a kernel with FUSE iomap: it moves the data (-o iomap=always); other tests are known to fail
  --mkfs OPTION       an option for mke2fs; may be given several times: --mkfs -O --mkfs ^metadata_csum
  --limit SECONDS     how long a test may take. Default: 300
  --size GIB          the size of the test device, and of the scratch device. Default: 10
  --work DIR          where images and everything else temporary goes. Default: /var/tmp
  --output DIR        keep reports and the output of tests here. Default: a directory in the working directory
  --expected FILE     the tests that are known to fail. Default: the list for this server, next to this script
  --compare FILE      write the results of earlier runs, from their directories, side by side into this file
  -h, --help          this text

In DIR of --output there are summary.txt, summary.md, results.tsv, results.xml (JUnit), and a directory with the
output of each test, the log of its servers among it.

Exits with 0 if no test failed that is not expected to, 1 if one did, 2 if the tests could not be run.

Examples:
  scripts/fstests --fstests ~/xfstests -g quick
  scripts/fstests --fstests ~/xfstests -g ext4/quick --options iomap=never
  scripts/fstests --fstests ~/xfstests --server kernel generic/001 generic/002
  scripts/fstests --fstests ~/xfstests --server ~/e2fsprogs/build/fuse4fs/fuse4fs -g generic/auto --limit 900
  scripts/fstests --compare docs/fstests.md out/fuse4fs out/fuse2fs out/kernel
END
}

complain() {
  echo "fstests: $*" >&2
  exit 2
}

parse_options() {
  tree='' server=fuse4fs program='' options='' limit=300 size=10 parent=/var/tmp output='' expected='' exclude=''
  mode=''
  groups=() names=() mkfs_options=()
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --compare)
        [ $# -ge 3 ] || complain "--compare needs a file, and directories that --output named"
        shift
        exec python3 "$parts/compare.py" "$@"
        ;;
      --fstests | -g | --exclude | --server | --fuse4fs | --options | --mkfs | --limit | --size | --work | --output | \
        --expected)
        [ $# -ge 2 ] || complain "$1 needs a value; --help tells which"
        set_option "$1" "$2"
        shift
        ;;
      --iomap) mode=-iomap options=$options,iomap=always ;;
      -*) complain "there is no option $1; --help lists them" ;;
      *) names+=("$1") ;;
    esac
    shift
  done
  [ -n "$tree" ] || complain "--fstests DIR is missing: where the built tree is"
  [[ $limit =~ ^[1-9][0-9]*$ ]] || complain "--limit takes a number of seconds, not '$limit'"
  [[ $size =~ ^[1-9][0-9]*$ ]] || complain "--size takes a number of GiB, not '$size'"
  [ ${#groups[@]} -gt 0 ] || [ ${#names[@]} -gt 0 ] || groups=(quick)
  name_server
  [ -n "$output" ] || output=$PWD/fstests-$label-$(date +%Y%m%d-%H%M%S)
  [ -z "$mode" ] || [ "$label" = fuse4fs ] || complain "--iomap is for fuse4fs"
  [ -n "$expected" ] || expected=$parts/expected.$label$mode
}

set_option() {
  case $1 in
    --fstests) tree=$(realpath "$2") ;;
    -g) IFS=, read -ra more <<<"$2" && groups+=("${more[@]}") ;;
    --exclude) exclude=$(realpath "$2") ;;
    --server) server=$2 ;;
    --fuse4fs) program=$(realpath "$2") ;;
    --options) options=$options,$2 ;;
    --mkfs) mkfs_options+=("$2") ;;
    --limit) limit=$2 ;;
    --size) size=$2 ;;
    --work) parent=$(realpath "$2") ;;
    --output) output=$(realpath "$2") ;;
    --expected) expected=$(realpath "$2") ;;
  esac
}

# The label names files and mount types: letters and digits only.
name_server() {
  case $server in
    fuse4fs | kernel) label=$server ;;
    fuse2fs)
      label=$server
      program=$(command -v fuse2fs) || complain "fuse2fs is not installed: on Debian, apt-get install fuse2fs"
      ;;
    */*)
      [ -x "$server" ] || complain "$server is not a program"
      program=$(realpath "$server")
      label=other
      ;;
    *) complain "--server is fuse4fs, fuse2fs, kernel or the path of a program, not '$server'" ;;
  esac
}
