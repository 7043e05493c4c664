//! Compiles the shim between Rust and libtorch's c10d, and lets this crate's programs and tests
//! find libtorch at run time, from wherever they are started.
//!
//! Link arguments reach only the package that prints them, so a crate with programs of its own
//! reads them as `DEP_E2MC_TRAIN_LINK_ARGS` and prints them again.

use std::path::{Path, PathBuf};
use std::{env, process::exit};

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = env::var_os("LIBTORCH").map(PathBuf::from);
    shim(libtorch.as_deref());
    let Some(libtorch) = libtorch else {
        // torch-sys found libtorch where the system's linker and loader look.
        return;
    };
    // `make setup` rewrites `origin` when it points `.libtorch` elsewhere.
    let origin = libtorch.join("origin");
    let watched = if origin.exists() {
        origin
    } else {
        libtorch.join("lib")
    };
    println!("cargo::rerun-if-changed={}", watched.display());
    let Ok(lib) = libtorch.join("lib").canonicalize() else {
        println!(
            "cargo::error=no libtorch in {}: run `make setup`",
            libtorch.display()
        );
        exit(1);
    };

    let mut args = vec![format!("-Wl,-rpath,{}", lib.display())];
    let cuda = lib.join("libtorch_cuda.so");
    if cuda.exists() {
        // No symbol of it is used directly: it registers itself when loaded, and the linker
        // would drop it.
        args.push("-Wl,--no-as-needed".into());
        args.push(cuda.display().to_string());
        args.push("-Wl,--as-needed".into());
    }
    for arg in &args {
        println!("cargo::rustc-link-arg={arg}");
    }
    println!("cargo::metadata=LINK_ARGS={}", args.join("\t"));
}

/// What ProcessGroupNCCL.hpp includes and PyTorch's wheels lack, for instance of the wheels
/// nvidia-nccl-cu13, nvidia-cuda-runtime, nvidia-cuda-crt and nvidia-cuda-cccl.
const CUDA_HEADERS: [&str; 4] = [
    "nccl.h",
    "cuda_runtime_api.h",
    "crt/host_defines.h",
    "nv/target",
];

/// Compiles `src/world/shim` from libtorch's headers, with NCCL where libtorch has CUDA and CUDA's
/// headers are at hand: in `include` beside libtorch's own, or in `CUDA_HOME`.
fn shim(libtorch: Option<&Path>) {
    const SHIM: &str = "src/world/shim";
    println!("cargo::rerun-if-changed={SHIM}");
    println!("cargo::rerun-if-env-changed=LIBTORCH_INCLUDE");
    println!("cargo::rerun-if-env-changed=CUDA_HOME");
    let named = env::var_os("LIBTORCH_INCLUDE").map(PathBuf::from);
    let include = named
        .as_deref()
        .or(libtorch)
        .unwrap_or(Path::new("/usr"))
        .join("include");
    let needed = include.join("torch/csrc/distributed/c10d/ProcessGroupGloo.hpp");
    if !needed.exists() {
        println!(
            "cargo::error=libtorch's headers lack {}: run `make setup`, or set LIBTORCH to a \
             libtorch with the headers of torch.distributed",
            needed.display()
        );
        exit(1);
    }
    // Clippy checks and links nothing, but cargo runs this anew for it.
    if env::var_os("CLIPPY_ARGS").is_some() {
        return;
    }
    let mut build = cc::Build::new();
    // A third of the compiler's time would go into debug information of libtorch's headers.
    build.cpp(true).std("c++17").pic(true).debug(false);
    for folder in [&include, &include.join("torch/csrc/api/include")] {
        build.flag("-isystem").flag(folder);
    }
    build.include(SHIM);
    build.define("USE_C10D_GLOO", None);
    build.define("_GLIBCXX_USE_CXX11_ABI", "1");
    build.flag("-fvisibility=hidden");
    let cuda = libtorch.is_some_and(|libtorch| libtorch.join("lib/libtorch_cuda.so").exists());
    if cuda && let Some(folders) = cuda_headers(&include) {
        for folder in folders {
            build.flag("-isystem").flag(folder);
        }
        build.include(Path::new(SHIM).join("cuda"));
        build.define("USE_C10D_NCCL", None);
        println!("cargo::metadata=NCCL=1");
    }
    build.file(Path::new(SHIM).join("world.cpp"));
    build.compile("e2mc_world");
}

/// The folders that hold CUDA's headers, if all are there; says what is missing otherwise.
fn cuda_headers(include: &Path) -> Option<Vec<PathBuf>> {
    let home = env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("include"));
    // As PyPI's wheels lay them out, beside the folder of torch.
    let site = include.canonicalize().ok()?;
    let site = site.parent()?.parent()?.join("nvidia");
    let beside =
        ["cu13/include", "cu13/include/cccl", "nccl/include"].map(|folder| site.join(folder));
    let mut folders: Vec<PathBuf> = beside.into_iter().chain(home).collect();
    folders.retain(|folder| folder.exists());
    for header in CUDA_HEADERS {
        if !folders.iter().any(|folder| folder.join(header).exists()) {
            println!(
                "cargo::warning=no {header} beside libtorch: several GPUs cannot train together; \
                 run `make gpu`, or set CUDA_HOME"
            );
            return None;
        }
    }
    Some(folders)
}
