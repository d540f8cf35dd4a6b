//! Runs other programs, and prints their command lines.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Returns the root folder of the workspace.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Returns a command that runs the Cargo of the current toolchain.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Returns an npm command that runs in the folder of the app's page.
pub fn npm_ui(arguments: &[&str]) -> Command {
    npm("ui", arguments)
}

/// Returns an npm command that runs in a folder of the workspace.
pub fn npm(folder: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(folder);
    command
}

/// Builds the page, and then builds the command line and the app, which embeds the page, with the given Cargo profile.
/// Returns the path of the app.
///
/// The tests also use the profile `dev`. With `--workspace`, the dependencies have the same features for the app and
/// for the tests, so they are built only once.
pub fn build_app(profile: &str) -> Result<PathBuf> {
    npm_ui(&["run", "build"]).run()?;
    let packages: &[&str] = if profile == "dev" {
        &["--workspace", "--bin", "ul-keys", "--bin", "ul-keys-desktop"]
    } else {
        &["--package", "ul-keys", "--package", "ul-keys-desktop"]
    };
    cargo(&[&["build", "--profile", profile], packages].concat()).run()?;
    Ok(target_folder().join(if profile == "dev" { "debug" } else { profile }).join("ul-keys-desktop"))
}

/// Returns the folder for everything that is built or installed for the workspace.
pub fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace_root().join("target"), PathBuf::from)
}

/// Whether a program with this name exists in a folder of `PATH`.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Extends [`Command`] with a method that runs the command in the foreground.
pub trait RunExt {
    /// Prints the command line, then runs the command and waits until it exits.
    ///
    /// # Errors
    /// Returns an error if the command cannot be started or fails.
    fn run(&mut self) -> Result<()>;
}

impl RunExt for Command {
    fn run(&mut self) -> Result<()> {
        let line = display_command(self);
        eprintln!("\n> {line}");
        let status = self.status().with_context(|| format!("cannot start `{line}`"))?;
        if !status.success() {
            bail!("`{line}` failed: {status}");
        }
        Ok(())
    }
}

/// Returns the command line for display, without the folder of the program.
pub fn display_command(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}
