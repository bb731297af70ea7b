#!/usr/bin/env bash
# Builds the fuzz targets and runs them one after the other.
#
#   run.sh SECONDS [TARGET...]   SECONDS is for each target; default: all of them.
#
# The stable compiler can do it: coverage is a pass of LLVM, and libFuzzer's engine comes with libfuzzer-sys. There is no
# AddressSanitizer, which the stable one cannot and code without `unsafe` needs less. What was found stays in
# target/fuzz/, inputs that reach something new and those that failed; it is where the next run begins.
set -euo pipefail

seconds=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
place=$root/target/fuzz
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=($(sed -n 's|^path = "targets/\(.*\)\.rs"$|\1|p' "$here/Cargo.toml"))

# What is fuzzed is what is built: the root's versions, and only the engine beside them.
cp "$root/Cargo.lock" "$here/Cargo.lock"
triple=$(rustc -vV | sed -n 's/^host: //p')
flags='--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4'
flags+=' -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table'
flags+=' -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1'
# With a target of its own, build scripts and macros go without the flags.
RUSTFLAGS=$flags CARGO_TARGET_DIR=$place cargo build --release --target "$triple" --manifest-path "$here/Cargo.toml"

failed=()
for target in "${targets[@]}"; do
    mkdir -p "$place/corpus/$target" "$place/found"
    echo "--- $target, $seconds s"
    log=$place/$target.log
    # Files with keys are those that the tests read.
    case $target in
        key_import) seeds=("$root"/issuer/crates/testkit/fixtures{,/import/{good,public,refused}}) ;;
        *) seeds=("$here/seeds/$target") ;;
    esac
    # The seeds' longest is what a bundle of several keys takes. 5 s: what takes longer is a finding too.
    "$place/$triple/release/$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -max_len=8192 \
        -print_final_stats=1 -artifact_prefix="$place/found/$target-" \
        "$place/corpus/$target" "${seeds[@]}" >"$log" 2>&1 || failed+=("$target")
    sed -n 's/^stat::number_of_executed_units: */executions: /p; s/^#.*DONE *\(cov: [0-9]*\).*/\1/p' "$log"
done
for target in ${failed[@]+"${failed[@]}"}; do
    echo "$target failed; the end of $place/$target.log:" >&2
    tail -n 30 "$place/$target.log" >&2
done
[ ${#failed[@]} = 0 ]
