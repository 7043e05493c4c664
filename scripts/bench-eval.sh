#!/bin/sh
# Times k-NN, the linear SVM and logistic regression against scikit-learn, in turn on this machine.
# PYTHON names a Python with scikit-learn; FASHION, if set, a folder with Fashion-MNIST's IDX files; ROUNDS (3) and CASES
# choose how often and what. Prints every run as a JSON object, then the median ratio of each case.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
if ! "$python" -c 'import sklearn' 2>/dev/null; then
    echo "bench-eval: skipped, $python has no scikit-learn (set PYTHON)"
    exit 0
fi
folder=${DATA:-$(mktemp -d)}
[ -n "${DATA:-}" ] || trap 'rm -rf "$folder"' EXIT
[ -e "$folder/logistic_train.npy" ] || "$python" scripts/peers/eval.py data "$folder" ${FASHION:-}
program=$(cargo bench -q -p e2mc-eval --bench peers --no-run --message-format json |
    sed -n 's/.*"executable":"\([^"]*peers[^"]*\)".*/\1/p' | tail -1)
cases=${CASES:-knn-cosine knn-euclidean svm-0.01 svm-1 logistic}
[ -z "${FASHION:-}" ] || cases="$cases knn-fashion-cosine svm-fashion-0.01 logistic-fashion"
for case in $cases; do
    for _ in $(seq "${ROUNDS:-3}"); do
        "$program" "$case" "$folder"
        "$python" scripts/peers/eval.py "$case" "$folder"
    done
done | tee "$folder/runs.jsonl"
"$python" - "$folder/runs.jsonl" <<'END'
import json, statistics, sys
runs = [json.loads(line) for line in open(sys.argv[1])]
for case in dict.fromkeys(run["case"] for run in runs):
    ours, theirs = ([r for r in runs if r["case"] == case and r["side"] == s] for s in ("e2mc", "scikit-learn"))
    ratio = statistics.median(b["ms"] / a["ms"] for a, b in zip(ours, theirs))
    print(f"{case}: scikit-learn takes {ratio:.2f} times as long; accuracy {ours[0]['accuracy']} against {theirs[0]['accuracy']} %")
END
