//! The README's pictures: four states of the real windows, light and dark.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::gallery::{Look, SCENES, Task, walk};

/// The states, and the names of their pictures.
const SHOWN: &[(&str, &str)] = &[
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
    let dark = Look { dark: true, ..Look::USUAL };
    for (state, name) in SHOWN {
        let task = Task { looks: &[Look::USUAL, dark], pictures: Some(taken.path()), check: false, only: state };
        for scene in SCENES {
            let findings = walk(scene, task).await?;
            ensure!(findings.is_empty(), "{findings}");
        }
        for (look, theme) in [(Look::USUAL, "light"), (dark, "dark")] {
            let picture = taken.path().join(state).join(format!("{look}.png"));
            std::fs::copy(picture, images.join(format!("{name}-{theme}.png")))
                .with_context(|| format!("no {state}"))?;
        }
    }
    Ok(())
}
