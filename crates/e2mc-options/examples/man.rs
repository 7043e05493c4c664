//! Writes the manual pages of `e2mc` and of each command into a folder: `man FOLDER`.

use std::path::Path;
use std::{env, fs, io};

use clap::CommandFactory;
use e2mc_options::Arguments;

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).unwrap_or_else(|| "target/man".into());
    fs::create_dir_all(&folder)?;
    clap_mangen::generate_to(Arguments::command(), &folder)?;
    let pages = fs::read_dir(&folder)?.count();
    println!(
        "{pages} pages: man -l {}",
        Path::new(&folder).join("e2mc.1").display()
    );
    Ok(())
}
