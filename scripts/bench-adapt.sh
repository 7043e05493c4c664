#!/bin/sh
# Whitening against scikit-learn's PCA(whiten=True), in turn. PYTHON names a python3 with scikit-learn; ROWS and DIMS,
# if set, another size than 100,000 x 2048.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
if ! "$python" -c 'import sklearn' 2>/dev/null; then
    echo "bench-adapt: skipped, $python has no scikit-learn (set PYTHON)" >&2
    exit 0
fi
data=${DATA:-$(mktemp -d)}
[ -n "${DATA:-}" ] || trap 'rm -rf "$data"' EXIT
[ -e "$data/adapt.npy" ] || "$python" scripts/peers/adapt.py data "$data" "${ROWS:-100000}" "${DIMS:-2048}"
bench=$(cargo bench --package e2mc-eval --bench adapt --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*adapt-[^"]*\)".*/\1/p' | tail -n 1)
echo "Whitening (milliseconds to fit)"
# shellcheck disable=SC2086  # several cases
python3 scripts/in_turn.py "${ROUNDS:-3}" time_ms "$bench" "$data" ${CASES:-memory stream} -- \
    "$python" scripts/peers/adapt.py "$data" ${CASES:-memory stream}
