//! Running other programs, and saying which.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The folder of the workspace.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// A command of the toolchain that runs this one.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// An npm command of the page.
pub fn npm_ui(arguments: &[&str]) -> Command {
    npm("ui", arguments)
}

/// An npm command in a folder of the workspace.
pub fn npm(folder: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(folder);
    command
}

/// Builds the page and then the program that embeds it, with a profile of the workspace.
///
/// The profile `dev` is also that of the tests. `--workspace` gives the dependencies the same features in both, so that
/// they are built once.
pub fn build_app(profile: &str) -> Result<PathBuf> {
    npm_ui(&["run", "build"]).run()?;
    let packages: &[&str] =
        if profile == "dev" { &["--workspace", "--bin", "ul-keys"] } else { &["--package", "ul-keys"] };
    cargo(&[&["build", "--profile", profile], packages].concat()).run()?;
    Ok(target_folder().join(if profile == "dev" { "debug" } else { profile }).join("ul-keys"))
}

/// The folder of everything that is built or installed for the workspace.
pub fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace_root().join("target"), PathBuf::from)
}

/// Whether a program of this name can be started.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs a command in the foreground.
pub trait RunExt {
    /// Runs it to its end, after saying what is run.
    ///
    /// # Errors
    /// When it cannot be started, or fails.
    fn run(&mut self) -> Result<()>;
}

impl RunExt for Command {
    fn run(&mut self) -> Result<()> {
        let line = display_command(self);
        eprintln!("\n> {line}");
        let status = self.status().with_context(|| format!("`{line}` cannot be started"))?;
        if !status.success() {
            bail!("`{line}` failed: {status}");
        }
        Ok(())
    }
}

/// The command as one would type it, without the folder of the program.
pub fn display_command(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}
