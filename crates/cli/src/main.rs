//! The program `ul-keys`: the command line of UL Keys, which needs no window.
//!
//! No command prints a secret.

mod arguments;
mod desktop;
mod generate;
mod keychain_commands;
mod run;
mod serve;

use std::process::ExitCode;

use ulkeys_local::process_hardening;

use arguments::{Action, KeychainAction};

/// The exit code for an error in UL Keys itself. `env`, `nohup` and `docker run` use the same code.
const EXIT_UL_KEYS_FAILED: u8 = 125;
/// The exit code if a part of UL Keys that a command needs is not there (`EX_UNAVAILABLE`, `sysexits(3)`).
const EXIT_UNAVAILABLE: u8 = 69;

fn main() -> ExitCode {
    let umask = process_hardening::make_new_files_private();
    let action = match arguments::parse() {
        Ok(action) => action,
        Err(code) => return code,
    };
    match action {
        None => desktop::open_window(umask),
        Some(Action::Run { keys, program }) => run::run_program(&keys.0, &program, umask),
        Some(Action::Keychain { action: KeychainAction::List }) => keychain_commands::list_saved_keys(),
        Some(Action::Keychain { action: KeychainAction::Forget { name } }) => keychain_commands::forget_key(name),
        Some(Action::Serve(options)) => serve::serve(&options),
        Some(Action::Completions { shell }) => generate::print_completions(shell),
        Some(Action::ManPages { folder }) => generate::write_man_pages(&folder, umask),
    }
}

/// Prints the reason for which a command fails, and returns its exit code.
fn fail_with(reason: impl std::fmt::Display) -> ExitCode {
    ulkeys_local::terminal::print_error(format_args!("ul-keys: {reason}"));
    EXIT_UL_KEYS_FAILED.into()
}
