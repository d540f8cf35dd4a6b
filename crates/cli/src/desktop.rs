//! Opens the window of UL Keys, which is a program of its own.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use ulkeys_local::process_hardening::StartingUmask;
use ulkeys_local::terminal::print_error;

use crate::run::exec_program;
use crate::{EXIT_UNAVAILABLE, fail_with};

/// The name of the desktop program.
const DESKTOP_PROGRAM: &str = if cfg!(windows) { "ul-keys-desktop.exe" } else { "ul-keys-desktop" };

/// Replaces this process with the desktop program in the same folder. If there is none, searches `PATH`.
pub(crate) fn open_window(umask: StartingUmask) -> ExitCode {
    let in_same_folder = std::env::current_exe().map(|program| program.with_file_name(DESKTOP_PROGRAM));
    let program =
        in_same_folder.ok().filter(|program| program.is_file()).unwrap_or_else(|| PathBuf::from(DESKTOP_PROGRAM));
    umask.restore_umask();
    match exec_program(Command::new(&program)) {
        Ok(code) => code,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            print_error(
                "ul-keys: the window is not installed on this computer (ul-keys-desktop). `ul-keys --help` lists the \
                 commands.",
            );
            EXIT_UNAVAILABLE.into()
        }
        Err(error) => fail_with(format_args!("{}: {error}", program.display())),
    }
}
