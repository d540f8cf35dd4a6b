//! `cargo xtask COMMAND`: everything that a developer runs, from a machine that has only Rust, Node and apt.

mod run;
mod setup;
mod shell;
mod test;
mod yolo;

use anyhow::Result;
use clap::{Parser, Subcommand};

use shell::{Step, app, cargo, root};

/// Developer commands of UL Keys.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing, build the app and open its window.
    Run {
        /// Build with optimisations, as for a release.
        #[arg(long)]
        release: bool,
    },
    /// Install what is missing and run every check and test.
    Test,
    /// Install what the other commands need.
    Setup,
    /// Measure the key service beside a bare route and better-auth, as ratios.
    Bench {
        /// Measure less, and nothing that must be installed: for use while developing.
        #[arg(long)]
        quick: bool,
    },
    /// Take the README's pictures again, from the real window.
    Screenshots,
    /// Train with the real `yolo` (6 GB of PyTorch are installed first), with and without the right key.
    Yolo,
    /// Write TypeScript's view of the Rust types again.
    Bindings,
}

fn main() -> Result<()> {
    std::env::set_current_dir(root())?;
    match Arguments::parse().command {
        Task::Run { release } => run::run(release),
        Task::Test => test::test(),
        Task::Setup => setup::for_tests(),
        Task::Bench { quick } => {
            let mut bench = cargo(&["run", "--release", "--package", "ulkeys-tests", "--bin", "bench"]);
            if quick {
                bench.args(["--", "--quick"]);
            } else {
                setup::for_bench()?;
            }
            bench.run()
        }
        Task::Screenshots => {
            setup::for_tests()?;
            app(false)?;
            cargo(&["run", "--package", "ulkeys-tests", "--bin", "screenshots"]).run()
        }
        Task::Yolo => yolo::yolo(),
        Task::Bindings => {
            setup::for_running()?;
            shell::ui(&["run", "build"]).run()?;
            cargo(&["test", "--package", "ul-keys", "bindings"]).env("UPDATE_BINDINGS", "1").run()
        }
    }
}
