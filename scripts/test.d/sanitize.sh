# What scripts/test --sanitize=thread|address changes. Sourced by scripts/test.
# shellcheck shell=bash

# Tests that sanitized code does not run, and why. What is not here must be clean.
not_sanitized() {
  cat <<'END'
CrashTests\.(ExplorationTests|CrashMutationTests)/	ten thousand disks, judged one after the other by one thread
IomapTests\.MutationTests/	faults on purpose: what is looked at there is whether tests find them
MountTests\.RealMounts/(FstestsScriptTests|TestScriptTests)/	scripts
MountTests\.RealMounts/MemoryLimitTests/	the sanitizers reserve more addresses than any limit leaves
END
}

# Compiles scripts/test.d/$1.c, for all that is linked.
link_in() {
  if ! command -v clang >/dev/null; then
    echo "scripts/test: there is no clang in PATH, as a toolchain of Swift has it" >&2
    exit 1
  fi
  mkdir -p "$scratch"
  clang -Wall -Werror -O1 -fPIC -c "scripts/test.d/$1.c" -o "$scratch/$1.o"
  flags+=(-Xlinker "$PWD/$scratch/$1.o")
}

# Sets flags, scratch, environment and run for the sanitizer $1.
sanitize() {
  local expression reason
  scratch=.build/tests-$1
  flags+=(--sanitize="$1")
  # A report is a file in the directory of the reports, of whichever process; suites.py shows it and counts it as a failure.
  local common="exitcode=66"
  case $1 in
    thread)
      # force_background_thread: only a background thread that the runtime starts at the beginning, not at a fork, makes it know how to end
      # such threads (sanitized-sandbox.c).
      export TSAN_OPTIONS="$common:suppressions=$PWD/scripts/test.d/thread.suppressions:history_size=4:force_background_thread=1"
      link_in thread-mutex
      ;;
    # What is still allocated when a process ends, the kernel frees.
    address) export ASAN_OPTIONS="$common:detect_leaks=0:detect_stack_use_after_return=1:strict_string_checks=1" ;;
    *)
      echo "scripts/test: there is no sanitizer $1 here: it is thread or address" >&2
      exit 1
      ;;
  esac
  link_in sanitized-sandbox
  while IFS=$'\t' read -r expression reason; do
    echo "Not with --sanitize: $expression ($reason)"
    run+=("--skip=$expression")
  done < <(not_sanitized)
  run+=("--sanitizer=$1")
}
