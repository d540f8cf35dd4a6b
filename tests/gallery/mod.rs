//! Brings the real windows into every state, so that people can review them (`cargo xtask gallery`) and tests can check
//! them.
//!
//! A [`Scene`] starts the app with a [`Precondition`]. Its [`SceneState`]s are reached by [`Step`]s that a user could
//! take, in English, in the light theme and in a wide window. The language, theme and size are changed only after the
//! state is reached. To add a state, add it to its scene below `states/`.
//!
//! Deliberately omitted: forced colors, which WebKitGTK does not support.

mod checks;
mod scene_driver;
mod states;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};

pub use checks::Findings;
pub use scene_driver::{SceneDriver, Step};
pub use states::SCENES;

/// A precondition for starting the app, and the states that the app then reaches.
pub struct Scene {
    /// The name of the scene, also used for its folder and its test.
    pub name: &'static str,
    /// The data and the environment with which the app starts.
    pub precondition: Precondition,
    /// The states of the scene, which are reached one after another.
    pub states: &'static [SceneState],
}

/// The data and the environment with which the app starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// No data exists yet, as when the app is started for the first time.
    New,
    /// The database contains the keys of a small team.
    Team,
    /// The database contains keys that are being rotated.
    Rotating,
    /// The database contains keys with hostile names, for example very long names or markup.
    Hostile,
    /// The database contains 100,000 keys.
    Crowd,
    /// The database file is damaged: it is not an SQLite database.
    Damaged,
    /// Another program uses the configured port.
    PortTaken,
}

/// One state of a scene: what the app's windows show after certain steps.
pub struct SceneState {
    /// The name of the state, also used for its files.
    pub name: &'static str,
    /// The steps that lead to the state from a newly loaded page.
    pub steps: &'static [Step],
}

/// A combination of language, theme, window size and text size in which a state is displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// The language tag, for example `pt-BR`.
    pub language: &'static str,
    /// Whether the theme is dark.
    pub dark: bool,
    /// The size of the window.
    pub size: WindowSize,
    /// The text size in percent of the default size.
    pub text: u32,
}

/// The size of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowSize {
    /// The initial size of the window.
    Wide,
    /// The smallest size at which everything must be usable.
    Narrow,
}

impl Variant {
    /// The variant in which the steps of a state are performed.
    pub const DEFAULT: Self = Self { language: "en", dark: false, size: WindowSize::Wide, text: 100 };

    /// Returns every variant at the default text size.
    pub fn all() -> Vec<Self> {
        let mut variants = Vec::new();
        for size in [WindowSize::Wide, WindowSize::Narrow] {
            for dark in [false, true] {
                variants.extend(["en", "de", "pt-BR"].map(|language| Self { language, dark, size, text: 100 }));
            }
        }
        variants
    }

    /// Returns the variants that the tests check: each language, both themes, and each window size with default and
    /// with large text. German, whose words are the longest, occurs twice. `cargo xtask gallery --check` checks all
    /// combinations of language, theme and window size.
    pub fn few() -> Vec<Self> {
        let variant = |language, dark, size, text| Self { language, dark, size, text };
        vec![
            Self::DEFAULT,
            variant("de", true, WindowSize::Narrow, 100),
            variant("de", false, WindowSize::Wide, 200),
            variant("pt-BR", true, WindowSize::Narrow, 200),
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

/// Options for [`walk_scene`].
#[derive(Debug, Clone, Copy)]
pub struct WalkOptions<'a> {
    /// The variants in which each state is displayed.
    pub variants: &'a [Variant],
    /// The folder for screenshots; `None` to take no screenshots.
    pub pictures: Option<&'a Path>,
    /// Whether each variant is checked for problems.
    pub check: bool,
    /// Part of the names of the states to visit (`scene/state`); empty for all states.
    pub only: &'a str,
}

/// Brings the app into each state of a scene, and returns all problems found. A state that cannot be reached is also
/// reported as a problem, and the walk continues with the next state.
///
/// # Errors
/// Returns an error if the app cannot be started or reset.
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
            eprintln!("{name}: not reached after {:.1?}", start.elapsed());
            findings.add(&name, format!("cannot be reached: {}", format_causes(&error)));
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
        driver.reset().await.with_context(|| format!("cannot reset the app after {name}"))?;
        eprintln!("{name}: visited in {:.1?}, reset in {:.1?}", shown, start.elapsed() - shown);
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

/// Joins the first lines of the error and of all its causes. The other lines are omitted, because in a timeout error
/// they contain the page's text and the app's output.
fn format_causes(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|cause| cause.to_string().lines().next().unwrap_or_default().to_owned());
    causes.collect::<Vec<_>>().join(": ")
}
