#!/bin/sh
# Makes .libtorch, which cargo compiles and links with. The only place that knows about platforms.
#
#   scripts/libtorch.sh        1. $LIBTORCH   2. the torch of python3   3. PyPI's wheels, CPU part
#   scripts/libtorch.sh cuda   PyPI's wheels with CUDA
#
# What comes from PyPI is kept in the user's cache, for every checkout. A choice lasts as long as
# its files exist: remove .libtorch to choose anew.
set -eu
cd "$(dirname "$0")/.."

version=2.11.0
series=${version%.*}
build=${1:-cpu}

fail() {
    echo "error: $*" >&2
    exit 1
}

# The series (as 2.11) of the libtorch in folder $1, from its headers; nothing if there is none.
series_in() {
    for lib in "$1"/lib/libtorch_cpu.so "$1"/lib/libtorch_cpu.dylib; do
        [ ! -e "$lib" ] || sed -n 's/^#define TORCH_VERSION_MAJOR //p; s/^#define TORCH_VERSION_MINOR /./p' \
            "$1/include/torch/headeronly/version.h" 2>/dev/null | tr -d '\n'
    done
}

# Points .libtorch at folder $1. `origin` comes last: it marks .libtorch as whole, and its time
# tells the crates' build scripts that the libraries changed.
link() {
    folder=$(cd "$1" && pwd -P)
    [ "$(cat .libtorch/origin 2>/dev/null)" != "$folder" ] || return 0
    if grep -qsF "=$PWD/.libtorch/" "${CARGO_TARGET_DIR:-target}"/*/build/torch-sys-*/output; then
        # torch-sys was compiled through .libtorch and would not notice the change. Compiled with a LIBTORCH of the
        # user's, it notices by itself.
        cargo clean --quiet --package torch-sys || true
        cargo clean --quiet --release --package torch-sys || true
    fi
    [ ! -L .libtorch ] || rm .libtorch
    mkdir -p .libtorch
    ln -sfn "$folder/include" .libtorch/include
    ln -sfn "$folder/lib" .libtorch/lib
    echo "$folder" >.libtorch/origin.$$
    mv .libtorch/origin.$$ .libtorch/origin
    echo "libtorch $series $2: $folder"
}

command -v cargo >/dev/null ||
    fail "cargo is missing: install Rust as https://rustup.rs says"
cxx=${CXX:-c++}
command -v "${cxx%% *}" >/dev/null ||
    fail "no C++ compiler ($cxx): install one (Debian, Ubuntu: apt-get install g++; macOS: xcode-select --install)"

# Cargo sets LIBTORCH to .libtorch for whatever it runs; that is not a choice of the user's.
if [ -n "${LIBTORCH:-}" ] && [ "$LIBTORCH" != "$PWD/.libtorch" ]; then
    found=$(series_in "$LIBTORCH")
    [ "$found" = "$series" ] ||
        fail "LIBTORCH=$LIBTORCH holds ${found:-no include/ and lib/ of libtorch}, needed is $series: correct it, or unset it to have one found"
    link "$LIBTORCH" "from LIBTORCH"
    exit
fi
[ "$build" != cpu ] || [ ! -e .libtorch/origin ] || [ "$(series_in .libtorch)" != "$series" ] || exit 0

command -v python3 >/dev/null ||
    fail "python3 is missing: install it (Debian, Ubuntu: apt-get install python3-pip), or set LIBTORCH to a folder with libtorch $series"
if [ "$build" = cpu ] && folder=$(python3 -c 'import torch; print(torch.__path__[0])' 2>/dev/null) &&
    [ "$(series_in "$folder")" = "$series" ]; then
    link "$folder" "from $(command -v python3)"
    exit
fi

# Wheels are asked for by platform: their C++ libraries are the same for every Python.
# libtorch_cpu links to the CUDA runtime and CUPTI, both small; the CPU part leaves out all else.
target=$(rustc -vV | sed -n 's/^host: //p')
arch=${target%%-*}
cudart="nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85"
case $build-$target in
cpu-x86_64-unknown-linux-gnu | cpu-aarch64-unknown-linux-gnu)
    gigabytes=1.3
    platforms="manylinux_2_28 manylinux_2_25 manylinux2014"
    wheels="torch==$version $cudart"
    keep='torch/lib/(?!.*(cuda|nvrtc|nvshmem|python|torch\.so|deps|libshm)).*|.*/lib(cudart|cupti)\.so.*'
    ;;
cuda-x86_64-unknown-linux-gnu)
    gigabytes=6.5
    platforms="manylinux_2_28 manylinux_2_27 manylinux_2_25 manylinux_2_18 manylinux2014 manylinux2010"
    wheels="torch==$version $cudart nvidia-cublas==13.1.0.3 nvidia-cuda-nvrtc==13.0.88
        nvidia-cudnn-cu13==9.19.0.56 nvidia-cufft==12.0.0.61 nvidia-cufile==1.15.1.6
        nvidia-curand==10.4.0.35 nvidia-cusolver==12.0.4.66 nvidia-cusparse==12.6.3.3
        nvidia-cusparselt-cu13==0.8.0 nvidia-nccl-cu13==2.28.9 nvidia-nvjitlink==13.0.88
        nvidia-nvshmem-cu13==3.4.5 nvidia-cuda-crt==13.0.88 nvidia-cuda-cccl==13.0.85"
    # The headers are for groups of processes on NCCL.
    keep='torch/lib/(?!.*(python|libshm)).*|nvidia/.*\.so.*|nvidia/(cu13|nccl)/include/.*'
    ;;
cpu-aarch64-apple-darwin)
    gigabytes=0.5
    platforms=macosx_14_0
    arch=arm64
    wheels="torch==$version"
    keep='torch/lib/(?!.*(python|libshm)).*'
    ;;
*)
    fail "no $build build of libtorch to fetch for $target: set LIBTORCH to a folder with libtorch $series"
    ;;
esac

home=${XDG_CACHE_HOME:-$HOME/.cache}/e2mc/libtorch-$version-$build-$arch
python3 - "$home" "$gigabytes" "$arch" "$platforms" "$wheels" "$keep" <<'EOF'
"""Fetches the wheels with pip and unpacks what is kept of them into `home`, which appears whole or not at all."""
import fcntl, os, re, shutil, subprocess, sys, zipfile, zlib

home, gigabytes, arch, platforms, wheels, keep = sys.argv[1:]
part = home + ".part"  # what an interrupted run leaves: whole wheels are used again
downloads, scratch, tree = (os.path.join(part, name) for name in ("wheels", "scratch", "tree"))


def fail(message):
    sys.exit("error: " + message)


def size(folder):
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)


def download(wheel, log):
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--python-version", "3.12", "--dest", downloads, wheel]
    for platform in platforms.split():
        command += ["--platform", platform + "_" + arch]
    progress = sys.stderr if sys.stderr.isatty() else log
    # pip's own scratch may be a small /tmp otherwise.
    pip = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=progress, stderr=log, env=dict(os.environ, TMPDIR=scratch))
    if pip.returncode != 0:
        log.seek(0)
        text = log.read().strip()
        why = "no connection to the package index" if "connection broken" in text else text.splitlines()[-1]
        fail("pip could not fetch %s (%s): check the network, proxy and pip's settings, then run this again" % (wheel, why))


def unpack(wheel):
    path = os.path.join(downloads, wheel)
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if re.fullmatch("torch/include/.*|" + keep, name):
                    archive.extract(name, tree)
    except (zipfile.BadZipFile, zlib.error):
        os.remove(path)
        fail("%s is damaged and was removed: run this again" % path)


def fetch():
    if subprocess.run([sys.executable, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        fail("%s has no pip: install it (Debian, Ubuntu: apt-get install python3-pip; elsewhere: python3 -m ensurepip)" % sys.executable)
    free = (shutil.disk_usage(part).free + size(part)) / 1e9
    if free < float(gigabytes):
        fail("libtorch needs %s GB free in %s, there are %.1f: free some, or set XDG_CACHE_HOME to a larger disk" % (gigabytes, os.path.dirname(home), free))
    for stale in scratch, tree:
        shutil.rmtree(stale, ignore_errors=True)
        os.makedirs(stale)
    print("fetching libtorch, once, into " + home, file=sys.stderr)
    with open(os.path.join(part, "log"), "w+") as log:
        for wheel in wheels.split():
            download(wheel, log)
    for wheel in os.listdir(downloads):
        unpack(wheel)
    lib = os.path.join(tree, "torch", "lib")
    if os.path.exists(os.path.join(lib, "libtorch_cpu.so")) and not os.path.exists(os.path.join(lib, "libtorch.so")):
        # The real one is empty but for a link to all of CUDA.
        with open(os.path.join(lib, "libtorch.so"), "w") as script:
            script.write("INPUT(libtorch_cpu.so)\n")
    os.rename(tree, home)
    shutil.rmtree(part)


try:
    os.makedirs(os.path.dirname(home), exist_ok=True)
    with open(home + ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another setup to fetch libtorch", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(home):
            os.makedirs(part, exist_ok=True)
            fetch()
except KeyboardInterrupt:
    fail("interrupted: run this again")
except OSError as error:
    fail("%s: %s" % (error.filename or home, error.strerror))
EOF
link "$home/torch" "from PyPI"
