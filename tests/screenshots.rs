//! Pictures of the real window: the README's, or with a folder as argument every state in every look.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use rand::rngs::SysRng;
use serde_json::json;
use ulkeys_domain::{KeyId, KeyName, KeyRecord, Scopes, Secret, Timestamp};
use ulkeys_store::{KeyStore as _, Origin, SqliteStore, UseBatch};
use ulkeys_tests::{App, AppOptions, Desktop, Keyring};

const WIDE: (u32, u32) = (1100, 760);
const NARROW: (u32, u32) = (640, 480);

/// How the window looks while its picture is taken.
#[derive(Clone, Copy)]
struct Look {
    german: bool,
    dark: bool,
    size: (u32, u32),
}

const ENGLISH: Look = Look { german: false, dark: false, size: WIDE };
const ENGLISH_DARK: Look = Look { german: false, dark: true, size: WIDE };
const LOOKS: [Look; 6] = [
    ENGLISH,
    ENGLISH_DARK,
    Look { german: true, dark: false, size: WIDE },
    Look { german: true, dark: true, size: WIDE },
    Look { german: false, dark: false, size: NARROW },
    Look { german: true, dark: true, size: NARROW },
];

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args_os().nth(1) {
        Some(folder) => {
            for look in LOOKS {
                every_state(look, Path::new(&folder)).await?;
            }
        }
        None => {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
            std::fs::create_dir_all(&folder)?;
            for_the_readme(ENGLISH, "light", &folder).await?;
            for_the_readme(ENGLISH_DARK, "dark", &folder).await?;
        }
    }
    Ok(())
}

async fn for_the_readme(look: Look, suffix: &str, folder: &Path) -> Result<()> {
    let picture = |name: &str| folder.join(format!("{name}-{suffix}.png"));
    let window = Window::open(look, Keys::Several).await?;
    window.take(&picture("list")).await?;
    window.create_dialog().await?;
    window.fill("gpu-box-berlin", &["training"]).await?;
    window.take(&picture("create")).await?;
    window.submit().await?;
    window.take(&picture("one-time")).await
}

async fn every_state(look: Look, folder: &Path) -> Result<()> {
    let theme = if look.dark { "dark" } else { "light" };
    let language = if look.german { "de" } else { "en" };
    let folder = folder.join(format!("{language}-{theme}-{}", look.size.0));
    std::fs::create_dir_all(&folder)?;
    let picture = |name: &str| -> PathBuf { folder.join(format!("{name}.png")) };

    let window = Window::open(look, Keys::None).await?;
    window.take(&picture("01-empty")).await?;
    window.press_selector("button:has([data-service-address])").await?;
    window.take(&picture("02-service")).await?;
    drop(window);

    let window = Window::open(look, Keys::Several).await?;
    window.take(&picture("03-list")).await?;
    window.press_selector("tbody tr:nth-child(2) button[aria-haspopup=menu]").await?;
    window.take(&picture("04-menu")).await?;
    window.desktop.press(&["End", "Return"])?;
    window.app.wait("the confirmation", async || window.app.text("[role=alertdialog]").await.is_ok()).await?;
    window.take(&picture("05-revoke")).await?;
    window.desktop.press(&["Escape"])?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    window.create_dialog().await?;
    window.take(&picture("06-create")).await?;
    window.desktop.press(&["Return"])?;
    window.take(&picture("07-create-errors")).await?;
    window.fill("ci-pipeline", &["models", "write", "admin"]).await?;
    window.take(&picture("08-create-admin")).await?;
    window.submit().await?;
    window.take(&picture("09-one-time")).await?;
    // Later, because the window may close before it can answer.
    let last = "setTimeout(() => [...document.querySelectorAll('.actions button')].at(-1).click(), 50);";
    window.app.script(last, Vec::new()).await?;
    window.take(&picture("10-one-time-asks")).await?;
    window.press_selector("code.key + button").await?;
    window.take(&picture("11-one-time-copied")).await?;
    window.press_selector("section button").await?;
    window.app.wait("the saved key", async || window.app.text(".results code").await.is_ok()).await?;
    window.take(&picture("12-one-time-saved")).await?;
    window.app.enter_list_window().await?;
    window.take(&picture("13-behind-the-one-time-window")).await?;
    window.app.enter_key_window().await?;
    window.app.script(last, Vec::new()).await?;
    window.app.leave_key_window().await?;
    window.take(&picture("14-key-on-clipboard")).await?;
    window.create_dialog().await?;
    window.fill("ci-pipeline", &["read"]).await?;
    window.submit().await?;
    window.press_selector("section button").await?;
    window.app.wait("the question", async || window.app.text(".answers").await.is_ok()).await?;
    window.take(&picture("15-one-time-taken")).await?;
    window.desktop.lock_screen()?;
    window.app.leave_key_window().await?;
    window.take(&picture("16-lost")).await?;
    drop(window);

    let window = Window::open(look, Keys::Hostile).await?;
    window.take(&picture("17-hostile-names")).await?;
    drop(window);

    let window = Window::open(look, Keys::Damaged).await?;
    window.take(&picture("18-database")).await?;
    drop(window);

    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let window = Window::open(look, Keys::PortTaken(taken.local_addr()?.port())).await?;
    window.take(&picture("19-port")).await
}

/// What the window finds when it opens.
enum Keys {
    None,
    Several,
    Hostile,
    Damaged,
    PortTaken(u16),
}

struct Window {
    _keyring: Keyring,
    app: App,
    desktop: Desktop,
}

impl Window {
    async fn open(look: Look, keys: Keys) -> Result<Self> {
        let desktop = Desktop::start(1280, 1000)?;
        let database = desktop.data().join("keys.db");
        match keys {
            Keys::None => {}
            Keys::Several => seed(&database, SEVERAL).await?,
            Keys::Hostile => seed(&database, HOSTILE).await?,
            Keys::Damaged => {
                std::fs::create_dir_all(desktop.data())?;
                std::fs::write(&database, "not a database ".repeat(1000))?;
            }
            Keys::PortTaken(port) => {
                std::fs::create_dir_all(desktop.data())?;
                std::fs::write(desktop.data().join("settings.json"), json!({ "port": port }).to_string())?;
            }
        }
        let keyring = Keyring::start(&desktop)?;
        let options = AppOptions { german: look.german, dark: look.dark, ..AppOptions::default() };
        let app = App::start_with(&desktop, options).await?;
        desktop.resize(look.size.0, look.size.1)?;
        desktop.run("xdotool", &["windowfocus", &desktop.window()?])?;
        Ok(Self { _keyring: keyring, app, desktop })
    }

    /// Takes the picture once everything that moves has come to rest.
    async fn take(&self, path: &Path) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(900)).await;
        let in_list = self.app.text("code.key").await.is_err();
        let window = if in_list { self.desktop.window()? } else { self.desktop.key_window()? };
        self.desktop.photograph(&window, path)
    }

    async fn create_dialog(&self) -> Result<()> {
        self.desktop.press(&["ctrl+n"])?;
        self.app.wait("the dialog", async || self.app.text("[role=dialog] input[name=key-name]").await.is_ok()).await
    }

    async fn fill(&self, name: &str, scopes: &[&str]) -> Result<()> {
        self.press_selector("input[name=key-name]").await?;
        self.desktop.type_text(name)?;
        self.app.wait_name(name).await?;
        for scope in scopes {
            self.press_selector(&format!("[role=dialog] input[value={scope}]")).await?;
        }
        Ok(())
    }

    async fn submit(&self) -> Result<()> {
        self.press_selector("input[name=key-name]").await?;
        self.desktop.press(&["Return"])?;
        self.app.enter_key_window().await
    }

    async fn press_selector(&self, selector: &str) -> Result<()> {
        let element = self.app.driver.find(thirtyfour::By::Css(selector)).await.with_context(|| selector.to_owned())?;
        self.app.script("arguments[0].focus(); arguments[0].click();", vec![element.to_json()?]).await.map(drop)
    }
}

/// A key to show: name, scopes, age in hours, hours since its last use.
type Sample = (&'static str, &'static str, u64, Option<u64>);

const SEVERAL: &[Sample] = &[
    ("training-server", "training", 24 * 41, Some(0)),
    ("ci-pipeline", "models datasets", 24 * 33, Some(2)),
    ("edge-camera-07", "models read", 24 * 20, Some(27)),
    ("mobile-app", "read", 24 * 12, Some(24 * 6)),
    ("labelling-team", "datasets", 24 * 4, Some(24 * 3)),
    ("nightly-export", "models write", 30, None),
    ("workspace-admin", "admin", 1, None),
];

const HOSTILE: &[Sample] = &[
    (
        "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
        "training models datasets read write admin",
        9000,
        Some(1),
    ),
    ("a name of many words that goes on until the very last allowed c", "read", 500, Some(30)),
    ("<b>bold</b> & \"quoted\" {{7*7}}", "read", 400, None),
    ("مفتاح الخادم 123", "training", 300, Some(3)),
    ("學習伺服器・推論用", "models", 200, None),
    ("Z̸͖͋a̷͇͌l̶̳̇g̷̱̈o̵̜͐", "datasets", 100, None),
];

async fn seed(database: &Path, samples: &[Sample]) -> Result<()> {
    let store = SqliteStore::open(database)?;
    let now = SystemTime::now();
    let ago = |hours: u64, seconds: u64| Timestamp::from(now - Duration::from_secs(hours * 3600 + seconds));
    for (name, scopes, age, used) in samples {
        let secret = Secret::generate(&mut SysRng)?;
        let id = KeyId::generate(&mut SysRng)?;
        let scopes = Scopes::parse(scopes.split(' '))?;
        let record = KeyRecord::new(id, KeyName::parse(name)?, secret.prefix(), scopes, ago(*age, 0));
        let origin = Origin { by: None, peer: [127, 0, 0, 1].into(), agent: "".into() };
        store.insert(record, secret.hash(), origin).await?;
        if let Some(hours) = used {
            let batch = UseBatch { last_used: vec![(id, ago(*hours, 130))], ..UseBatch::default() };
            store.record(batch.into()).await?;
        }
    }
    Ok(())
}
