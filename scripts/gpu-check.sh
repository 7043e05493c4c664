#!/bin/sh
# Checks the program on a machine that has a GPU and nothing else but Python 3 with torch 2.11.
#
#   scripts/gpu-check.sh pack BUNDLE.tar.xz    build, strip and pack what is needed
#   scripts/gpu-check.sh run [OPTIONS]         run it here, from the sources or from an unpacked bundle
#
# The bundle holds this script: unpack it anywhere (`python3 -m tarfile -e BUNDLE.tar.xz`) and run
# `sh gpu-check.sh run`. `run --help` lists the options; --device cpu tries everything on small shapes
# without a GPU. PYTHON names the Python.
# With PROGRAMS=DIR and TESTS=DIR, `pack` takes e2mc and e2mc-engine, and the test program, from there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
test=network

pack() {
    root=$(cd "$here/.." && pwd)
    programs=${PROGRAMS:-$root/target/release}
    built=${TESTS:-$root/target/release/deps}
    cd "$root"
    [ -n "${PROGRAMS:-}" ] || cargo build --release --workspace --bins
    if [ -z "${TESTS:-}" ]; then
        # The whole workspace's features, so that nothing is compiled twice.
        cargo test --release --workspace --no-run --test $test
    fi
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    bundle=$folder/e2mc-gpu-check
    mkdir -p "$bundle/bin" "$bundle/tests" "$bundle/golden" "$bundle/peers"
    for program in e2mc e2mc-engine; do
        strip -o "$bundle/bin/$program" "$programs/$program"
    done
    newest=$(ls -t "$built/$test"-* | grep -v '\.d$' | head -n 1)
    strip -o "$bundle/tests/$test" "$newest"
    for golden in objective optim backbone encoders; do
        cp -r "crates/e2mc-train/tests/golden/$golden" "$bundle/golden/"
    done
    cp -r sample "$bundle/sample"
    cp scripts/gpu-check.sh scripts/gpu_check.py "$bundle/"
    cp scripts/peers/gpu_*.py "$bundle/peers/"
    (cd "$folder" && "$python" -m tarfile -c bundle.tar.xz e2mc-gpu-check)
    cd "$started"
    cp "$folder/bundle.tar.xz" "$1"
    # What goes to another machine is this and perhaps the sources.
    sources=$(cd "$root" && git ls-files -z | xargs -0 du -cb | tail -n 1 | cut -f 1)
    echo "$1: $(($(wc -c <"$1") / 1048576)) MiB, and $((sources / 1048576)) MiB of sources"
}

started=$(pwd)
case ${1:-} in
pack) pack "${2:?name the bundle}" ;;
run) shift && exec "$python" "$here/gpu_check.py" "$@" ;;
*) sed -n '2,10s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
