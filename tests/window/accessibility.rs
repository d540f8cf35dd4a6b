//! In every state of the windows, light and dark and in every language, axe finds nothing (WCAG 2.2 AA and best
//! practices), and no text is cut or covered: not in a narrow window, and not where text is twice as large.

use anyhow::{Result, ensure};
use ulkeys_tests::gallery::{Look, SCENES, Task, walk};

async fn nothing_is_wrong_in(name: &str) -> Result<()> {
    let looks = Look::few();
    let task = Task { looks: &looks, pictures: None, check: true, only: "" };
    for scene in SCENES.iter().filter(|scene| scene.name == name) {
        let findings = walk(scene, task).await?;
        ensure!(findings.is_empty(), "{findings}");
    }
    Ok(())
}

/// A test for each scene.
macro_rules! scenes {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[tokio::test]
        async fn $test() -> Result<()> {
            nothing_is_wrong_in($name).await
        })*

        #[test]
        fn every_scene_has_its_test() {
            let scenes: Vec<_> = SCENES.iter().map(|scene| scene.name).collect();
            assert_eq!(scenes, [$($name),*]);
        }
    };
}

scenes! {
    new: "new",
    keys: "keys",
    create: "create",
    revoke: "revoke",
    actions: "actions",
    details: "details",
    details_hostile: "details-hostile",
    rotate: "rotate",
    hostile: "hostile",
    crowd: "crowd",
    one_time: "one-time",
    activity: "activity",
    connection: "connection",
    preferences: "preferences",
    help: "help",
    damaged: "damaged",
    port: "port",
}
