#!/usr/bin/env python3
"""Runs two builds of e2mc on the shipped sample and compares every number that they give.

usage: compare_programs.py OLD NEW [FOLDER]     (paths of the programs; FOLDER keeps what they wrote)

Continues the base for an epoch, then embeds, probes, classifies, inspects and scores. Weights are compared
byte by byte, figures as they are printed. A number may have moved within the JSON, so figures are compared by
the name of their key, in the order in which they come. Exits with 1 where a number differs or is gone.
"""

import json
import os
import subprocess
import sys
import tempfile

DATA = ["--data", "sample"]
MODEL = ["--checkpoint", "sample/base.safetensors"]
# Times and names differ from run to run; what is counted or measured must not.
LEFT_OUT = {"seconds", "images_per_s", "waiting", "e2mc", "version", "format", "milliseconds", "threads"}
# Settings that version 0.1 of a result had and later ones say otherwise: seeds as a list, the flip where views are random.
LEFT_OUT |= {"seeds", "seed_list", "flip"}


def commands(out):
    embed = [f"{out}/train.npy", f"{out}/test.npy"]
    files = ["--train", embed[0], "--train-labels", f"{out}/train.labels.npy"]
    files += ["--test", embed[1], "--test-labels", f"{out}/test.labels.npy"]
    yield "continue", ["continue", "--recipe", "swav-small", *MODEL, *DATA, "--epochs", "1", "--max-images", "3000",
                       "--out", f"{out}/run", "--log-every", "1", "--json"]
    for split, path in zip(["train", "test"], embed):
        yield f"embed-{split}", ["embed", *MODEL, *DATA, SPLIT, split, "--out", path, "--json"]
    yield "probe", ["probe", *MODEL, *DATA, "--fractions", "0.03,0.1", "--seeds", "2", "--json"]
    yield "probe-files", ["probe", *files, "--fractions", "0.05", "--seeds", "2", "--json"]
    yield "knn", ["knn", *MODEL, *DATA, "--json"]
    yield "knn-files", ["knn", *files, "--json"]
    yield "svm", ["svm", *MODEL, *DATA, "--json"]
    yield "inspect", ["inspect", *MODEL, "--checkpoint", f"{out}/run/model.safetensors", *DATA, "--json"]
    yield "score", ["score", embed[1], "--transform", "gaussian", "--beta", "1", "--gamma", "25", "--json"]


SPLIT = "--part"


def run(program, out):
    os.makedirs(out, exist_ok=True)
    results = {}
    for name, arguments in commands(out):
        if name.startswith("embed"):
            help_text = subprocess.run([program, "embed", "--help"], capture_output=True, text=True).stdout
            arguments = ["--split" if word == SPLIT and "--split" in help_text else word for word in arguments]
        done = subprocess.run([program, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"{program} {' '.join(arguments)}\n{done.stderr}")
        results[name] = json.loads(done.stdout)
        print(f"  {name}", flush=True)
    lines = open(f"{out}/run/metrics.jsonl").read().splitlines()
    results["metrics"] = [json.loads(line) for line in lines if json.loads(line)["event"] in ("step", "epoch")]
    return results


def numbers(value, key="", found=None):
    """The numbers of each key, in the order in which they come."""
    found = {} if found is None else found
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in LEFT_OUT:
                numbers(inner, name, found)
    elif isinstance(value, list):
        for inner in value:
            numbers(inner, key, found)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found.setdefault(key, []).append(value)
    return found


def weights(path):
    """Name, type, shape and bytes of each tensor of a safetensors file."""
    data = open(path, "rb").read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length:]
    return {name: (t["dtype"], t["shape"], body[slice(*t["data_offsets"])]) for name, t in header.items()}


def main():
    old, new = sys.argv[1:3]
    folder = sys.argv[3] if len(sys.argv) > 3 else tempfile.mkdtemp()
    outs = [f"{folder}/old", f"{folder}/new"]
    results = []
    for program, out in zip([old, new], outs):
        print(program, flush=True)
        kept = f"{out}/results.json"
        if not os.path.exists(kept):
            found = run(program, out)
            json.dump(found, open(kept, "w"))
        results.append(json.load(open(kept)))
    wrong = 0
    before, after = (weights(f"{out}/run/model.safetensors") for out in outs)
    if before != after:
        wrong += 1
        print("model.safetensors: the weights differ")
    for name, old_result in results[0].items():
        found = [numbers(old_result), numbers(results[1][name])]
        count = 0
        for key, values in found[0].items():
            others = found[1].get(key, [])
            remaining = iter(others)
            # Further numbers under the same key are no loss; a missing or another one is.
            lost = [value for value in values if value not in remaining]
            count += len(values)
            if lost:
                wrong += 1
                print(f"{name}: {key}: {len(lost)} of {len(values)} numbers differ or are gone, first {lost[0]} (now {others[:3]})")
        print(f"{name}: {count} numbers compared")
    print("equal" if wrong == 0 else f"{wrong} differences")
    sys.exit(1 if wrong else 0)


main()
