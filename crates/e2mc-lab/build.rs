//! Lets this crate's tests find libtorch as those of `e2mc-train` do.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for arg in std::env::var("DEP_E2MC_TRAIN_LINK_ARGS")
        .iter()
        .flat_map(|args| args.split('\t'))
    {
        println!("cargo::rustc-link-arg={arg}");
    }
}
