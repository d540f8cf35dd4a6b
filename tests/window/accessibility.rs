//! Tests the accessibility of every state in the gallery, in variants that cover all themes and languages: axe reports
//! no violations (WCAG 2.2 AA and best practices), and no text is cut off or covered, even in a narrow window or at
//! twice the text size.

use anyhow::{Result, ensure};
use serde_json::json;
use ulkeys_tests::gallery::{SCENES, Variant, WalkOptions, walk_scene};
use ulkeys_tests::{App, Desktop, seed};

use crate::helpers::start_with_keys;

async fn check_scene(name: &str) -> Result<()> {
    let variants = Variant::few();
    let options = WalkOptions { variants: &variants, pictures: None, check: true, only: "" };
    for scene in SCENES.iter().filter(|scene| scene.name == name) {
        let findings = walk_scene(scene, options).await?;
        ensure!(findings.is_empty(), "{findings}");
    }
    Ok(())
}

/// Defines a test for each scene of the gallery, and a test that fails if a scene has no test.
macro_rules! scene_tests {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[tokio::test]
        async fn $test() -> Result<()> {
            check_scene($name).await
        })*

        #[test]
        fn every_gallery_scene_has_a_test() {
            let scenes: Vec<_> = SCENES.iter().map(|scene| scene.name).collect();
            assert_eq!(scenes, [$($name),*]);
        }
    };
}

scene_tests! {
    new_scene_is_accessible: "new",
    keys_scene_is_accessible: "keys",
    create_scene_is_accessible: "create",
    revoke_scene_is_accessible: "revoke",
    actions_scene_is_accessible: "actions",
    details_scene_is_accessible: "details",
    details_hostile_scene_is_accessible: "details-hostile",
    rotate_scene_is_accessible: "rotate",
    hostile_scene_is_accessible: "hostile",
    crowd_scene_is_accessible: "crowd",
    one_time_scene_is_accessible: "one-time",
    activity_scene_is_accessible: "activity",
    connection_scene_is_accessible: "connection",
    preferences_scene_is_accessible: "preferences",
    help_scene_is_accessible: "help",
    damaged_scene_is_accessible: "damaged",
    port_scene_is_accessible: "port",
}

/// Opens a dialog, and returns the duration of the longest animation or transition in the page, in seconds.
async fn longest_animation_seconds(app: &App) -> Result<f64> {
    app.click("Create Key").await?;
    app.wait_text("Suggestions").await?;
    let script =
        "const seconds = (text) => text.split(',').map((one) => parseFloat(one) * (/ms/.test(one) ? 0.001 : 1));
        return Math.max(...[...document.querySelectorAll('*')].map((element) => getComputedStyle(element)).flatMap(
            (style) => [...seconds(style.animationDuration), ...seconds(style.transitionDuration)]));";
    Ok(app.script(script, Vec::new()).await?.as_f64().unwrap_or(f64::NAN))
}

#[tokio::test]
async fn animations_are_off_with_reduced_motion() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let usual = App::start(&desktop).await?;
    let motion = longest_animation_seconds(&usual).await?;
    ensure!(motion > 0.05, "no animation to switch off, the longest takes {motion} s");
    usual.quit().await?;
    desktop.set_gtk_setting("gtk-enable-animations=0")?;
    let motion = longest_animation_seconds(&App::start(&desktop).await?).await?;
    ensure!(motion < 0.001, "an animation still takes {motion} s");
    Ok(())
}

#[tokio::test]
async fn high_contrast_theme_darkens_muted_colors() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let colors = async |app: &App| {
        let script = "return ['--text-muted', '--line'].map((it) => {
            const probe = document.body.appendChild(document.createElement('i'));
            probe.style.color = `var(${it})`;
            const color = getComputedStyle(probe).color;
            probe.remove();
            return Math.max(...color.match(/[0-9.]+/g).slice(0, 3).map(Number));
        });";
        app.script(script, vec![json!(null)]).await
    };
    let usual = App::start(&desktop).await?;
    let before = colors(&usual).await?;
    usual.quit().await?;
    desktop.set_gtk_setting("gtk-theme-name=HighContrast")?;
    let after = colors(&App::start(&desktop).await?).await?;
    for index in 0..2 {
        ensure!(after[index].as_f64() < before[index].as_f64(), "the color is not darker: {before} {after}");
    }
    Ok(())
}

/// Tests WCAG 2.4.11 (Focus Not Obscured). In a narrow window, the navigation stays at the top and the selection bar at
/// the bottom, so they could cover the focused control.
#[tokio::test]
async fn focused_control_is_not_covered_by_sticky_bar() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = start_with_keys(&desktop, seed::TEAM_KEYS).await?;
    app.resize(&desktop, 640, 480).await?;
    app.click("Select mobile-app").await?;
    app.wait_text("1 key selected").await?;
    let watch = "window.found = []; window.stops = 0;
        addEventListener('focusin', ({ target }) => requestAnimationFrame(() => {
            stops += 1;
            const { x, y, width, height } = target.getBoundingClientRect();
            for (const part of [0.2, 0.8]) {
                const bar = document.elementFromPoint(x + width / 2, y + height * part)?.closest('[data-stays]');
                if (bar && !bar.contains(target)) found.push(target.ariaLabel ?? target.innerText);
            }
        }));";
    app.script(watch, Vec::new()).await?;
    desktop.run("xdotool", &["windowfocus", &desktop.list_window()?])?;
    for (key, presses) in [("Tab", 25), ("shift+Tab", 35)] {
        for _ in 0..presses {
            let before = app.script("return stops", Vec::new()).await?;
            desktop.press(&[key])?;
            app.wait("the next stop", async || {
                app.script("return stops", Vec::new()).await.is_ok_and(|stops| stops != before)
            })
            .await?;
        }
    }
    let found = app.script("return found", Vec::new()).await?;
    ensure!(found == json!([]), "{found}");
    Ok(())
}
