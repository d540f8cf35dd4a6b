//! Every state of the real windows, for people to look at (`cargo xtask gallery`) and for tests to check.
//!
//! A [`Scene`] is an app with something to begin with; its [`SceneState`]s are reached by [`Step`]s that a person could
//! take, in English, light and wide. Language, theme and size are changed when the state is there. To add a state, add
//! it to its scene below `states/`.
//!
//! Deliberately absent: forced colors, which WebKitGTK does not know.

mod checks;
mod scene_driver;
mod states;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};

pub use checks::Findings;
pub use scene_driver::{SceneDriver, Step};
pub use states::SCENES;

/// What an app finds when it starts, and the states that it is then brought into.
pub struct Scene {
    /// Its name, as a folder's or a test's.
    pub name: &'static str,
    /// What it finds.
    pub precondition: Precondition,
    /// What is then to be seen, one after another.
    pub states: &'static [SceneState],
}

/// What an app finds when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
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
pub struct SceneState {
    /// Its name, as a file's.
    pub name: &'static str,
    /// How to get there from a page that was just loaded.
    pub steps: &'static [Step],
}

/// A way to show a state: language, theme, size of the window and size of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// The language's tag.
    pub language: &'static str,
    /// Light or dark.
    pub dark: bool,
    /// Size of the list's window.
    pub size: WindowSize,
    /// Size of text, in per cent of the usual.
    pub text: u32,
}

/// Size of the list's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowSize {
    /// As it opens.
    Wide,
    /// The smallest in which everything must be usable.
    Narrow,
}

impl Variant {
    /// The variant in which states are reached.
    pub const DEFAULT: Self = Self { language: "en", dark: false, size: WindowSize::Wide, text: 100 };

    /// Every variant at the default size of text.
    pub fn all() -> Vec<Self> {
        let mut variants = Vec::new();
        for size in [WindowSize::Wide, WindowSize::Narrow] {
            for dark in [false, true] {
                variants.extend(["en", "de", "pt-BR"].map(|language| Self { language, dark, size, text: 100 }));
            }
        }
        variants
    }

    /// A few variants, so chosen that each language is among them in each theme, each size at the usual and at large
    /// text.
    pub fn few() -> Vec<Self> {
        let variant = |language, dark, size, text| Self { language, dark, size, text };
        vec![
            Self::DEFAULT,
            variant("en", true, WindowSize::Narrow, 100),
            variant("de", true, WindowSize::Narrow, 100),
            variant("de", false, WindowSize::Wide, 200),
            variant("pt-BR", true, WindowSize::Wide, 100),
            variant("pt-BR", false, WindowSize::Narrow, 200),
        ]
    }
}

impl std::fmt::Display for Variant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let theme = if self.dark { "dark" } else { "light" };
        let size = if self.size == WindowSize::Wide { "wide" } else { "narrow" };
        write!(f, "{}-{theme}-{size}", self.language)?;
        if self.text != 100 { write!(f, "-{}", self.text) } else { Ok(()) }
    }
}

/// What is done with each variant of each state.
#[derive(Debug, Clone, Copy)]
pub struct WalkOptions<'a> {
    /// The variants.
    pub variants: &'a [Variant],
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
pub async fn walk_scene(scene: &Scene, options: WalkOptions<'_>) -> Result<Findings> {
    let mut findings = Findings::default();
    let wanted = |state: &&SceneState| format!("{}/{}", scene.name, state.name).contains(options.only);
    if !scene.states.iter().any(|state| wanted(&state)) {
        return Ok(findings);
    }
    let driver = SceneDriver::start(scene.precondition).await.with_context(|| scene.name)?;
    for state in scene.states.iter().filter(wanted) {
        let name = format!("{}/{}", scene.name, state.name);
        let start = Instant::now();
        if let Err(error) = driver.reach_state(state).await {
            eprintln!("{name}: not reached in {:.1?}", start.elapsed());
            findings.add(&name, format!("is not reached: {}", format_causes(&error)));
            if let Some(folder) = options.pictures {
                driver.save_screenshot(&picture_path(folder, &name, "not-reached")?).await?;
            }
            driver.reset().await?;
            continue;
        }
        for variant in options.variants {
            if let Err(error) = apply_and_check_variant(&driver, &name, *variant, options, &mut findings).await {
                findings.add(&format!("{name} {variant}"), format!("cannot be checked: {}", format_causes(&error)));
            }
        }
        let shown = start.elapsed();
        driver.reset().await.with_context(|| format!("after {name}"))?;
        eprintln!("{name}: {:.1?}, and back in {:.1?}", shown, start.elapsed() - shown);
    }
    Ok(findings)
}

async fn apply_and_check_variant(
    driver: &SceneDriver,
    name: &str,
    variant: Variant,
    options: WalkOptions<'_>,
    findings: &mut Findings,
) -> Result<()> {
    driver.apply_variant(variant).await?;
    if options.check {
        findings.check(driver, &format!("{name} {variant}")).await?;
    }
    match options.pictures {
        Some(folder) => driver.save_screenshot(&picture_path(folder, name, &variant.to_string())?).await,
        None => Ok(()),
    }
}

fn picture_path(folder: &Path, state: &str, name: &str) -> Result<PathBuf> {
    let folder = folder.join(state);
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("{name}.png")))
}

/// Errors of waiting go on with all of the page's text and all that the app printed.
fn format_causes(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|cause| cause.to_string().lines().next().unwrap_or_default().to_owned());
    causes.collect::<Vec<_>>().join(": ")
}
