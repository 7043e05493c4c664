//! Lets this crate's programs and tests find libtorch at run time, from wherever they are started.
//!
//! Link arguments reach only the package that prints them, so a crate with programs of its own
//! reads them as `DEP_E2MC_TRAIN_LINK_ARGS` and prints them again.

use std::{env, path::PathBuf, process::exit};

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let Some(libtorch) = env::var_os("LIBTORCH").map(PathBuf::from) else {
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
