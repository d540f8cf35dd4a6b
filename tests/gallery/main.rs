//! `gallery FOLDER [PART OF A NAME] [--few] [--check]`: saves a screenshot of every state of the app's windows in every
//! variant, and a contact sheet for each state. `--few` limits the output to a few variants, and `--check` also checks
//! each page for problems.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::gallery::{SCENES, Variant, WalkOptions, walk_scene};

#[tokio::main]
async fn main() -> Result<()> {
    let (flags, words): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let folder = PathBuf::from(words.first().context("usage: gallery FOLDER [PART OF A NAME] [--few] [--check]")?);
    let only = words.get(1).map_or("", String::as_str);
    let has = |wanted: &str| flags.iter().any(|flag| flag == wanted);
    let variants = if has("--few") { Variant::few() } else { Variant::all() };
    let options = WalkOptions { variants: &variants, pictures: Some(&folder), check: has("--check"), only };
    let mut found = String::new();
    for scene in SCENES {
        eprintln!("{} ({} states)", scene.name, scene.states.len());
        match walk_scene(scene, options).await {
            Ok(findings) => found += &findings.to_string(),
            Err(error) => found += &format!("{}: {error:#}\n", scene.name),
        }
        for state in scene.states {
            let pictures = folder.join(scene.name).join(state.name);
            if pictures.is_dir() && format!("{}/{}", scene.name, state.name).contains(only) {
                save_contact_sheet(&pictures, &variants)?;
            }
        }
    }
    if !found.is_empty() {
        println!("{found}");
        std::process::exit(1);
    }
    Ok(())
}

/// Combines all variants of a state into one contact sheet, next to the folder with the state's screenshots.
fn save_contact_sheet(pictures: &Path, variants: &[Variant]) -> Result<()> {
    let images = variants.iter().map(|variant| pictures.join(format!("{variant}.png"))).filter(|path| path.is_file());
    let images: Vec<_> = images.collect();
    if images.is_empty() {
        return Ok(());
    }
    let sheet = pictures.with_extension("png");
    let status = Command::new("montage")
        .args(["-label", "%t", "-tile", "3x", "-geometry", "700x500>+6+6", "-background", "#808080"])
        .args(images)
        .arg(&sheet)
        .status()
        .context("montage cannot be started; run `cargo xtask setup`")?;
    ensure!(status.success(), "{}: {status}", sheet.display());
    Ok(())
}
