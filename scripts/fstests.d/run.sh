# Running the tests, one after the other. Sourced by scripts/fstests.
# shellcheck shell=bash

run_tests() {
  local name number=0
  : >"$output/results.tsv"
  for name in "${tests[@]}"; do
    number=$((number + 1))
    heading=$(printf '%4d/%d %-12s' "$number" "${#tests[@]}" "$name")
    # Before the test runs, so that one sees which one does. The rest of the line follows.
    printf '%s ' "$heading"
    run_test "$name"
    [ ! -t 1 ] || printf '\r%s ' "$heading"
    printf '%-7s %4ss  %s\n' "$verdict" "$seconds" "${kind:+($kind) }$reason"
    printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$verdict" "$kind" "$seconds" "$reason" >>"$output/results.tsv"
  done
}

# On a terminal: for how long the test has been running.
show_progress() {
  [ ! -t 1 ] || printf '\r%s running %4ss of at most %ss' "$heading" "$1" "$limit"
}

# Runs one test. Sets `verdict` (pass, fail, notrun), `kind` of a failure, `seconds` and `reason`.
run_test() {
  local name=$1 from to status=0
  local kept=$output/$name
  rm -rf "$work/results" "$work/tree.upper" "$work/tree.work" "$work/tmp" "$work/log" "$kept"
  mkdir -p "$work"/{results,tree.upper,tree.work,tmp,log} "$kept"
  chmod 1777 "$work/tmp"
  write_type "$name"

  from=$(date +%s)
  # The process that has number 1 in there takes all others with it when it ends.
  setsid unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
    "$self/without-other-mounts" "$work" "$tree" -- \
    "$python" "$work/init.py" "$work" "$tree" "$label-server" "$limit" "$name" </dev/null >"$work/log/init" 2>&1 &
  running=$!
  # Until after its own limit, in which it ends what hangs.
  await "$running" $((limit + 90)) || {
    kill -KILL "$running" 2>/dev/null || true
    printf 'hang\tthe namespace of the test did not end: a process cannot be killed\n' >>"$work/log/events"
  }
  wait "$running" || status=$?
  running=''
  to=$(date +%s)
  seconds=$((to - from))

  detach_loops_of_tests
  judge "$name" "$status"
  keep_output "$name" "$kept"
}

# Waits for a child, but not for ever.
await() {
  local child=$1 turns=$(($2 * 5)) turn
  for ((turn = 0; turn < turns; turn++)); do
    [ -d "/proc/$child" ] && [ "$(cut -d " " -f 3 "/proc/$child/stat" 2>/dev/null)" != Z ] || return 0
    [ $((turn % 5)) != 4 ] || show_progress $(((turn + 1) / 5))
    sleep 0.2
  done
  return 1
}

# What went wrong, by kind, the worst first: `crash` and `hang` are what init.py saw of servers and limits, `e2fsck` is a file system
# that is not sound, `setup` says that the test did not even begin, and `output` that it found something else than it should.
judge() {
  local name=$1 status=$2 checked=0
  local base=$work/results/$name
  verdict=fail kind='' reason=''
  if [ -s "$work/log/events" ]; then
    reason=$(cut -f 2 "$work/log/events" | paste -sd ';')
    kind=$(cut -f 1 "$work/log/events" | grep -m 1 -x crash || cut -f 1 "$work/log/events" | head -n 1)
  elif [ "$status" = 125 ]; then
    kind=setup
    reason="the namespaces of the test could not be set up: $(tail -n 1 "$work/log/init")"
  elif [ -f "$base.notrun" ]; then
    verdict=notrun
    reason=$(head -n 1 "$base.notrun")
  elif [ "$status" = 0 ] && grep -q '^Passed all 1 tests' "$work/log/check"; then
    verdict=pass
  else
    kind=output
    reason=$(sed -n "s|^${name}[[:space:]]*||p" "$work/log/check" 2>/dev/null | head -n 1 | sed 's|(see .*||')
    [ -n "$reason" ] || reason="check ended with $status: $(tail -n 1 "$work/log/check" 2>/dev/null)"
    reason="$reason $(first_difference)"
    ! is_inconsistent || kind=e2fsck
  fi

  e2fsck -fn "$test_device" >"$work/log/e2fsck" 2>&1 || checked=$?
  if [ "$checked" != 0 ]; then
    reason="e2fsck finds errors on the test device (exit code $checked)${reason:+; $reason}"
    # What a crash or a hang leaves is not the test's to answer for.
    case $kind in crash | hang) ;; *) kind=e2fsck ;; esac
    verdict=fail
  fi
  # The next test begins with a sound file system.
  [ "$verdict" != fail ] || format_test_device
}

# The test has had a device checked, and that was not sound.
is_inconsistent() {
  grep -qE '^_check_|is inconsistent' "$work/log/check"
}

# What a failed test printed: the file system is inconsistent, or the first lines that differ from what it should print.
first_difference() {
  local found
  found=$(grep -m 1 -E '^_check_|is inconsistent' "$work/log/check" || true)
  [ -n "$found" ] || found=$(grep -E '^ {4}[-+]' "$work/log/check" | grep -vE '^ {4}(---|\+\+\+) ' | head -n 3 |
    cut -c 5-160 | tr '\t\n' '  ' || true)
  echo "$found"
}

keep_output() {
  local name=$1 kept=$2 file
  for file in "$work/log"/*; do
    [ ! -s "$file" ] || cp "$file" "$kept/"
  done
  for file in "$work/results/$name".*; do
    [ ! -s "$file" ] || { tail -c 4M "$file" >"$kept/${file##*/}"; }
  done
  [ "$verdict" = fail ] || rm -f "$kept/e2fsck" "$kept"/*.full
}

# The exit code of the whole: whether a test failed that is not expected to.
report() {
  local code=0
  "$python" "$parts/report.py" --results "$output/results.tsv" --expected "$expected" --output "$output" \
    --label "$label" --server "$(describe_server)" --options "$(sed -n "s/.* TEST_FS_MOUNT_OPTS='-o \(.*\)'/\1/p" "$work/local.config")" \
    --mkfs "${mkfs_options[*]}" --groups "${groups[*]} ${names[*]}" --seconds $(($(date +%s) - started)) \
    --size "$size" --limit "$limit" || code=$?
  echo "Everything is in $output"
  exit "$code"
}

describe_server() {
  case $label in
    kernel) echo "the kernel's ext4" ;;
    *) echo "$label ($("$program" -V 2>&1 </dev/null | head -n 1))" ;;
  esac
}
