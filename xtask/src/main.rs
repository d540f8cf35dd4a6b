//! `cargo xtask COMMAND`: everything that a developer runs, from a machine that has only Rust, Node and apt.

mod run;
mod setup;
mod shell;
mod test;
mod tidy;
mod yolo;

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
    /// Install what is missing, build the app and open its window.
    Run {
        /// Build with optimizations, as for a release.
        #[arg(long)]
        release: bool,
    },
    /// Install what is missing and run every check and test.
    Test {
        /// Only what is quick enough to run between edits: formatting and the tests without windows, gateways and
        /// builds.
        #[arg(long)]
        fast: bool,
        /// Fail when a test was skipped, because it cannot run here.
        #[arg(long)]
        deny_skips: bool,
    },
    /// Check the width of comments, and comments and documents for phrases that plain sentences do not need.
    Tidy,
    /// Install what the other commands need.
    Setup,
    /// Measure the key service beside a bare route and better-auth, as ratios.
    Bench {
        /// Measure less, and nothing that must be installed: for use while developing.
        #[arg(long, conflicts_with = "window")]
        quick: bool,
        /// Measure what many keys cost in the real window instead.
        #[arg(long)]
        window: bool,
    },
    /// Take a picture of every state of the windows: light and dark, wide and narrow, in each language.
    Gallery {
        /// Where to put them; `gallery` in the folder of everything that is built, if not given.
        folder: Option<std::path::PathBuf>,
        /// Only the states whose name (`scene/state`) has this in it.
        #[arg(long, default_value = "")]
        only: String,
        /// Only a few of the variants.
        #[arg(long)]
        few: bool,
        /// Say what is cut, overlaps, or is not accessible.
        #[arg(long)]
        check: bool,
    },
    /// Take the README's pictures again, from the real window.
    Screenshots,
    /// Train with the real `yolo` (6 GB of PyTorch are installed first), with and without the right key.
    Yolo,
    /// Write TypeScript's view of the Rust types again.
    Bindings,
}

fn main() -> Result<()> {
    std::env::set_current_dir(workspace_root())?;
    match Arguments::parse().command {
        XtaskCommand::Run { release } => run::run_app(release),
        XtaskCommand::Test { fast: true, deny_skips } => test::run_fast(deny_skips),
        XtaskCommand::Test { fast: false, deny_skips } => test::run_all(deny_skips),
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
            eprintln!("\nThe pictures are in {}", folder.display());
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
            cargo(&["test", "--package", "ul-keys", "bindings"]).env("UPDATE_BINDINGS", "1").run()
        }
    }
}
