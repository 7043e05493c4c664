"""The work of kill-processes.sh, which says what it does."""

import collections
import os
import pathlib
import re
import signal
import subprocess
import time

import kill_campaign
from kill_campaign import Command, rests, start

SIZE = 2
TIMEOUT = 30
# Beyond the timeout the launcher gives the others some time, and the machine may be busy.
LIMIT = TIMEOUT + 60


def member(launcher, rank):
    """The process of that number which the launcher has started; none before it has."""
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            status = (folder / "status").read_text()
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"PPid:\t{launcher}\n" in status and f"RANK={rank}".encode() in variables:
            return int(folder.name)
    return None


def lives(pid):
    try:
        return "State:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


class Processes(kill_campaign.Campaign):
    """Kills a process beside the launcher, instead of the command itself."""

    def __init__(self, program, folder, seed):
        super().__init__(program, folder, seed)
        words = next(command.words for command in self.commands if command.name == "continue")
        self.commands = [Command("continue", f"{words} --nproc {SIZE} --timeout {TIMEOUT}")]
        self.said = collections.Counter()

    def kill(self, command, folder, draw, seconds):
        rank = draw.randrange(SIZE)
        moment = draw.uniform(kill_campaign.FIRST_INSTRUCTION, 1.05 * seconds)
        what = f"process {rank} after {moment:.3f} s"
        before = rests(folder)
        child = start(self.program, command.words, folder)
        time.sleep(moment)
        while (pid := member(child.pid, rank)) is None and child.poll() is None:
            time.sleep(0.002)
        others = [member(child.pid, other) for other in range(SIZE) if other != rank]
        killed = time.monotonic()
        if pid is not None:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            _, stderr = child.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            return f"{what}: does not end", "hung"
        seconds = time.monotonic() - killed
        if child.returncode == 0:
            return None, "done before"
        wrong = self.wrong(child.returncode, stderr, rank)
        if wrong is None and any(lives(other) for other in others if other):
            wrong = "another process goes on"
        # A process that is killed while it writes leaves the beginning of a file, beside the file itself.
        own = [name for name, state in rests(folder).items() if before.get(name) != state]
        if wrong is None and rank != 0 and own:
            wrong = f"left {own}"
        return (f"{what}: {wrong}; ended {seconds:.1f} s later" if wrong else None), "killed"

    def wrong(self, code, stderr, rank):
        """What is wrong with the end of a run that has lost the process."""
        errors = re.findall(r"^error: (.*)$", stderr, re.MULTILINE)
        if code != 1 or len(errors) != 1 or "panicked" in stderr:
            return f"exit code {code}: {stderr}"
        if not errors[0].startswith(f"process {rank} of {SIZE} "):
            return f"another message: {stderr}"
        self.said[errors[0]] += 1
        return None

    def run(self, command, kills):
        right = super().run(command, kills)
        for message, count in self.said.most_common():
            print(f"{count:5} x {message}", flush=True)
        return right


if __name__ == "__main__":
    kill_campaign.main(Processes, 100)
