//! Records where libtorch is, so that `e2mc` can say whether `e2mc-engine` will find it. Nothing here
//! links to it, and it need not be there.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = env::var_os("LIBTORCH").map(PathBuf::from);
    if let Some(libtorch) = &libtorch {
        // `make setup` rewrites `origin` when it points `.libtorch` elsewhere.
        println!(
            "cargo::rerun-if-changed={}",
            libtorch.join("origin").display()
        );
    }
    let lib = libtorch.and_then(|folder| folder.join("lib").canonicalize().ok());
    let lib = lib.unwrap_or_default();
    println!("cargo::rustc-env=E2MC_BUILT_WITH={}", lib.display());
}
