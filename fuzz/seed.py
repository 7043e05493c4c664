#!/usr/bin/env python3
"""Puts small sound files into fuzz/corpus/TARGET/, from which the fuzzers start.

argv: the program e2mc, which writes a map, and folders with runs and results. Needs numpy.
"""
import gzip, io, json, re, struct, subprocess, sys, tarfile, tempfile, zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / 'fuzz/corpus'
GOLDEN = ROOT / 'crates/e2mc-data/tests/golden'
SMALL = 6000


def put(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'seed-{name}').write_bytes(data)


def npy(array, **how):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, **how)
    return out.getvalue()


def safetensors(tensors, metadata=None):
    header, data = {}, b''
    if metadata:
        header['__metadata__'] = metadata
    for name, (dtype, array) in tensors.items():
        start = len(data)
        data += array.tobytes()
        header[name] = {'dtype': dtype, 'shape': list(array.shape), 'data_offsets': [start, len(data)]}
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    return struct.pack('<Q', len(text)) + text + data


def images():
    found = sorted((GOLDEN / 'formats').iterdir()) + sorted(GOLDEN.iterdir())
    for path in found:
        data = path.read_bytes() if path.is_file() else b''
        for target, start in (('jpeg', b'\xff\xd8\xff'), ('png', b'\x89PNG'), ('webp', b'RIFF')):
            if data.startswith(start) and len(data) < SMALL:
                put(target, path.name, data)


def jpeg_matrix():
    with gzip.open(ROOT / 'crates/e2mc-data/tests/fixtures/jpeg/matrix.bin') as file:
        number = lambda count: int.from_bytes(file.read(count), 'little')
        while length := file.read(2):
            name = file.read(int.from_bytes(length, 'little')).decode()
            data = file.read(number(4))
            width, height = number(2), number(2)
            file.read(3 * width * height)
            if len(data) < 1500:
                put('jpeg', re.sub('[^a-z0-9]+', '-', name.lower())[:80], data)


def arrays():
    z = np.arange(6, dtype=np.float32).reshape(3, 2) / 7
    kinds = {
        'f4': z, 'f2': z.astype('f2'), 'f8': z.astype('f8'), 'big': z.astype('>f4'),
        'fortran': np.asfortranarray(z), 'labels': np.array([0, 2, 1]), 'bytes': np.array([0, 1, 2], 'u1'),
        'multi': np.array([[0, 1], [1, -1], [1, 1]], 'i1'), 'images': np.zeros((2, 3, 2, 2), 'f4'),
        'big-labels': np.array([0, 2, 1], '>i2'),
    }
    for name, array in kinds.items():
        put('npy', name, npy(array))
    put('npy', 'version-2', npy(z, version=(2, 0)))
    for name, compression in (('stored', zipfile.ZIP_STORED), ('deflated', zipfile.ZIP_DEFLATED)):
        out = io.BytesIO()
        with zipfile.ZipFile(out, 'w', compression) as archive:
            archive.writestr('z.npy', npy(z))
            archive.writestr('label.npy', npy(kinds['labels']))
        put('npz', name, out.getvalue())
    for name, dtype in (('f4', 'F32'), ('f2', 'F16'), ('f8', 'F64')):
        put('safetensors', name, safetensors({'z': (dtype, kinds[name])}))
    put('safetensors', 'bf16', safetensors({'z': ('BF16', z.astype('f2'))}))
    put('safetensors', 'labels', safetensors({'y': ('I64', kinds['labels'])}))
    put('safetensors', 'images', safetensors({'x': ('F32', kinds['images']), 'z': ('F32', z)}))
    put('pytorch', 'safetensors', safetensors({'conv1.weight': ('F32', z), 'n': ('I64', kinds['labels'])}))


def idx():
    pixels = struct.pack('>IIII', 0x803, 2, 3, 4) + bytes(range(24))
    labels = struct.pack('>II', 0x801, 2) + bytes([1, 0])
    for name, images, classes in (
        ('plain', pixels, labels), ('gzip', gzip.compress(pixels, mtime=0), gzip.compress(labels, mtime=0)),
        ('alone', pixels, b''),
    ):
        put('idx', name, struct.pack('<I', len(images)) + images + classes)


def tars():
    jpeg, png = (GOLDEN / 'formats' / name for name in ('size2x2.jpg', 'bit.png'))
    files = {
        'web': [('0.jpg', jpeg), ('0.cls', b'1'), ('1.png', png), ('1.cls', b'0')],
        'json': [('0.jpg', jpeg), ('0.json', b'{"label": 3}')],
        'folders': [('cat/0.jpg', jpeg), ('dog/' + 'long' * 40 + '.png', png)],
    }
    for name, members in files.items():
        for kind, form in (('gnu', tarfile.GNU_FORMAT), ('pax', tarfile.PAX_FORMAT), ('ustar', tarfile.USTAR_FORMAT)):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode='w', format=form) as archive:
                for member, data in members:
                    data = data if isinstance(data, bytes) else data.read_bytes()
                    member = member[:90] if form == tarfile.USTAR_FORMAT else member
                    info = tarfile.TarInfo(member)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
            put('tar', f'{name}-{kind}', out.getvalue())


def texts():
    for kind, name, text in (
        (0, 'plain', 'a.jpg 0\nb.jpg 1\n'), (0, 'names', 'cats/a.jpg\ndogs/b.jpg\n'), (0, 'spaces', 'a b.jpg\t1\n'),
        (1, 'header', 'path,label\na.jpg,cat\n"b,c.jpg",dog\n'), (1, 'bare', 'a.jpg,0\nb.jpg,1\n'),
        (2, 'tabs', 'image\tclass\na.jpg\tcat\nb.jpg\tdog\n'), (1, 'index', ',filename,label\n0,a.jpg,x\n1,b.jpg,y\n'),
        (1, 'mark', '\ufefffile;label\r\na.jpg;1\r\n'),
    ):
        put('lists', name, bytes([kind]) + text.encode())
    changes = '\n---\ntraining.epochs=3\naugmentation.views.0.size=96\ncriterion.name="none"\noptimizer.name=sgd\n'
    for name in ('vicreg-small', 'swav-small', 'photos-96'):
        text = (ROOT / f'recipes/{name}.toml').read_text()
        put('recipe', name, (re.sub('(?m)^#.*\n', '', text) + changes).encode())
    put('recipe', 'extends', ('extends = "vicreg-small"\n[training]\nepochs = 2' + changes).encode())


def maps(program):
    z = np.random.default_rng(1).normal(size=(40, 3)).astype('f4')
    with tempfile.TemporaryDirectory() as folder:
        np.save(f'{folder}/z.npy', z)
        np.save(f'{folder}/y.npy', np.arange(40) % 3)
        for method in ('whiten', 'center', 'standardise'):
            out = f'{folder}/{method}.safetensors'
            ran = subprocess.run(
                [program, 'adapt', f'{folder}/z.npy', '--method', method, '--out', out], capture_output=True, text=True)
            if ran.returncode:
                print(method, ran.stderr, file=sys.stderr)
            else:
                put('maps', method, Path(out).read_bytes())


def checkpoints():
    folder = ROOT / 'crates/e2mc-train/tests/golden/checkpoints'
    put('pytorch', 'bad-runs-code', (folder / 'bad_runs_code.pth').read_bytes())
    view = lambda end: (
        b'\x80\x02}(X\x05\x00\x00\x00epochK\x07X\x04\x00\x00\x00listq\x01](K\x01G?\xf0\x00\x00\x00\x00\x00\x00N\x88U\x01ae'
        b'\x8c\x03abch\x01X\x03\x00\x00\x00setccollections\nOrderedDict\nq\x02)R}X\x01\x00\x00\x00ah\x01sb\x8a\x01\x05\x86q'
        b'\x03X\x0c\x00\x00\x00conv1.weightctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n'
        b'X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06' + end +
        b'tQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89h\x02)RtRu.')
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as archive:
        for name, data in (('data.pkl', view(b'')), ('byteorder', b'little'), ('data/0', bytes(24)), ('version', b'3\n')):
            archive.writestr(f'archive/{name}', data)
    put('pytorch', 'zip', out.getvalue())
    magic = b'\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.'
    put('pytorch', 'legacy', magic + view(b'N') + b'\x80\x02]X\x01\x00\x00\x000a.' + struct.pack('<Q', 6) + bytes(24))
    # torch 0.1.1 to 0.1.9 wrote a tar file of pickles.
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.PAX_FORMAT) as archive:
        for name in ('sys_info', 'pickle', 'tensors', 'storages'):
            data = b'\x80\x02}.' if name in ('sys_info', 'pickle') else b'\x80\x02K\x00.'
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    put('pytorch', 'tar', out.getvalue())


def records(folders):
    kinds = {'result.json': 'results', 'improve.json': 'results', 'run.json': 'results', 'metrics.jsonl': 'events'}
    for number, folder in enumerate(folders):
        for path in sorted(Path(folder).rglob('*.json*')):
            if path.name in kinds and path.stat().st_size < 5 * SMALL:
                # Places are nobody's business.
                text = re.sub(r'/(?:[\w.=-]+/)+', 'data/', path.read_text())
                lines = text.splitlines(keepends=True)
                text = ''.join(lines[:3] + lines[-3:]) if path.suffix == '.jsonl' else text
                put(kinds[path.name], f'{number}-{path.name}', text.encode())


images()
jpeg_matrix()
arrays()
idx()
tars()
texts()
checkpoints()
maps(sys.argv[1])
records(sys.argv[2:])
