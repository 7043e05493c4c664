#!/usr/bin/env python3
"""Runs two benchmarks in turn and prints a Markdown table of their figures and ratios.

usage: in_turn.py ROUNDS KEY A_COMMAND -- B_COMMAND

Each command prints one JSON object a line with a `case` and the figure KEY. A is this project, B the
peer. A ratio above 1 means that A is better: for a KEY that ends in `_ms`, smaller is better. The
commands run A B A B ..., so that a machine whose speed drifts treats both alike; figures and ratios are
medians over the rounds, ratios taken round by round. With KEY=NAME[:OTHER] the peer's key is OTHER.
"""
import json
import math
import subprocess
import sys


def figures(command, key):
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit("error: `%s` ended with code %d" % (" ".join(command), result.returncode))
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return {line["case"]: line[key] for line in lines if key in line}


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def main():
    rounds, keys, *commands = sys.argv[1:]
    ours, _, theirs = keys.partition(":")
    split = commands.index("--")
    a, b = commands[:split], commands[split + 1 :]
    runs = [(figures(a, ours), figures(b, theirs or ours)) for _ in range(int(rounds))]
    print("| case | e2mc, %s | peer, %s | ratio | least and most |" % (ours, theirs or ours))
    print("|---|---|---|---|---|")
    middles = []
    for case in runs[0][0]:
        if case not in runs[0][1]:
            continue
        pairs = [(x[case], y[case]) for x, y in runs]
        ratios = [y / x if ours.endswith("_ms") else x / y for x, y in pairs]
        middles.append(median(ratios))
        print(
            "| %s | %.4g | %.4g | %.2f | %.2f to %.2f |"
            % (case, median(x for x, _ in pairs), median(y for _, y in pairs), middles[-1], min(ratios), max(ratios))
        )
    if not middles:
        sys.exit("error: the two have no case in common: %s, %s" % (sorted(runs[0][0]), sorted(runs[0][1])))
    mean = math.exp(sum(map(math.log, middles)) / len(middles))
    if len(middles) > 1:
        print("| geometric mean | | | %.2f | |" % mean)


main()
