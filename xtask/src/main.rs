//! `cargo xtask COMMAND`: commands for developers. They need only Rust, Node.js and apt, and install everything else.

mod run;
mod setup;
mod shell;
mod test;
mod tidy;
mod yolo;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use shell::{RunExt, build_app, cargo, workspace_root};

/// Developer commands of UL Keys.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: XtaskCommand,
}

#[derive(Subcommand)]
enum XtaskCommand {
    /// Install missing dependencies, build the app and open its window.
    Run {
        /// Build with optimizations, as for a release.
        #[arg(long)]
        release: bool,
    },
    /// Install missing dependencies and run every check and test.
    Test {
        /// Run only the checks and tests that are fast enough to run between edits: tidy, formatting, and the tests
        /// that can run without a window, a gateway or an extra build.
        #[arg(long)]
        fast: bool,
        /// Run only the tests in `tests/release`, on a build with release settings.
        #[arg(long, conflicts_with = "fast")]
        release: bool,
        /// Run only the tests of the systemd units, in a container with Debian. Needs root.
        #[arg(long, conflicts_with_all = ["fast", "release"])]
        systemd: bool,
        /// Fail if a test is skipped because it cannot run on this machine.
        #[arg(long)]
        deny_skips: bool,
    },
    /// Check spelling, the width of comments, and wordy phrases in comments and documents.
    Tidy,
    /// Install the dependencies of the other commands.
    Setup,
    /// Measure the cost of key checks, compared with routes that do not check keys, nginx and better-auth.
    Bench {
        /// Take fewer and shorter measurements. Omit nginx and better-auth, which would have to be installed, and a
        /// million keys.
        #[arg(long, conflicts_with = "window")]
        quick: bool,
        /// Instead of the key service, measure the app's window with 100,000 keys and with 10 keys.
        #[arg(long)]
        window: bool,
    },
    /// Take a screenshot of every state of the app's windows: light and dark, wide and narrow, in each language.
    Gallery {
        /// Folder for the screenshots; `gallery` in the target folder by default.
        folder: Option<std::path::PathBuf>,
        /// Include only states whose name (`scene/state`) contains this text.
        #[arg(long, default_value = "")]
        only: String,
        /// Take screenshots in only a few variants of each state.
        #[arg(long)]
        few: bool,
        /// Also report content that is cut off, overlaps or is not accessible.
        #[arg(long)]
        check: bool,
    },
    /// Retake the README's screenshots of the real window.
    Screenshots,
    /// Run the real `yolo train`, with and without the required scope. Installs 6 GB of PyTorch first.
    Yolo,
    /// Regenerate the TypeScript bindings of the Rust types.
    Bindings,
}

fn main() -> ExitCode {
    match run_command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Prints no backtrace, which would follow the failed tests and push them out of view.
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_command() -> Result<()> {
    std::env::set_current_dir(workspace_root())?;
    match Arguments::parse().command {
        XtaskCommand::Run { release } => run::run_app(release),
        XtaskCommand::Test { fast: true, deny_skips, .. } => test::run_fast(deny_skips),
        XtaskCommand::Test { release: true, deny_skips, .. } => test::run_release(deny_skips),
        XtaskCommand::Test { systemd: true, .. } => test::run_systemd(),
        XtaskCommand::Test { deny_skips, .. } => test::run_all(deny_skips),
        XtaskCommand::Tidy => tidy::check_prose(),
        XtaskCommand::Setup => setup::install_test_tools(),
        XtaskCommand::Bench { window: true, .. } => {
            setup::install_test_tools()?;
            build_app("release")?;
            cargo(&["run", "--release", "--package", "ulkeys-tests", "--bin", "window-bench"]).run()
        }
        XtaskCommand::Bench { quick, .. } => {
            let mut bench = cargo(&["run", "--release", "--package", "ulkeys-tests", "--bin", "bench"]);
            if quick {
                bench.args(["--", "--quick"]);
            } else {
                setup::install_benchmark_tools()?;
            }
            bench.run()
        }
        XtaskCommand::Gallery { folder, only, few, check } => {
            setup::install_test_tools()?;
            build_app("dev")?;
            let folder = folder.unwrap_or_else(|| shell::target_folder().join("gallery"));
            let mut gallery = cargo(&["run", "--package", "ulkeys-tests", "--bin", "gallery", "--"]);
            gallery.arg(&folder).arg(only);
            gallery.args(few.then_some("--few")).args(check.then_some("--check")).run()?;
            eprintln!("\nThe screenshots are in {}", folder.display());
            Ok(())
        }
        XtaskCommand::Screenshots => {
            setup::install_test_tools()?;
            build_app("dev")?;
            cargo(&["run", "--package", "ulkeys-tests", "--bin", "screenshots"]).run()
        }
        XtaskCommand::Yolo => yolo::run_yolo(),
        XtaskCommand::Bindings => {
            setup::install_build_tools()?;
            shell::npm_ui(&["run", "build"]).run()?;
            cargo(&["test", "--workspace", "--lib", "bindings"]).env("UPDATE_BINDINGS", "1").run()
        }
    }
}
