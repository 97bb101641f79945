# Which tests run. Sourced by scripts/fstests.
# shellcheck shell=bash

# The tests of a group in one directory, from the list that the tree's make wrote.
group_in() {
  local directory=$1 group=$2
  awk -v group="$group" -v directory="$directory" '
    /^[^#]/ { for (i = 2; i <= NF; i++) if ($i == group) { print directory "/" $1; break } }
  ' "$tree/tests/$directory/group.list"
}

tests_of_group() {
  local group=$1
  case $group in
    */*)
      [ -f "$tree/tests/${group%%/*}/group.list" ] || complain "the tree has no tests in ${group%%/*}"
      group_in "${group%%/*}" "${group#*/}"
      ;;
    *)
      group_in generic "$group"
      group_in ext4 "$group"
      ;;
  esac
}

tests_of_name() {
  local pattern=$1 path found=''
  # shellcheck disable=SC2086  # A pattern.
  for path in "$tree"/tests/$pattern; do
    if [ ! -f "$path" ] || [[ ! $path =~ /[0-9]+$ ]]; then continue; fi
    echo "${path#"$tree"/tests/}"
    found=yes
  done
  [ -n "$found" ] || complain "the tree has no test '$pattern'"
}

# Sets `tests`, in the order of their names.
select_tests() {
  local list group name
  list=$(
    for group in "${groups[@]}"; do tests_of_group "$group"; done
    for name in "${names[@]}"; do tests_of_name "$name"; done
  )
  if [ -n "$exclude" ]; then
    list=$(grep -vxF -f <(sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$exclude") <<<"$list" || true)
  fi
  mapfile -t tests < <(sort -u <<<"$list" | sed '/^$/d')
  [ ${#tests[@]} -gt 0 ] || complain "no test is selected"
}
