//! The language and the theme are the system's, until a person chooses others.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, AppOptions, Desktop, seed, signal};

const DARK: &str = "rgb(21, 23, 28)";

/// Language, permitted colours and background.
async fn look(app: &App) -> Result<Value> {
    let script = "const { colorScheme, backgroundColor } = getComputedStyle(document.documentElement);
        return [document.documentElement.lang, colorScheme, backgroundColor];";
    app.script(script, Vec::new()).await
}

async fn wait_look(app: &App, wanted: [&str; 3]) -> Result<()> {
    app.wait(&format!("{wanted:?}"), async || look(app).await.is_ok_and(|look| look == json!(wanted))).await
}

async fn wait_title(app: &App, wanted: &str) -> Result<()> {
    app.wait(wanted, async || app.text("h1").await.is_ok_and(|title| title == wanted)).await
}

async fn speak(app: &App, language: &str) -> Result<()> {
    let preferences = json!({ "language": language, "theme": "system", "textPercent": 100, "clipboardSeconds": 60, "rotationDays": 90 });
    app.invoke("change_preferences", json!({ "preferences": preferences })).await?.expect("changed");
    Ok(())
}

/// The menu is the toolkit's, and no page can read it: it looks like the one that is chosen by its language.
#[tokio::test]
async fn the_language_of_the_window_and_its_menu() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start_with(&desktop, AppOptions { german: true, ..AppOptions::default() }).await?;
    wait_title(&app, "API-Schlüssel").await?;
    ensure!(look(&app).await?[0] == "de", "for screen readers, too");
    app.wait_text("Noch keine Schlüssel").await?;
    let bar = || {
        let path = desktop.home().join("menu.ppm");
        desktop.run("import", &["-window", &desktop.window()?, "-crop", "200x24+0+0", &path.display().to_string()])?;
        anyhow::Ok(std::fs::read(path)?)
    };
    let mut german = bar()?;
    app.wait("a menu at rest", async || {
        let before = std::mem::replace(&mut german, bar().unwrap_or_default());
        before == german && german.windows(2).any(|pair| pair[0] != pair[1])
    })
    .await?;
    speak(&app, "en").await?;
    wait_title(&app, "API Keys").await?;
    app.wait("another menu", async || bar().is_ok_and(|bar| bar != german)).await?;
    speak(&app, "de").await?;
    app.wait("the first menu", async || bar().is_ok_and(|bar| bar == german)).await
}

/// The page, the menu above it and the dates on it agree, however the system names the language.
#[tokio::test]
async fn menu_page_and_dates_follow_the_same_locale() -> Result<()> {
    for (locale, title, menu, date) in [
        (&[("LANG", "en_US.UTF-8"), ("LANGUAGE", "de")][..], "API-Schlüssel", "Datei", r"\d\d\.\d\d\.\d{4}"),
        (&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "pt_BR.UTF-8")], "Chaves de API", "Arquivo", r"\d\d/\d\d/\d{4}"),
        (&[("LANG", "en_US.UTF-8"), ("LC_TIME", "de_DE.UTF-8")], "API Keys", "File", r"\d+ [A-Z][a-z]{2,3} \d{4}"),
        (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "en_US.UTF-8")], "API Keys", "File", r"[A-Z][a-z]{2} \d+, \d{4}"),
    ] {
        let desktop = Desktop::start(1280, 1000)?;
        let made = seed::Sample::new("dated", "read", 24 * 60);
        seed::seed(&desktop.data().join("keys.db"), &[made]).await?;
        let app = App::start_with(&desktop, AppOptions { locale: Some(locale), ..AppOptions::default() }).await?;
        wait_title(&app, title).await?;
        let shows_date = "return new RegExp(arguments[0]).test(document.querySelector('main').innerText)";
        app.wait(&format!("a date as {date}"), async || {
            app.script(shows_date, vec![json!(date)]).await.is_ok_and(|shown| shown == true)
        })
        .await?;
        app.wait(&format!("the menu {menu}"), async || {
            let tree = desktop.accessibility_tree().unwrap_or_default();
            tree.iter().any(|object| object.role.contains("menu") && object.name == menu)
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_theme_of_both_windows() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start_with(&desktop, AppOptions { dark: true, ..AppOptions::default() }).await?;
    wait_look(&app, ["en", "light dark", DARK]).await?;
    app.create_in_dialog("by night", "read").await?;
    let key_window = look(&app).await?;
    ensure!(key_window[1] == "light dark" && key_window[2] != "rgb(255, 255, 255)", "{key_window}");
    let light_text = "return getComputedStyle(document.body).color.match(/[0-9]+/g).every((part) => part > 200)";
    ensure!(app.script(light_text, Vec::new()).await? == true, "light on dark");
    Ok(())
}

/// GNOME and KDE announce a dark style through the desktop portal, and leave the theme of GTK 3 as it is.
#[tokio::test]
async fn color_scheme_of_desktop_portal_is_followed_at_start_and_live() -> Result<()> {
    const LIGHT: &str = "rgb(255, 255, 255)";
    let desktop = Desktop::start_with_portal(1280, 1000)?;
    let announce =
        |scheme| desktop.run("gsettings", &["set", "org.gnome.desktop.interface", "color-scheme", scheme]).map(drop);
    announce("prefer-dark")?;
    let app = App::start(&desktop).await?;
    wait_look(&app, ["en", "light dark", DARK]).await?;
    announce("default")?;
    wait_look(&app, ["en", "light dark", LIGHT]).await?;
    announce("prefer-dark")?;
    wait_look(&app, ["en", "light dark", DARK]).await?;

    app.create_in_dialog("by night", "read").await?;
    wait_look(&app, ["en", "light dark", DARK]).await?;
    app.click("Done").await?;
    app.click("Close anyway").await?;
    app.leave_key_window().await?;
    app.click("Preferences").await?;
    app.click("Light").await?;
    wait_look(&app, ["en", "light", LIGHT]).await?;
    announce("default")?;
    announce("prefer-dark")?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    wait_look(&app, ["en", "light", LIGHT]).await
}

/// A desktop portal that does not answer until this is dropped.
struct HungPortal(u32);

impl HungPortal {
    fn start(desktop: &Desktop) -> Result<Self> {
        let ask = |owner: &str, object: &str, question: &[&str]| {
            let to = format!("--dest={owner}");
            desktop.run("dbus-send", &[&["--session", "--print-reply", &to, object], question].concat())
        };
        let portal = "org.freedesktop.portal.Desktop";
        // The bus starts it.
        ask(portal, "/org/freedesktop/portal/desktop", &["org.freedesktop.DBus.Peer.Ping"])?;
        let question = ["org.freedesktop.DBus.GetConnectionUnixProcessID", &format!("string:{portal}")];
        let answer = ask("org.freedesktop.DBus", "/org/freedesktop/DBus", &question)?;
        let process = answer.split_whitespace().last().context("a process number")?.parse()?;
        signal(process, "STOP")?;
        Ok(Self(process))
    }
}

impl Drop for HungPortal {
    fn drop(&mut self) {
        let _ = signal(self.0, "CONT");
    }
}

/// The desktop is dark, which the window does not know yet.
async fn start_beside_hung_portal() -> Result<(Desktop, HungPortal, App)> {
    const LIGHT: &str = "rgb(255, 255, 255)";
    let desktop = Desktop::start_with_portal(1280, 1000)?;
    desktop.run("gsettings", &["set", "org.gnome.desktop.interface", "color-scheme", "prefer-dark"])?;
    let portal = HungPortal::start(&desktop)?;
    let app = App::start(&desktop).await?;
    wait_look(&app, ["en", "light dark", LIGHT]).await?;
    Ok((desktop, portal, app))
}

/// GTK asks the portal before there is a window, and waits 25 s for an answer.
#[tokio::test]
async fn window_opens_while_portal_hangs_and_follows_it_once_it_answers() -> Result<()> {
    let (_desktop, portal, app) = start_beside_hung_portal().await?;
    drop(portal);
    wait_look(&app, ["en", "light dark", DARK]).await
}

#[tokio::test]
async fn color_scheme_of_a_portal_that_replaces_a_hung_one_is_followed() -> Result<()> {
    let (desktop, portal, app) = start_beside_hung_portal().await?;
    signal(portal.0, "KILL")?;
    app.wait("another portal", async || HungPortal::start(&desktop).is_ok()).await?;
    wait_look(&app, ["en", "light dark", DARK]).await
}

#[tokio::test]
async fn what_is_chosen_wins_also_at_the_next_start() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let start =
        async || App::start_with(&desktop, AppOptions { german: true, dark: true, ..AppOptions::default() }).await;
    let app = start().await?;
    wait_look(&app, ["de", "light dark", DARK]).await?;
    app.click("Einstellungen").await?;
    app.click("English").await?;
    wait_title(&app, "Preferences").await?;
    app.click("Light").await?;
    app.wait("a light page", async || look(&app).await.is_ok_and(|look| look[1] == "light" && look[2] != DARK)).await?;
    app.quit().await?;

    let app = start().await?;
    wait_title(&app, "API Keys").await?;
    let chosen = look(&app).await?;
    ensure!(chosen[0] == "en" && chosen[1] == "light" && chosen[2] != DARK, "{chosen}");
    app.click("Preferences").await?;
    wait_title(&app, "Preferences").await?;
    let system = "for (const box of document.querySelectorAll('input[value=system]')) box.click();";
    app.script(system, Vec::new()).await?;
    wait_look(&app, ["de", "light dark", DARK]).await?;
    wait_title(&app, "Einstellungen").await
}
