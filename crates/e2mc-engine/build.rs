//! Links the engine so that it finds libtorch: as `e2mc-train` says, wherever it is started, and in
//! folders relative to itself, for where both are installed together.

/// Where libtorch may be from the engine's own folder, `$ORIGIN`.
const BESIDE: [&str; 3] = ["$ORIGIN", "$ORIGIN/../lib", "$ORIGIN/libtorch/lib"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for arg in std::env::var("DEP_E2MC_TRAIN_LINK_ARGS")
        .iter()
        .flat_map(|args| args.split('\t'))
    {
        println!("cargo::rustc-link-arg={arg}");
    }
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        for folder in BESIDE {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
        }
    }
}
