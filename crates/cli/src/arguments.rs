//! The command-line arguments, from which the completions and the manual pages are generated.
//!
//! Deliberately omitted: commands that show, create or revoke a key.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, CommandFactory as _, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use ulkeys_domain::secret;
use ulkeys_local::terminal::print_error;

use crate::EXIT_UL_KEYS_FAILED;
use crate::serve::ServeOptions;

/// The variable in which published clients expect their key.
pub(crate) const KEY_VARIABLE: &str = "ULTRALYTICS_API_KEY";
/// The variable in which published clients expect the address of the service.
pub(crate) const URL_VARIABLE: &str = "ULTRALYTICS_PLATFORM_URL";

/// Scoped API keys for vision models. Without a command, opens the window.
#[derive(Parser)]
#[command(name = "ul-keys", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Start a program with keys from this computer's keychain.
    ///
    /// The program receives a key in ULTRALYTICS_API_KEY, or in the variables named by --as, and the address of the key
    /// service in ULTRALYTICS_PLATFORM_URL. Exits with the program's exit code, or with 125, 126 or 127 if the program
    /// could not be started.
    Run {
        #[command(flatten)]
        keys: KeyVariables,
        /// Program and arguments, for example `-- yolo train model=yolo11n.pt`.
        #[arg(last = true, required = true)]
        program: Vec<OsString>,
    },
    /// Run the key service without a window.
    ///
    /// The service uses the key database of the window, unless --data names another folder. SIGTERM stops it: open
    /// requests may finish for two seconds, and pending usage is written. SIGHUP reloads the limits. Exits with 78 if
    /// the configuration is not valid, and with 1 if the service cannot run.
    Serve(ServeOptions),
    /// Manage the keys that were saved in this computer's keychain.
    Keychain {
        #[command(subcommand)]
        action: KeychainAction,
    },
    /// Print a script that completes the commands in a shell.
    ///
    /// For example, `ul-keys completions bash > ~/.local/share/bash-completion/completions/ul-keys`.
    Completions {
        /// Shell that runs the script.
        shell: Shell,
    },
    /// Write the manual pages.
    ManPages {
        /// Folder in which the pages are created.
        folder: PathBuf,
    },
}

#[derive(Subcommand)]
pub(crate) enum KeychainAction {
    /// List the names and prefixes of the saved keys.
    List,
    /// Remove a key from the keychain. The key itself stays valid until it is revoked.
    Forget {
        /// Name under which the key was saved.
        #[arg(allow_hyphen_values = true, value_parser = parse_key_name)]
        name: String,
    },
}

/// Parses the command line. Error messages never repeat a key, because terminal output may be recorded.
///
/// # Errors
/// Returns the exit code after printing the reason.
pub(crate) fn parse() -> Result<Option<Action>, ExitCode> {
    let arguments = Arguments::try_parse().map_err(|error| {
        let text = error.to_string();
        if secret::contains_key(&text) {
            print_error(text.trim_end());
        } else {
            // clap's `print` uses colors and writes help to standard output. If printing fails, there is no way to
            // report it.
            let _ = error.print();
        }
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(EXIT_UL_KEYS_FAILED))
    })?;
    Ok(arguments.action)
}

/// Returns the definition of all commands.
pub(crate) fn definition() -> clap::Command {
    Arguments::command()
}

/// Parses the name under which a key was saved. Rejects a key that was passed in place of its name, so that no later
/// message repeats the key.
fn parse_key_name(text: &str) -> Result<String, &'static str> {
    if secret::contains_key(text) {
        return Err("expects the name of a saved key, not the key itself");
    }
    Ok(text.to_owned())
}

/// Parses the name of an environment variable (POSIX.1-2017, Base Definitions, section 8.1).
fn parse_variable(text: &str) -> Result<String, &'static str> {
    // A key would be a valid name.
    if secret::contains_key(text) {
        return Err("expects the name of an environment variable, not a key");
    }
    let mut bytes = text.bytes();
    let is_name = bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        return Err("is not the name of an environment variable; use letters, digits and underscores");
    }
    if text == URL_VARIABLE || text.eq_ignore_ascii_case("no_proxy") {
        return Err("is set by ul-keys itself");
    }
    Ok(text.to_owned())
}

/// The keys that a program receives, in the order in which they were named.
pub(crate) struct KeyVariables(pub(crate) Vec<KeyVariable>);

/// A saved key, and the environment variables in which a program receives it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyVariable {
    /// The name under which the key was saved.
    pub(crate) name: String,
    /// At least one variable.
    pub(crate) variables: Vec<String>,
}

/// clap's derived code would lose which `--as` follows which `--key`.
impl Args for KeyVariables {
    fn augment_args(command: clap::Command) -> clap::Command {
        command
            .arg(
                Arg::new("key")
                    .long("key")
                    .value_name("NAME")
                    .help("Name under which the key was saved (may be repeated, with different variables)")
                    .action(ArgAction::Append)
                    .required(true)
                    .allow_hyphen_values(true)
                    .value_parser(parse_key_name),
            )
            .arg(
                Arg::new("as")
                    .long("as")
                    .value_name("VARIABLE")
                    .help("Variable for the preceding key, instead of ULTRALYTICS_API_KEY (may be repeated)")
                    .action(ArgAction::Append)
                    .value_parser(parse_variable),
            )
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for KeyVariables {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = |id: &str| {
            let positions = matches.indices_of(id).into_iter().flatten();
            positions.zip(matches.get_many::<String>(id).into_iter().flatten().cloned()).collect::<Vec<_>>()
        };
        let mut keys: Vec<(usize, KeyVariable)> = values("key")
            .into_iter()
            .map(|(position, name)| (position, KeyVariable { name, variables: Vec::new() }))
            .collect();
        for (position, variable) in values("as") {
            let preceding = keys.iter_mut().rfind(|(key, _)| *key < position);
            let (_, key) = preceding.ok_or_else(|| conflict("--as must follow the --key to which it belongs"))?;
            key.variables.push(variable);
        }
        let mut taken = Vec::new();
        for (_, key) in &mut keys {
            if key.variables.is_empty() {
                key.variables.push(KEY_VARIABLE.to_owned());
            }
            for variable in &key.variables {
                if taken.contains(variable) {
                    let reason = format!("{variable} is named twice; name a variable for each key with --as");
                    return Err(conflict(reason));
                }
                taken.push(variable.clone());
            }
        }
        Ok(Self(keys.into_iter().map(|(_, key)| key).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn conflict(reason: impl std::fmt::Display) -> clap::Error {
    clap::Error::raw(ErrorKind::ArgumentConflict, format!("{reason}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_run(options: &[&str]) -> Result<Vec<(String, Vec<String>)>, String> {
        let arguments = [&["ul-keys", "run"], options, &["--", "yolo", "--help"]].concat();
        let parsed = Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?;
        match parsed.action {
            Some(Action::Run { keys: KeyVariables(keys), program }) if program.len() == 2 => {
                Ok(keys.into_iter().map(|key| (key.name, key.variables)).collect())
            }
            _ => Err("another command".to_owned()),
        }
    }

    fn key(name: &str, variables: &[&str]) -> (String, Vec<String>) {
        (name.to_owned(), variables.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn run_passes_each_key_in_its_variables() {
        assert_eq!(parse_run(&["--key", "a b"]), Ok(vec![key("a b", &[KEY_VARIABLE])]));
        assert_eq!(parse_run(&["--key=-gpu"]), Ok(vec![key("-gpu", &[KEY_VARIABLE])]));
        let options = ["--key", "a", "--as", "OPENAI_API_KEY", "--as", "X_1", "--key", "b"];
        let expected = vec![key("a", &["OPENAI_API_KEY", "X_1"]), key("b", &[KEY_VARIABLE])];
        assert_eq!(parse_run(&options), Ok(expected));
        let options = ["--key", "a", "--key", "a", "--as", "SECOND"];
        assert_eq!(parse_run(&options), Ok(vec![key("a", &[KEY_VARIABLE]), key("a", &["SECOND"])]));
    }

    #[test]
    fn run_with_unclear_variables_is_rejected_with_reason() {
        for (options, reason) in [
            (&["--as", "X", "--key", "a"][..], "--as must follow the --key"),
            (&["--key", "a", "--key", "b"], "ULTRALYTICS_API_KEY is named twice"),
            (&["--key", "a", "--as", "X", "--key", "b", "--as", "X"], "X is named twice"),
            (&["--key", "a", "--as", "1X"], "is not the name of an environment variable"),
            (&["--key", "a", "--as", "A=B"], "is not the name of an environment variable"),
            (&["--key", "a", "--as", ""], "is not the name of an environment variable"),
            (&["--key", "a", "--as", "No_Proxy"], "is set by ul-keys itself"),
            (&["--key", "a", "--as", URL_VARIABLE], "is set by ul-keys itself"),
            (&["--as", "X"], "--key <NAME>"),
        ] {
            let error = parse_run(options).expect_err("rejected");
            assert!(error.contains(reason), "{options:?}: {error}");
        }
    }

    #[test]
    fn key_in_place_of_its_name_is_rejected() {
        definition().debug_assert();
        assert!(Arguments::try_parse_from(["ul-keys"]).expect("valid").action.is_none());
        assert!(Arguments::try_parse_from(["ul-keys", "run", "--key", "a"]).is_err(), "a program is required");
        let key = format!("ul_{}", "0123456789".repeat(4));
        assert!(Arguments::try_parse_from(["ul-keys", "keychain", "forget", &key]).is_err());
        assert!(Arguments::try_parse_from(["ul-keys", "run", "--key", &key, "--", "program"]).is_err());
        assert!(parse_run(&["--key", "a", "--as", &key]).is_err());
        let own = ["ul-keys", "run", "--key", "a", "--", "program", &key];
        assert!(Arguments::try_parse_from(own).is_ok(), "the arguments of the program are not checked");
    }
}
