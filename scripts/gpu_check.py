#!/usr/bin/env python3
"""What scripts/gpu-check.sh runs: parts, each alone if asked, each within minutes.

program   embeds, continues, resumes; bfloat16 against float32; what a lack of memory says
golden    golden cases of criterion, methods, optimisers and networks on the device
speed     ResNet-50 with VICReg and with SwAV, both with E2MC, in turn with plain PyTorch

Writes OUT/result.json and OUT/table.md (for docs/benchmarks-gpu.md) and ends with 1 where a check failed.
"""
import argparse, ast, json, os, re, shutil, struct, subprocess, sys, threading, time, zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
IS_BUNDLE = (HERE / 'bin').is_dir()
BIN = HERE / 'bin' if IS_BUNDLE else ROOT / 'target/release'
SAMPLE = HERE / 'sample' if IS_BUNDLE else ROOT / 'sample'
GOLDEN = HERE / 'golden' if IS_BUNDLE else ROOT / 'crates/e2mc-train/tests/golden'
PEERS = HERE / 'peers' if IS_BUNDLE else ROOT / 'scripts/peers'
TEST_PROGRAM = 'network'
TESTS = {
    # Module of it: what the names of those of its tests hold that say something about a device.
    'objective': ['matches'],
    'optim': ['golden'],
    'backbone': ['matches_the_authors', 'trains_like', 'bfloat16', 'normalises'],
    'encoders::parity': ['features_and_gradients', 'bfloat16'],
    'methods': ['ten_steps'],
    'dino': ['loss_and_its_gradient'],
}


def read_npy(path):
    """A two-dimensional float32 array in C order, as rows of numbers."""
    data = Path(path).read_bytes()
    length = struct.unpack('<H', data[8:10])[0]
    header = ast.literal_eval(data[10:10 + length].decode())
    assert header['descr'] == '<f4' and not header['fortran_order'], header
    rows, cols = header['shape']
    values = memoryview(data[10 + length:]).cast('f')
    return [values[row * cols:(row + 1) * cols] for row in range(rows)]


def write_png(path, side, seed):
    """A smooth picture in colour."""
    lines = []
    for y in range(side):
        row = bytearray([0])
        for x in range(side):
            row += bytes(((x * (3 + seed % 5) + y * (1 + c) + 37 * seed + (x * y) // (9 + c)) & 255) for c in range(3))
        lines.append(bytes(row))
    chunk = lambda kind, body: struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
    Path(path).write_bytes(
        b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0))
        + chunk(b'IDAT', zlib.compress(b''.join(lines), 1)) + chunk(b'IEND', b''))


class Memory(threading.Thread):
    """The most that processes hold of the GPU, as the driver sees it, in GiB; None without a GPU."""

    def __init__(self, device):
        super().__init__(daemon=True)
        self.most, self.going = None, device != 'cpu' and shutil.which('nvidia-smi') is not None

    def run(self):
        while self.going:
            said = subprocess.run(['nvidia-smi', '--query-gpu=memory.used', '--format=csv,noheader,nounits', '-i', '0'],
                                  capture_output=True, text=True).stdout.split()
            if said and said[0].isdigit():
                self.most = max(self.most or 0, int(said[0]) / 1024)
            time.sleep(.2)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.going = False
        self.join()


class Check:
    def __init__(self, options):
        self.device, self.small = options.device, options.small or options.device == 'cpu'
        self.out = Path(options.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.steps, self.workers, self.rounds = options.steps, options.workers, options.rounds
        self.batches = options.batches
        found = [sys.executable, '-c', 'import torch; print(torch.__path__[0], torch.__version__, torch.cuda.is_available())']
        said = subprocess.run(found, capture_output=True, text=True)
        if said.returncode:
            sys.exit('error: %s has no torch: %s' % (sys.executable, said.stderr.strip().splitlines()[-1]))
        folder, self.torch, cuda = said.stdout.split()
        if self.device != 'cpu' and cuda != 'True':
            sys.exit('error: torch %s sees no GPU (give --device cpu to try everything without one)' % self.torch)
        self.libraries = Path(folder) / 'lib'
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(('E2MC_', 'LIBTORCH'))}
        self.environment['E2MC_LIBTORCH'] = folder
        # In products in TF32 a golden case is off by a thousandth.
        self.exact = {'NVIDIA_TF32_OVERRIDE': '0', 'CUBLAS_WORKSPACE_CONFIG': ':4096:8'}
        self.checks, self.speeds = [], []

    def check(self, name, holds, detail):
        self.checks.append(dict(check=name, holds=bool(holds), detail=detail))
        print('%s  %s: %s' % ('ok    ' if holds else 'FAILED', name, detail), flush=True)

    def e2mc(self, *arguments, set=(), expect=0, **environment):
        changes = [word for change in set for word in ('--set', change)]
        command = [str(BIN / 'e2mc'), *map(str, arguments), *changes]
        ran = subprocess.run(command, capture_output=True, text=True, env={**self.environment, **environment})
        if expect is not None and ran.returncode != expect:
            raise RuntimeError('`%s` ended with %d: %s' % (' '.join(command[1:]), ran.returncode, ran.stderr[-1500:]))
        return ran

    def folder(self, name):
        folder = self.out / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def events(self, folder, kind):
        lines = map(json.loads, (folder / 'metrics.jsonl').read_text().splitlines())
        return [line for line in lines if line['event'] == kind]

    # -- The program

    def program(self):
        said = self.e2mc('--version').stdout.strip()
        self.check('the program starts on torch %s' % self.torch, said, said)
        self.embeds()
        self.continues()
        if self.device != 'cpu':
            self.lacks_memory()

    def embeds(self):
        rows = {}
        for device in ('cpu', self.device):
            out = self.out / ('z-%s.npy' % device.replace(':', '-'))
            self.e2mc('embed', '--checkpoint', SAMPLE / 'base.safetensors', '--data', SAMPLE, '--split', 'test',
                      '--device', device, '--out', out, '--overwrite', **self.exact)
            rows[device] = read_npy(out)
        worst = max(
            max(abs(x - y) for x, y in zip(a, b)) / max(max(abs(x) for x in a), 1e-9)
            for a, b in zip(rows['cpu'], rows[self.device]))
        self.check('embeddings of the sample on %s equal those on the CPU' % self.device, worst < 1e-3,
                   '%d rows, largest relative difference %.2g' % (len(rows['cpu']), worst))

    def run_of(self, name, *more, set=(), **environment):
        folder = self.folder(name)
        self.e2mc('continue', '--recipe', 'swav-glyphs', '--checkpoint', SAMPLE / 'base.safetensors', '--data', SAMPLE,
                  '--device', self.device, '--max-images', 1500, '--batch', 128, '--held-out', 200, '--log-every', 1,
                  '--knn-every', 0, '--out', folder, *more, set=set, **environment)
        return folder

    def continues(self):
        losses = {}
        for precision in ('f32', 'bf16'):
            folder = self.run_of('run-' + precision, '--epochs', 2, set=['training.precision=' + precision], **self.exact)
            losses[precision] = [step['loss'] for step in self.events(folder, 'step')]
        pairs = list(zip(losses['f32'], losses['bf16']))
        scale = sum(abs(a) for a, _ in pairs) / len(pairs)
        apart = sum(abs(a - b) for a, b in pairs) / len(pairs) / scale
        self.check('the loss in bfloat16 follows that in float32', apart < .05,
                   '%d steps, mean difference %.2g of the loss' % (len(pairs), apart))
        # One epoch, then the second by --resume.
        folder = self.run_of('run-resumed', '--epochs', 1, set=['training.precision=f32', 'schedule.name=constant'], **self.exact)
        self.e2mc('continue', '--resume', '--out', folder, '--epochs', 2, '--device', self.device, **self.exact)
        whole = self.run_of('run-whole', '--epochs', 2, set=['training.precision=f32', 'schedule.name=constant'], **self.exact)
        ends = [self.events(at, 'step')[-1]['loss'] for at in (folder, whole)]
        self.check('a resumed run ends as one in a piece', abs(ends[0] - ends[1]) <= 1e-3 * abs(ends[1]),
                   'losses %.6g and %.6g' % tuple(ends))

    def lacks_memory(self):
        images = self.images(8, 256, 8192)
        ran = self.e2mc('pretrain', '--recipe', 'vicreg-imagenet-pretrain', '--data', images, '--device', self.device,
                        '--batch', 8192, '--epochs', 1, '--held-out', 0, '--knn-every', 0, '--out', self.folder('run-large'),
                        expect=None)
        lines = ran.stderr.splitlines()
        errors = [line for line in lines if line.startswith('error')]
        self.check('a lack of memory is one error with a hint', ran.returncode and len(errors) == 1 and
                   '--accumulate' in ran.stderr and 'panicked' not in ran.stderr, ' / '.join(lines[-3:])[:400])

    # -- Golden cases

    def golden(self):
        environment = {
            **self.environment, **self.exact, 'E2MC_TEST_DEVICE': self.device, 'E2MC_TEST_FILES': str(GOLDEN),
            'LD_LIBRARY_PATH': '%s:%s' % (self.libraries, os.environ.get('LD_LIBRARY_PATH', ''))}
        cuda = self.libraries / 'libtorch_cuda.so'
        if self.device != 'cpu':
            # Nothing links to it: it registers itself when it is loaded.
            environment['LD_PRELOAD'] = str(cuda)
        program = str(self.test_program())
        listed = subprocess.run([program, '--list'], capture_output=True, text=True, env=environment)
        known = re.findall(r'^(\S+): test$', listed.stdout, re.M)
        for name, words in TESTS.items():
            chosen = [test for test in known if test.rpartition('::')[0] == name and any(word in test for word in words)]
            ran = subprocess.run([program, '--test-threads', '1', '--exact', *(chosen or ['none'])],
                                 capture_output=True, text=True, env=environment)
            said = re.search(r'test result: .*? (\d+) passed; (\d+) failed', ran.stdout)
            passed, failed = map(int, said.groups()) if said else (0, 0)
            wrong = re.findall(r'^test (\S+) \.\.\. FAILED', ran.stdout, re.M)
            detail = '%d passed, %d failed%s' % (passed, failed, ': ' + ', '.join(wrong) if wrong else '')
            if ran.returncode:
                detail += ' | ' + ' '.join((ran.stdout + ran.stderr).split())[-600:]
            self.check('golden cases of `%s` on %s' % (name, self.device), ran.returncode == 0 and passed > 0, detail)

    def test_program(self):
        if IS_BUNDLE:
            return HERE / 'tests' / TEST_PROGRAM
        built = [path for path in (ROOT / 'target/release/deps').glob(TEST_PROGRAM + '-*') if not path.suffix]
        if not built:
            sys.exit('error: no test program %s: build it with `cargo test --release --workspace --no-run`' % TEST_PROGRAM)
        return max(built, key=lambda path: path.stat().st_mtime)

    # -- Speed

    def images(self, different, side, wanted=0):
        """A folder of pictures, some of them several times."""
        folder = self.out / ('images-%d-%d' % (side, max(wanted, different)))
        if not folder.exists():
            folder.mkdir()
            for index in range(different):
                write_png(folder / ('%06d.png' % index), side, index)
            for index in range(different, wanted):
                os.link(folder / ('%06d.png' % (index % different)), folder / ('%06d.png' % index))
        return folder

    def ours(self, case, batch, criterion=True):
        steps, side = (2 if self.small else self.steps), (48 if self.small else 256)
        images = self.images(8 if self.small else 64, side, batch * (steps + 1))
        changes = ['optimizer.name=sgd', 'optimizer.momentum=0.9', 'optimizer.weight_decay=1e-6',
                   'training.learning_rate=1e-3', 'schedule.name=constant', 'training.precision=bf16']
        if criterion:
            transform, beta, gamma = ('sigmoid', '1000.0', '100.0') if case == 'vicreg' else ('gaussian', '1.0', '25.0')
            changes += ['criterion.name=e2mc', 'criterion.transform=' + transform, 'criterion.beta=' + beta,
                        'criterion.gamma=' + gamma, 'criterion.epsilon=1e-7']
        more = []
        if self.small:
            changes += ['backbone.width=8']
            more = ['--image-size', 32]
            changes += (['method.projector=[64,64,64]'] if case == 'vicreg'
                        else ['method.projector=[64,32]', 'method.prototypes=30'])
        folder = self.folder('speed-%s-%d%s' % (case, batch, '' if criterion else '-without'))
        with Memory(self.device) as memory:
            self.e2mc('pretrain', '--recipe', case + '-imagenet-pretrain', '--data', images, '--device', self.device,
                      '--batch', batch, '--epochs', 2, '--held-out', 0, '--knn-every', 0, '--log-every', 1,
                      '--threads', self.workers, '--out', folder, *more, set=changes)
        # The second epoch: the first starts the device and picks its kernels.
        epoch = self.events(folder, 'epoch')[-1]
        steps = self.events(folder, 'step')
        steps = steps[len(steps) // 2 + 1:] or steps[-1:]
        rates = sorted(step['images_per_s'] for step in steps)
        return dict(peer='e2mc', case=case, batch=batch, device=self.device, images_per_s=round(rates[len(rates) // 2], 2),
                    epoch_images_per_s=round(epoch['images_per_s'], 2), waiting_share=round(epoch['waiting'], 4),
                    peak_gib=memory.most and round(memory.most, 2))

    def theirs(self, case, batch, profile=False):
        shapes = 'small' if self.small else 'full'
        steps = 2 if self.small else self.steps
        command = [sys.executable, str(PEERS / ('gpu_%s.py' % case)), self.device, str(batch), str(steps), str(self.workers),
                   shapes, *(['profile'] if profile else [])]
        ran = subprocess.run(command, capture_output=True, text=True, env=self.environment)
        if ran.returncode:
            raise RuntimeError('%s: %s' % (' '.join(command), ran.stderr[-1500:]))
        if profile:
            (self.out / ('profile-pytorch-%s.txt' % case)).write_text(ran.stderr)
        return json.loads(ran.stdout.splitlines()[-1])

    def speed(self):
        for case in ('vicreg', 'swav'):
            for batch in ([8] if self.small else self.batches):
                pairs = []
                for number in range(self.rounds):
                    ours = self.ours(case, batch)
                    theirs = self.theirs(case, batch, profile=number == 0)
                    pairs.append((ours, theirs))
                without = self.ours(case, batch, criterion=False)
                pairs.sort(key=lambda pair: pair[0]['images_per_s'] / pair[1]['images_per_s'])
                ours, theirs = pairs[len(pairs) // 2]
                ours['criterion_share'] = round(1 - ours['images_per_s'] / without['images_per_s'], 4)
                self.speeds += [ours, theirs]
                print('%s, batch %d: e2mc %s images/s, PyTorch %s' % (case, batch, ours['images_per_s'], theirs['images_per_s']), flush=True)

    def table(self):
        names = {'vicreg': 'VICReg 8192-8192-8192 + E2MC', 'swav': 'SwAV 2 x 224 + 6 x 96 + E2MC'}
        lines = ['| case | batch | program | images a second | criterion | waiting | peak memory, GiB |', '|---|---|---|---|---|---|---|']
        percent = lambda share: '' if share is None else '%.1f %%' % (100 * share)
        for row in self.speeds:
            lines.append('| %s | %d | %s | %.4g | %s | %s | %s |' % (
                names[row['case']], row['batch'], row['peer'], row['images_per_s'], percent(row.get('criterion_share')),
                percent(row['waiting_share']), row['peak_gib'] or ''))
        return '\n'.join(lines) + '\n'


def machine(device):
    if device == 'cpu':
        return 'CPU, %d cores' % os.cpu_count()
    said = subprocess.run(['nvidia-smi', '--query-gpu=name,driver_version', '--format=csv,noheader'], capture_output=True, text=True)
    return (said.stdout.strip() or device) + ', %d cores' % os.cpu_count()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cuda:0', help='cuda:N or cpu; on the CPU with small shapes')
    parser.add_argument('--parts', default='program,golden,speed', help='some of them, with commas')
    parser.add_argument('--out', default='gpu-check', help='folder for what is written')
    parser.add_argument('--small', action='store_true', help='small shapes on a GPU, too')
    parser.add_argument('--batches', type=lambda text: [int(word) for word in text.split(',')], default=[256, 512])
    parser.add_argument('--steps', type=int, default=10, help='steps of each measurement')
    parser.add_argument('--rounds', type=int, default=1, help='measurements in turn')
    parser.add_argument('--workers', type=int, default=os.cpu_count(), help='threads or processes that make views')
    options = parser.parse_args()
    parts = options.parts.split(',')
    if unknown := set(parts) - {'program', 'golden', 'speed'}:
        parser.error('no such part: ' + ', '.join(sorted(unknown)))
    check = Check(options)
    seconds = {}
    for part in parts:
        begun = time.time()
        try:
            getattr(check, part)()
        except RuntimeError as error:
            check.check('part `%s`' % part, False, str(error))
        seconds[part] = round(time.time() - begun, 1)
        print('%s: %.0f s' % (part, seconds[part]), flush=True)
    result = dict(machine=machine(check.device), torch=check.torch, device=check.device, small=check.small,
                  seconds=seconds, checks=check.checks, speeds=check.speeds)
    (check.out / 'result.json').write_text(json.dumps(result, indent=1) + '\n')
    (check.out / 'table.md').write_text('%s, torch %s.\n\n%s' % (result['machine'], check.torch, check.table()))
    failed = [found['check'] for found in check.checks if not found['holds']]
    print('%d checks, %d failed; see %s' % (len(check.checks), len(failed), check.out / 'result.json'))
    sys.exit(bool(failed))


main()
