//! Tests that the language and the theme follow the system until the user chooses a language or theme.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use ulkeys_tests::{App, AppOptions, Desktop, ensure_holds, seed, send_signal};

use crate::helpers::{set_language, wait_heading};

const DARK_BACKGROUND: &str = "rgb(21, 23, 28)";
const LIGHT_BACKGROUND: &str = "rgb(255, 255, 255)";

/// Returns the page's language, supported color schemes and background color.
async fn language_and_colors(app: &App) -> Result<Value> {
    let script = "const { colorScheme, backgroundColor } = getComputedStyle(document.documentElement);
        return [document.documentElement.lang, colorScheme, backgroundColor];";
    app.script(script, Vec::new()).await
}

async fn wait_language_and_colors(app: &App, wanted: [&str; 3]) -> Result<()> {
    app.wait(&format!("{wanted:?}"), async || language_and_colors(app).await.is_ok_and(|look| look == json!(wanted)))
        .await
}

/// The menu belongs to the toolkit, so a page cannot read it. A screenshot of the menu must equal a screenshot that is
/// taken after the same language is chosen explicitly.
#[tokio::test]
async fn window_and_menu_follow_system_language() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start_with(&desktop, AppOptions { german: true, ..AppOptions::default() }).await?;
    wait_heading(&app, "API-Schlüssel").await?;
    ensure!(language_and_colors(&app).await?[0] == "de", "the page's language attribute is wrong");
    app.wait_text("Noch keine Schlüssel").await?;
    let bar = || {
        let path = desktop.home().join("menu.ppm");
        desktop
            .run("import", &["-window", &desktop.list_window()?, "-crop", "200x24+0+0", &path.display().to_string()])?;
        anyhow::Ok(std::fs::read(path)?)
    };
    let mut german = bar()?;
    app.wait("an unchanging menu", async || {
        let before = std::mem::replace(&mut german, bar().unwrap_or_default());
        before == german && german.windows(2).any(|pair| pair[0] != pair[1])
    })
    .await?;
    set_language(&app, "en").await?;
    wait_heading(&app, "API Keys").await?;
    app.wait("the menu to change", async || bar().is_ok_and(|bar| bar != german)).await?;
    set_language(&app, "de").await?;
    app.wait("the menu to change back", async || bar().is_ok_and(|bar| bar == german)).await
}

/// The page, the menu and the dates agree, regardless of how the system specifies the language.
#[tokio::test]
async fn menu_page_and_dates_follow_the_same_locale() -> Result<()> {
    for (locale, title, menu, date) in [
        (&[("LANG", "en_US.UTF-8"), ("LANGUAGE", "de")][..], "API-Schlüssel", "Datei", r"\d\d\.\d\d\.\d{4}"),
        (&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "pt_BR.UTF-8")], "Chaves de API", "Arquivo", r"\d\d/\d\d/\d{4}"),
        (&[("LANG", "en_US.UTF-8"), ("LC_TIME", "de_DE.UTF-8")], "API Keys", "File", r"\d+ [A-Z][a-z]{2,3} \d{4}"),
        (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "en_US.UTF-8")], "API Keys", "File", r"[A-Z][a-z]{2} \d+, \d{4}"),
    ] {
        let desktop = Desktop::start(1280, 1000)?;
        let made = seed::SeedKey::new("dated", "read", 24 * 60);
        seed::seed_database(&desktop.data_folder().join("keys.db"), &[made]).await?;
        let app = App::start_with(&desktop, AppOptions { locale: Some(locale), ..AppOptions::default() }).await?;
        wait_heading(&app, title).await?;
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
async fn both_windows_follow_dark_system_theme() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let app = App::start_with(&desktop, AppOptions { dark: true, ..AppOptions::default() }).await?;
    wait_language_and_colors(&app, ["en", "light dark", DARK_BACKGROUND]).await?;
    app.create_key_in_dialog("by night", "read").await?;
    let key_window = language_and_colors(&app).await?;
    ensure!(key_window[1] == "light dark" && key_window[2] != "rgb(255, 255, 255)", "{key_window}");
    let light_text = "return getComputedStyle(document.body).color.match(/[0-9]+/g).every((part) => part > 200)";
    ensure!(app.script(light_text, Vec::new()).await? == true, "the text is not light");
    Ok(())
}

/// GNOME and KDE announce a dark style through the desktop portal, and do not change the theme of GTK 3.
#[tokio::test]
async fn color_scheme_of_desktop_portal_is_followed_at_start_and_live() -> Result<()> {
    let desktop = Desktop::start_with_portal(1280, 1000)?;
    let announce =
        |scheme| desktop.run("gsettings", &["set", "org.gnome.desktop.interface", "color-scheme", scheme]).map(drop);
    announce("prefer-dark")?;
    let app = App::start(&desktop).await?;
    wait_language_and_colors(&app, ["en", "light dark", DARK_BACKGROUND]).await?;
    announce("default")?;
    wait_language_and_colors(&app, ["en", "light dark", LIGHT_BACKGROUND]).await?;
    announce("prefer-dark")?;
    wait_language_and_colors(&app, ["en", "light dark", DARK_BACKGROUND]).await?;

    app.create_key_in_dialog("by night", "read").await?;
    wait_language_and_colors(&app, ["en", "light dark", DARK_BACKGROUND]).await?;
    app.click("Done").await?;
    app.click("Close anyway").await?;
    app.wait_key_window_closed().await?;
    app.click("Preferences").await?;
    app.click("Light").await?;
    wait_language_and_colors(&app, ["en", "light", LIGHT_BACKGROUND]).await?;
    announce("default")?;
    announce("prefer-dark")?;
    let is_light =
        async || language_and_colors(&app).await.is_ok_and(|shown| shown == json!(["en", "light", LIGHT_BACKGROUND]));
    ensure_holds("the chosen theme", std::time::Duration::from_secs(1), is_light).await
}

/// A desktop portal that does not respond until this value is dropped.
struct HungPortal(u32);

impl HungPortal {
    fn start(desktop: &Desktop) -> Result<Self> {
        let ask = |owner: &str, object: &str, question: &[&str]| {
            let to = format!("--dest={owner}");
            desktop.run("dbus-send", &[&["--session", "--print-reply", &to, object], question].concat())
        };
        let portal = "org.freedesktop.portal.Desktop";
        // This call makes the bus start the portal.
        ask(portal, "/org/freedesktop/portal/desktop", &["org.freedesktop.DBus.Peer.Ping"])?;
        let question = ["org.freedesktop.DBus.GetConnectionUnixProcessID", &format!("string:{portal}")];
        let answer = ask("org.freedesktop.DBus", "/org/freedesktop/DBus", &question)?;
        let process = answer.split_whitespace().last().context("no process ID")?.parse()?;
        send_signal(process, "STOP")?;
        Ok(Self(process))
    }
}

impl Drop for HungPortal {
    fn drop(&mut self) {
        let _ = send_signal(self.0, "CONT");
    }
}

/// Starts the app while the portal hangs. The desktop's theme is dark, but the window cannot find that out yet, so it
/// is light.
async fn start_with_hung_portal() -> Result<(Desktop, HungPortal, App)> {
    let desktop = Desktop::start_with_portal(1280, 1000)?;
    desktop.run("gsettings", &["set", "org.gnome.desktop.interface", "color-scheme", "prefer-dark"])?;
    let portal = HungPortal::start(&desktop)?;
    let app = App::start(&desktop).await?;
    wait_language_and_colors(&app, ["en", "light dark", LIGHT_BACKGROUND]).await?;
    Ok((desktop, portal, app))
}

/// GTK queries the portal before the window exists, and waits up to 25 s for a response.
#[tokio::test]
async fn window_opens_while_portal_hangs_and_follows_it_once_it_answers() -> Result<()> {
    let (_desktop, portal, app) = start_with_hung_portal().await?;
    drop(portal);
    wait_language_and_colors(&app, ["en", "light dark", DARK_BACKGROUND]).await
}

#[tokio::test]
async fn color_scheme_of_restarted_portal_is_followed() -> Result<()> {
    let (desktop, portal, app) = start_with_hung_portal().await?;
    send_signal(portal.0, "KILL")?;
    app.wait("another portal", async || HungPortal::start(&desktop).is_ok()).await?;
    wait_language_and_colors(&app, ["en", "light dark", DARK_BACKGROUND]).await
}

#[tokio::test]
async fn chosen_language_and_theme_override_system_after_restart() -> Result<()> {
    let desktop = Desktop::start(1280, 1000)?;
    let start =
        async || App::start_with(&desktop, AppOptions { german: true, dark: true, ..AppOptions::default() }).await;
    let app = start().await?;
    wait_language_and_colors(&app, ["de", "light dark", DARK_BACKGROUND]).await?;
    app.click("Einstellungen").await?;
    app.click("English").await?;
    wait_heading(&app, "Preferences").await?;
    app.click("Light").await?;
    app.wait("a light page", async || {
        language_and_colors(&app).await.is_ok_and(|look| look[1] == "light" && look[2] != DARK_BACKGROUND)
    })
    .await?;
    app.quit().await?;

    let app = start().await?;
    wait_heading(&app, "API Keys").await?;
    let chosen = language_and_colors(&app).await?;
    ensure!(chosen[0] == "en" && chosen[1] == "light" && chosen[2] != DARK_BACKGROUND, "{chosen}");
    app.click("Preferences").await?;
    wait_heading(&app, "Preferences").await?;
    let system = "for (const box of document.querySelectorAll('input[value=system]')) box.click();";
    app.script(system, Vec::new()).await?;
    wait_language_and_colors(&app, ["de", "light dark", DARK_BACKGROUND]).await?;
    wait_heading(&app, "Einstellungen").await
}
