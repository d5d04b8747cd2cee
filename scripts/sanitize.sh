#!/usr/bin/env bash
# NVIDIA's compute-sanitizer over the native tests that use a GPU:
#   node scripts/build-native.mjs --tests --cuda 90 && scripts/sanitize.sh [memcheck racecheck initcheck synccheck]
#
# The tests are cut into pieces that run side by side, with few of many like cases (KIGO_SMALL_TESTS); every kernel runs.
# Left out are the cases "cuda by itself: …", which break the GPU on purpose or fill its memory.
# Environment: KIGO_TESTS, the folder of kigo_tests; JOBS, pieces at a time; LIMIT, seconds for each; LOGS, a folder.
# Ends with what was not clean, and then with status 1.
set -u
tests=$(cd "${KIGO_TESTS:-$(dirname "$0")/../build/native/release}" && pwd) || exit 2
jobs=${JOBS:-8}  # more wait for one another: 8 finished more pieces a minute than 20 on an H200 with 16 cores
limit=${LIMIT:-1800}
logs=${LOGS:-$(mktemp -d)}
tools=("$@")
[ $# -gt 0 ] || tools=(racecheck initcheck memcheck synccheck)
command -v compute-sanitizer > /dev/null || { echo "compute-sanitizer is not on the PATH (CUDA's toolkit has it)."; exit 2; }
export KIGO_SMALL_TESTS=1
# Matrix products are our own kernels': instrumenting cuBLAS takes minutes a process, and initcheck misses what its
# kernels write by bulk copies, so that it calls their results uninitialised.
export KIGO_GEMM=${KIGO_GEMM:-own}

# Each set of tests: how doctest finds it, how many of its cases a piece has, and in how many shares a case is cut.
long='cuda:*every?variant*,cuda:*types?mixed*,cuda:*in?parts?on?one*,cuda:*GPUs?and?the?CPU*,cuda:?matmul*'
sets=("-tc=$long|1|6" "-tc=cuda:* -tce=$long|1|1" '-sf=*conformance_test.cpp -sc=cuda*|2|1' '-sf=*generate_test.cpp -sc=cuda*|1|1')

piece() { # tool, first case, last case, share, filters
  local name log start status verdict
  name=$(echo "$1-$2-$4-$5" | tr -c 'a-z0-9\n' '-' | tr -s '-')
  log="$logs/$name.log"
  start=$SECONDS
  export KIGO_TEST_SHARE=$4
  # shellcheck disable=SC2086  # the filters are several words
  timeout "$limit" compute-sanitizer --tool "$1" --error-exitcode 99 --print-limit 30 \
    "$tests/kigo_tests" --duration=true --no-colors=true --first="$2" --last="$3" $5 > "$log" 2>&1
  status=$?
  case $status in
    0) verdict=clean ;;
    124) verdict=unfinished ;;
    *) verdict="NOT CLEAN ($status)" ;;
  esac
  grep -q 'skipped: no NVIDIA GPU\|skipped: CUDA was not built' "$log" && verdict='NO GPU'
  if [ "$verdict" = clean ]; then
    grep -q ' SUMMARY: ' "$log" || verdict='NOT CHECKED'
    grep ' SUMMARY: ' "$log" | grep -vq ' SUMMARY: 0 ' && verdict='NOT CLEAN'
  fi
  echo "$1 $2-$3 ($4) of $5: $verdict, $((SECONDS - start)) s, $log" >> "$logs/table"
}
export -f piece
export tests limit logs

: > "$logs/table"
for tool in "${tools[@]}"; do
  for set in "${sets[@]}"; do
    IFS='|' read -r filters size shares <<< "$set"
    # shellcheck disable=SC2086
    n=$("$tests/kigo_tests" -c --no-colors=true $filters | sed -n 's/.*current filters: //p')
    for ((i = 1; i <= n; i += size)); do
      for ((k = 1; k <= shares; ++k)); do printf '%s\0' "$tool" $i $((i + size - 1)) $k/$shares "$filters"; done
    done
  done
done | xargs -0 -n 5 -P "$jobs" bash -c 'piece "$@"' -

echo "$(grep -c ': clean, ' "$logs/table") of $(wc -l < "$logs/table") pieces are clean; the logs are in $logs"
! grep -v ': clean, ' "$logs/table"
