#!/bin/sh
# k-NN, the linear SVM and logistic regression against scikit-learn, in turn. PYTHON names a python3 with scikit-learn;
# FASHION, if set, a folder with Fashion-MNIST's IDX files, on whose pixels both are run too; CASES chooses some.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
if ! "$python" -c 'import sklearn' 2>/dev/null; then
    echo "bench-eval: skipped, $python has no scikit-learn (set PYTHON)" >&2
    exit 0
fi
data=${DATA:-$(mktemp -d)}
[ -n "${DATA:-}" ] || trap 'rm -rf "$data"' EXIT
[ -e "$data/logistic_train.npy" ] || "$python" scripts/peers/eval.py data "$data" ${FASHION:-}
bench=$(cargo bench --package e2mc-eval --bench peers --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*peers-[^"]*\)".*/\1/p' | tail -n 1)
cases=${CASES:-knn-cosine knn-euclidean svm-0.01 logistic}
[ -z "${FASHION:-}" ] || cases="$cases knn-fashion-cosine svm-fashion-0.01 logistic-fashion"
echo "Evaluation of embeddings (milliseconds)"
# shellcheck disable=SC2086  # several cases
python3 scripts/in_turn.py "${ROUNDS:-3}" time_ms "$bench" "$data" $cases -- "$python" scripts/peers/eval.py "$data" $cases
