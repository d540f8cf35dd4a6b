//! Generates completions and manual pages from the definition of the arguments.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap_complete::Shell;
use ulkeys_local::process_hardening::StartingUmask;

use crate::{arguments, fail_with};

/// Prints a script that completes the commands in a shell.
pub(crate) fn print_completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut arguments::definition(), "ul-keys", &mut script);
    // A reader such as `head` can close the pipe early. This is not an error.
    let _ = std::io::stdout().write_all(&script);
    ExitCode::SUCCESS
}

/// Writes one manual page for the program and one for each command.
pub(crate) fn write_man_pages(folder: &Path, umask: StartingUmask) -> ExitCode {
    // The pages are for all users.
    umask.restore_umask();
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        let mut definition = arguments::definition().disable_help_subcommand(true);
        definition.build();
        clap_mangen::generate_to(definition, folder)
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail_with(format_args!("cannot write the manual pages to {}: {error}", folder.display())),
    }
}
