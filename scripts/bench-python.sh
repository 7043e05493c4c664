#!/bin/sh
# The Python package against the authors' formula in plain PyTorch and against scikit-learn, in turn. PYTHON names a python3
# with the wheel e2mc, torch 2.11 and scikit-learn, such as target/python-torch-tests/bin/python. SHAPES ("512x128 gaussian;
# 64x32 sigmoid") and CASES choose some; DATA is a folder with the data of other runs; ROWS and DIMS are Adapter's.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-target/python-torch-tests/bin/python}
if ! "$python" -c 'import e2mc, torch, sklearn' 2>/dev/null; then
    echo "bench-python: skipped, $python has not all of e2mc, torch and scikit-learn (set PYTHON)" >&2
    exit 0
fi
threads=${THREADS:-2}
repeats=${REPEATS:-5}
rounds=${ROUNDS:-3}
export RAYON_NUM_THREADS="$threads"
data=${DATA:-$(mktemp -d)}
[ -n "${DATA:-}" ] || trap 'rm -rf "$data"' EXIT

echo "E2MCLoss, value and gradient, $threads threads (milliseconds)"
shapes=${SHAPES:-512x128 gaussian;512x2048 gaussian;512x8192 sigmoid;4096x2048 gaussian;16384x512 gaussian}
(
    set -f
    IFS=';'
    # shellcheck disable=SC2086  # several shapes
    python3 scripts/in_turn.py "$rounds" median_ms "$python" scripts/bench_python.py criterion "$threads" "$repeats" $shapes \
        -- "$python" scripts/peers/criterion.py "$threads" "$repeats" $shapes

    printf '\nTwo calls of value_and_grad: from two Python threads at once, and (as the peer) one after the other (milliseconds)\n'
    # shellcheck disable=SC2086
    python3 scripts/in_turn.py "$rounds" time_ms "$python" scripts/bench_python.py calls together "$repeats" $shapes \
        -- "$python" scripts/bench_python.py calls apart "$repeats" $shapes
)

[ -e "$data/logistic_train.npy" ] || "$python" scripts/peers/eval.py data "$data"
cases=${CASES:-knn-cosine knn-euclidean svm-0.01 logistic-cv}
printf '\nknn, svm and logistic (milliseconds)\n'
# shellcheck disable=SC2086  # several cases
python3 scripts/in_turn.py "$rounds" time_ms "$python" scripts/bench_python.py eval "$data" $cases \
    -- "$python" scripts/peers/eval.py "$data" $cases

[ -e "$data/adapt.npy" ] || "$python" scripts/peers/adapt.py data "$data" "${ROWS:-100000}" "${DIMS:-2048}"
printf '\nAdapter, whitening (milliseconds to fit)\n'
python3 scripts/in_turn.py "$rounds" time_ms "$python" scripts/bench_python.py adapt "$data" memory \
    -- "$python" scripts/peers/adapt.py "$data" memory
