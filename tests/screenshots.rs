//! Takes the screenshots for the README: four states of the real windows, in the light and in the dark theme.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::gallery::{SCENES, Variant, WalkOptions, walk_scene};

/// The states to capture, and the names of their screenshots.
const SCREENSHOTS: &[(&str, &str)] = &[
    ("keys/list", "list"),
    ("details/training", "details"),
    ("create/filled", "create"),
    ("one-time/shown", "one-time"),
];

#[tokio::main]
async fn main() -> Result<()> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
    std::fs::create_dir_all(&images)?;
    let taken = tempfile::tempdir()?;
    let dark = Variant { dark: true, ..Variant::DEFAULT };
    for (state, name) in SCREENSHOTS {
        let options = WalkOptions {
            variants: &[Variant::DEFAULT, dark],
            pictures: Some(taken.path()),
            check: false,
            only: state,
        };
        for scene in SCENES {
            let findings = walk_scene(scene, options).await?;
            ensure!(findings.is_empty(), "{findings}");
        }
        for (variant, theme) in [(Variant::DEFAULT, "light"), (dark, "dark")] {
            let picture = taken.path().join(state).join(format!("{variant}.png"));
            std::fs::copy(picture, images.join(format!("{name}-{theme}.png")))
                .with_context(|| format!("cannot copy the screenshot of {state}"))?;
        }
    }
    Ok(())
}
