//! Lists and removes keys in this computer's keychain, and reports problems with the keychain.

use std::io::Write as _;
use std::process::ExitCode;

use ulkeys_local::keychain::{self, KeychainError, WaitReason};
use ulkeys_local::keychain_index::KeychainIndex;
use ulkeys_local::paths::Paths;
use ulkeys_local::terminal::print_error;

use crate::{EXIT_UL_KEYS_FAILED, fail_with};

/// Locates the files of UL Keys, and reports folders that could not be moved.
///
/// # Errors
/// Returns the exit code after printing the reason.
pub(crate) fn locate_paths() -> Result<Paths, ExitCode> {
    let paths = Paths::locate().map_err(fail_with)?;
    for error in &paths.relocation_errors {
        print_error(format_args!("ul-keys: {error}"));
    }
    Ok(paths)
}

fn open_index() -> Result<KeychainIndex, ExitCode> {
    Ok(KeychainIndex::load(locate_paths()?.keychain_index))
}

/// Lists the saved keys, one line each.
pub(crate) fn list_saved_keys() -> ExitCode {
    let saved = match open_index() {
        Ok(saved) => saved,
        Err(code) => return code,
    };
    if let Some(problem) = saved.read_error() {
        return fail_with(problem);
    }
    let keys = saved.list_keys();
    if keys.is_empty() {
        print_error("No keys are saved in the keychain.");
    }
    let mut terminal = std::io::stdout().lock();
    for key in keys {
        // A reader such as `head` can close the pipe early. This is not an error.
        if writeln!(terminal, "{}\t{}…", key.name, key.key_prefix).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// Removes a key from the keychain and from the list of saved keys.
pub(crate) fn forget_key(name: String) -> ExitCode {
    let saved = match open_index() {
        Ok(saved) => saved,
        Err(code) => return code,
    };
    if let Some(problem) = saved.read_error() {
        print_error(format_args!("ul-keys: {problem}"));
    }
    let (account, known) = (name.clone(), saved.prefixes_of(&name));
    let forgotten = keychain::run_with_wait_reports(
        name.clone(),
        move || keychain::remove_entries(&account, &known),
        print_wait_reason,
    );
    match forgotten {
        Ok(_) | Err(KeychainError::NoEntry) if saved.list_keys().iter().any(|key| key.name == name) => {
            if let Err(error) = saved.remove_entry(&name) {
                print_error(format_args!("ul-keys: {}", KeychainError::IndexNotWritten(error)));
            }
        }
        Ok(_) => {}
        Err(error) => return report_keychain_error(&name, &error, &saved),
    }
    if let Ok(true) = forgotten {
        print_error(format_args!(
            "ul-keys: {name}: the keychain still contains another entry for this name, which UL Keys did not save."
        ));
    }
    ExitCode::SUCCESS
}

/// Reports why the keychain did not return or remove a key, and returns the exit code.
pub(crate) fn report_keychain_error(name: &str, error: &KeychainError, saved: &KeychainIndex) -> ExitCode {
    print_error(format_args!("ul-keys: {name}: {error}"));
    if let (KeychainError::Ambiguous, Some(problem)) = (error, saved.read_error()) {
        print_error(format_args!("ul-keys: {problem}"));
    }
    if matches!(error, KeychainError::NoEntry) {
        let names: Vec<String> = saved.list_keys().into_iter().map(|key| key.name).collect();
        match (saved.read_error(), names.is_empty()) {
            (Some(problem), _) => print_error(format_args!("ul-keys: {problem}")),
            (None, true) => print_error("To save a key, choose “Save in this computer’s keychain” when you create it."),
            (None, false) => print_error(format_args!("Saved keys: {}", names.join(", "))),
        }
    }
    EXIT_UL_KEYS_FAILED.into()
}

/// Reports why the command is waiting and what the user can do. The keychain asks for its password in a separate
/// window.
pub(crate) fn print_wait_reason(wait: WaitReason) {
    let shows_windows = ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    match (wait, shows_windows) {
        (WaitReason::Asked, false) => print_error(
            "ul-keys: the keychain is locked, and this terminal has no display on which it could ask for its password. \
             Unlock it on the desktop of this computer within a minute, or log in there first.",
        ),
        (WaitReason::Unlock, true) => print_error(
            "ul-keys: the keychain is locked and asks for its password in a separate window. Waiting up to a minute.",
        ),
        (WaitReason::Answer, _) => print_error("ul-keys: the keychain has not answered yet. Waiting up to a minute."),
        (WaitReason::Asked, true) | (WaitReason::Unlock, false) => {}
    }
}
