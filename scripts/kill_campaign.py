"""The work of kill-campaign.sh, which says what it does."""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SIGNALS = ["KILL", "TERM", "INT", "USR1", "USR2", "HUP"]
# A signal that comes before a program's first instruction ends it in the system's way.
FIRST_INSTRUCTION = 0.02
TIMES = {"seconds", "images_per_s", "waiting", "exchanging"}
TINY = "--batch 16 --threads 2"


def idx(folder, part, count, salt):
    """Noise with a bright bar whose place is the class, as MNIST's files have it."""
    state, images, labels = salt, bytearray(), bytearray()
    for index in range(count):
        labels.append(index % 4)
        for pixel in range(28 * 28):
            state = (state * 1664525 + 1013904223) % 2**32
            images.append((state >> 24) // 3 + (150 if pixel % 28 // 7 == index % 4 else 0))
    sizes = b"".join(size.to_bytes(4, "big") for size in (count, 28, 28))
    (folder / f"{part}-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3]) + sizes + images)
    head = bytes([0, 0, 8, 1]) + count.to_bytes(4, "big")
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + labels)


class Command:
    """What is killed: its words, and whether the same words are run again."""

    def __init__(self, name, words, is_done=lambda out: False):
        self.name, self.words, self.is_done = name, words, is_done


def commands(data, base):
    model = f"--checkpoint {base}/model.safetensors --data {data}"
    tuned = f"{model} --recipe vicreg-small {TINY} --log-every 2"
    return [
        Command("continue", f"continue {tuned} --epochs 3 --held-out 20 --save-every 3"
                " --out out/run --resume-or-start"),
        # A second file is refused: where it is written already, there is nothing to run again.
        Command("embed", f"embed {model} --batch 8 --threads 1 --out out/e.npy",
                lambda out: (out / "e.npy").exists()),
        Command("sweep", f"sweep {tuned} --epochs 1 --knn-every 0 --seeds 2 --fractions 0.5"
                " --grid criterion.beta=0,1000 --save-every 4 --out out/sweep --resume-or-start"),
        # A second result is refused: where it is written already, there is nothing to run again.
        Command("probe", f"probe {model} --threads 1 --fractions 0.5 --seeds 3 --sgd-epochs 20"
                " --out out/probe", lambda out: (out / "probe/result.json").exists()),
    ]


def start(program, words, folder):
    (folder / "out").mkdir(exist_ok=True)
    return subprocess.Popen([program, *words.split()], cwd=folder, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def without_times(text):
    """The events of a log, but for what belongs to a moment."""
    events = [json.loads(line) for line in text.splitlines()]
    events = [event for event in events if event["event"] != "resume"]
    return [{k: v for k, v in event.items() if k not in TIMES} for event in events]


def left(folder):
    """Every file that a command leaves, without times; what belongs to a moment is not compared."""
    files = {}
    for path in sorted((folder / "out").rglob("*")):
        if path.is_file() and "tfevents" not in path.name:
            content = path.read_bytes()
            if path.name == "metrics.jsonl":
                content = without_times(content.decode())
            files[str(path.relative_to(folder))] = content
    return files


def difference(found, expected):
    for name in sorted(found.keys() | expected.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} is too many"
        if found[name] != expected[name]:
            return f"{name} differs"
    return None


def rests(folder):
    """Locks and temporary files: by path, which file that is and when it was written."""
    found = {}
    for path in (folder / "out").rglob("*"):
        if path.name == ".lock" or path.name.startswith(".e2mc-"):
            state = path.stat()
            found[str(path.relative_to(folder))] = (state.st_ino, state.st_mtime_ns)
    return found


class Campaign:
    def __init__(self, program, folder, seed):
        self.program, self.folder, self.seed = program, folder, seed
        data, base = folder / "data", folder / "base"
        data.mkdir()
        idx(data, "train", 400, 1)
        idx(data, "t10k", 40, 2)
        words = f"pretrain --recipe vicreg-small-pretrain --set backbone.width=4" \
            f" --set method.projector=[16,16] {TINY} --epochs 1 --knn-every 0" \
            f" --data {data} --out {base}"
        done = subprocess.run([program, *words.split()], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"the base cannot be trained: {done.stderr}")
        self.commands = commands(data, base)

    def undisturbed(self, command):
        """What the command leaves, and how long it takes."""
        found, seconds = [], []
        for number in range(2):
            folder = self.folder / f"{command.name}-whole-{number}"
            folder.mkdir()
            started = time.monotonic()
            child = start(self.program, command.words, folder)
            _, stderr = child.communicate()
            seconds.append(time.monotonic() - started)
            if child.returncode != 0:
                sys.exit(f"{command.name} fails undisturbed: {stderr}")
            found.append(left(folder))
        wrong = difference(found[1], found[0])
        if wrong:
            sys.exit(f"{command.name}: two undisturbed runs differ: {wrong}")
        return found[0], min(seconds)

    def kill(self, command, folder, draw, seconds):
        """Kills one run of the command; says what is wrong, or how it ended."""
        name = draw.choice(SIGNALS)
        moment = draw.uniform(FIRST_INSTRUCTION, 1.05 * seconds)
        before = rests(folder)
        child = start(self.program, command.words, folder)
        time.sleep(moment)
        child.send_signal(getattr(signal, f"SIG{name}"))
        try:
            stdout, stderr = child.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            return f"SIG{name} after {moment:.3f} s: does not end", "hung"
        code, what = child.returncode, f"SIG{name} after {moment:.3f} s"
        if name == "KILL":
            wrong = None if code in (0, -signal.SIGKILL) else f"exit code {code}: {stderr}"
        elif code == 3:
            said = "stopped by a signal" in stdout + stderr
            wrong = None if said else f"no message: {stdout}{stderr}"
            # What a SIGKILL left stays until a run comes to that folder: it holds no lock.
            own = [name for name, state in rests(folder).items() if before.get(name) != state]
            wrong = wrong or (f"left {own}" if own else None)
        else:
            wrong = None if code == 0 else f"exit code {code}: {stderr}"
        ends = {0: "done before", 3: "stopped"}
        return (f"{what}: {wrong}" if wrong else None), ends.get(code, "killed")

    def run(self, command, kills):
        expected, seconds = self.undisturbed(command)
        draw = random.Random(f"{self.seed} {command.name}")
        ends, wrong, number = {}, [], 0
        while number < kills:
            folder = self.folder / f"{command.name}-{number}"
            folder.mkdir()
            trial, problem = [], None
            # A job may be killed more than once before it is done.
            while problem is None and number < kills:
                number += 1
                problem, end = self.kill(command, folder, draw, seconds)
                ends[end] = ends.get(end, 0) + 1
                trial.append(end)
                if end == "done before" or draw.random() < 0.7:
                    break
                if command.is_done(folder / "out"):
                    break
            if problem is None and not command.is_done(folder / "out"):
                child = start(self.program, command.words, folder)
                _, stderr = child.communicate()
                if child.returncode != 0:
                    problem = f"run again: exit code {child.returncode}: {stderr}"
            if problem is None and rests(folder) and "killed" not in trial:
                problem = f"run again: left {list(rests(folder))}"
            if problem is None:
                found = {name: content for name, content in left(folder).items()
                         if pathlib.Path(name).name not in (".lock",)
                         and ".e2mc-" not in name}
                problem = difference(found, expected)
            if problem:
                wrong.append(problem)
                print(f"{command.name}, kill {number} ({', '.join(trial)}): {problem}"
                      f" [{folder}]", flush=True)
            else:
                shutil.rmtree(folder)
        counts = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
        print(f"{command.name}: {number} kills within {seconds:.1f} s ({counts}),"
              f" {len(wrong)} with a difference", flush=True)
        return not wrong


def main(kind=Campaign, kills=200):
    words = sys.argv[1:]
    kills = int(words[0]) if words else kills
    seed = int(words[1]) if len(words) > 1 else 0
    program = pathlib.Path(os.environ.get("E2MC", "target/release/e2mc")).resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="e2mc-kills-"))
    campaign = kind(program, folder, seed)
    names = words[2:] or [command.name for command in campaign.commands]
    known = {command.name: command for command in campaign.commands}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no such command: {', '.join(unknown)}; there are {', '.join(known)}")
    right = [campaign.run(known[name], kills) for name in names]
    if not all(right):
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
