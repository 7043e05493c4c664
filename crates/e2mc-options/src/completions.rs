//! Options of `completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Arguments;

/// Options of `completions`.
#[derive(Args, Debug)]
pub struct CompletionsOptions {
    /// Shell to write completions for
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

impl CompletionsOptions {
    /// The script that the shell is to source.
    pub fn script(&self) -> String {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "e2mc", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}
