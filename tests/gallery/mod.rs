//! Every state of the real windows, for people to look at (`cargo xtask gallery`) and for tests to check.
//!
//! A [`Scene`] is an app with something to begin with; its [`State`]s are reached by [`Step`]s that a person could take,
//! in English, light and wide. Language, theme and size are changed when the state is there. To add a state, add it to
//! its scene below `states/`.
//!
//! Deliberately absent: forced colours, which WebKitGTK does not know.

mod inspect;
mod stage;
mod states;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};

pub use inspect::Findings;
pub use stage::{Stage, Step};
pub use states::SCENES;

/// What an app finds when it starts, and the states that it is then brought into.
pub struct Scene {
    /// Its name, as a folder's or a test's.
    pub name: &'static str,
    /// What it finds.
    pub setting: Setting,
    /// What is then to be seen, one after another.
    pub states: &'static [State],
}

/// What an app finds when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Nothing: it was never started before.
    New,
    /// The keys of a small team.
    Team,
    /// Keys that are being rotated.
    Rotating,
    /// Keys with names that nobody should give.
    Hostile,
    /// A hundred thousand keys.
    Crowd,
    /// A file that is no database.
    Damaged,
    /// Another program at its port.
    PortTaken,
}

/// Something to be seen.
pub struct State {
    /// Its name, as a file's.
    pub name: &'static str,
    /// How to get there from a page that was just loaded.
    pub steps: &'static [Step],
}

/// How the windows look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The language's tag.
    pub language: &'static str,
    /// Light or dark.
    pub dark: bool,
    /// Size of the list's window.
    pub size: Size,
    /// Size of text, in per cent of the usual.
    pub text: u32,
}

/// Size of the list's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As it opens.
    Wide,
    /// The smallest in which everything must be usable.
    Narrow,
}

impl Look {
    /// The look in which states are reached.
    pub const USUAL: Self = Self { language: "en", dark: false, size: Size::Wide, text: 100 };

    /// Every look at the usual size of text.
    pub fn all() -> Vec<Self> {
        let mut looks = Vec::new();
        for size in [Size::Wide, Size::Narrow] {
            for dark in [false, true] {
                looks.extend(["en", "de", "pt-BR"].map(|language| Self { language, dark, size, text: 100 }));
            }
        }
        looks
    }

    /// A few looks, so chosen that each language is among them in each theme, each size at the usual and at large text.
    pub fn few() -> Vec<Self> {
        let look = |language, dark, size, text| Self { language, dark, size, text };
        vec![
            Self::USUAL,
            look("en", true, Size::Narrow, 100),
            look("de", true, Size::Narrow, 100),
            look("de", false, Size::Wide, 200),
            look("pt-BR", true, Size::Wide, 100),
            look("pt-BR", false, Size::Narrow, 200),
        ]
    }
}

impl std::fmt::Display for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let theme = if self.dark { "dark" } else { "light" };
        let size = if self.size == Size::Wide { "wide" } else { "narrow" };
        write!(f, "{}-{theme}-{size}", self.language)?;
        if self.text != 100 { write!(f, "-{}", self.text) } else { Ok(()) }
    }
}

/// What is done with each look at each state.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The looks.
    pub looks: &'a [Look],
    /// The folder for a picture of each, if pictures are wanted.
    pub pictures: Option<&'a Path>,
    /// Whether each is checked.
    pub check: bool,
    /// Part of the names of the states that are wanted; empty for all.
    pub only: &'a str,
}

/// Brings the app into each state of a scene, and returns everything that was found to be wrong. A state that is not
/// reached is a finding too, and the next one is tried all the same.
///
/// # Errors
/// When the app does not start.
pub async fn walk(scene: &Scene, task: Task<'_>) -> Result<Findings> {
    let mut findings = Findings::default();
    let wanted = |state: &&State| format!("{}/{}", scene.name, state.name).contains(task.only);
    if !scene.states.iter().any(|state| wanted(&state)) {
        return Ok(findings);
    }
    let stage = Stage::set(scene.setting).await.with_context(|| scene.name)?;
    for state in scene.states.iter().filter(wanted) {
        let name = format!("{}/{}", scene.name, state.name);
        let start = Instant::now();
        if let Err(error) = stage.reach(state).await {
            eprintln!("{name}: not reached in {:.1?}", start.elapsed());
            findings.add(&name, format!("is not reached: {}", briefly(&error)));
            if let Some(folder) = task.pictures {
                stage.photograph(&picture(folder, &name, "not-reached")?).await?;
            }
            stage.rest().await?;
            continue;
        }
        for look in task.looks {
            if let Err(error) = show(&stage, &name, *look, task, &mut findings).await {
                findings.add(&format!("{name} {look}"), format!("cannot be looked at: {}", briefly(&error)));
            }
        }
        let shown = start.elapsed();
        stage.rest().await.with_context(|| format!("after {name}"))?;
        eprintln!("{name}: {:.1?}, and back in {:.1?}", shown, start.elapsed() - shown);
    }
    Ok(findings)
}

async fn show(stage: &Stage, name: &str, look: Look, task: Task<'_>, findings: &mut Findings) -> Result<()> {
    stage.look(look).await?;
    if task.check {
        findings.check(stage, &format!("{name} {look}")).await?;
    }
    match task.pictures {
        Some(folder) => stage.photograph(&picture(folder, name, &look.to_string())?).await,
        None => Ok(()),
    }
}

fn picture(folder: &Path, state: &str, name: &str) -> Result<PathBuf> {
    let folder = folder.join(state);
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("{name}.png")))
}

/// Errors of waiting go on with all of the page's text and all that the app printed.
fn briefly(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|cause| cause.to_string().lines().next().unwrap_or_default().to_owned());
    causes.collect::<Vec<_>>().join(": ")
}
