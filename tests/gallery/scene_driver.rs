//! An app on a desktop of its own, and what can be done in it.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use thirtyfour::By;

use super::{Precondition, SceneState, Variant, WindowSize};
use crate::seed::{HOSTILE_KEYS, ROTATING_KEYS, TEAM_KEYS, seed_bulk, seed_database};
use crate::{App, AppOptions, Desktop, Keyring, ipc_stub};
use ulkeys_domain::Timestamp;

/// Something that is done to reach a state. Names are those that people see in English.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Goes to a section of the sidebar.
    GoTo(&'static str),
    /// Clicks a control, by its name.
    Click(&'static str),
    /// Clicks the first element that a selector finds.
    ClickOn(&'static str),
    /// Rests the mouse on the first element that a selector finds, in each variant.
    Hover(&'static str),
    /// Types into a field, by its name.
    Fill(&'static str, &'static str),
    /// Presses keys, by their X names.
    Press(&'static [&'static str]),
    /// Waits for a text.
    WaitText(&'static str),
    /// Waits until a selector finds something.
    WaitSelector(&'static str),
    /// Turns to the window with a new key, once it shows the key.
    EnterKeyWindow,
    /// Turns to the window with the list, behind the window with a key.
    EnterListWindow,
    /// Waits until the window with a key has gone.
    WaitKeyWindowClosed,
    /// From now on, this command of the page gets no answer.
    NeverAnswer(&'static str),
    /// From now on, this command of the page is refused with this code.
    Reject(&'static str, &'static str),
    /// The same, because of a file: with what was wrong with it.
    RejectFile(&'static str, &'static str, &'static str),
    /// From now on, this command of the page gets this answer, as JSON; `@now` in it is the time, and `@soon` is
    /// ten minutes later.
    Answer(&'static str, &'static str),
    /// Asks the app past the page: a command, and its arguments as JSON.
    Invoke(&'static str, &'static str),
    /// Restarts the page, and sends it this event as if it came from the app, as JSON.
    SendEvent(&'static str),
    /// From now on, what goes by itself after a while stays.
    StopTimers,
    /// Restarts the page, so that it calls again what [`Self::NeverAnswer`], [`Self::Reject`] and [`Self::Answer`]
    /// change.
    RestartPage,
    /// Some steps that several states share.
    Steps(&'static [Step]),
    /// Anything else.
    Run(fn(&SceneDriver) -> Result<()>),
}

/// An app in a setting.
pub struct SceneDriver {
    /// The app.
    pub app: App,
    /// Where it runs.
    pub desktop: Desktop,
    /// Where the mouse rests.
    hovered: Mutex<Option<&'static str>>,
    _keyring: Keyring,
    _port: Option<TcpListener>,
}

impl SceneDriver {
    /// Starts the app in a setting.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(precondition: Precondition) -> Result<Self> {
        let desktop = Desktop::start(1280, 1000)?;
        std::fs::create_dir_all(desktop.data_folder())?;
        let database = desktop.data_folder().join("keys.db");
        let mut taken = None;
        match precondition {
            Precondition::New => {}
            Precondition::Team => seed_database(&database, TEAM_KEYS).await?,
            Precondition::Rotating => seed_database(&database, ROTATING_KEYS).await?,
            Precondition::Hostile => seed_database(&database, HOSTILE_KEYS).await?,
            Precondition::Crowd => drop(seed_bulk(&database, 100_000, 0)?),
            Precondition::Damaged => std::fs::write(&database, "not a database ".repeat(1000))?,
            Precondition::PortTaken => {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let settings = json!({ "port": listener.local_addr()?.port() });
                std::fs::write(desktop.data_folder().join("settings.json"), settings.to_string())?;
                taken = Some(listener);
            }
        }
        let keyring = Keyring::start(&desktop)?;
        let app = App::start_with(&desktop, AppOptions::default()).await?;
        let driver = Self { app, desktop, hovered: Mutex::new(None), _keyring: keyring, _port: taken };
        driver.reset().await?;
        Ok(driver)
    }

    /// Brings the windows into a state, in the default variant.
    ///
    /// # Errors
    /// When a step cannot be taken.
    pub async fn reach_state(&self, state: &SceneState) -> Result<()> {
        for step in state.steps {
            self.perform(*step).await.with_context(|| format!("{step:?}"))?;
        }
        Ok(())
    }

    async fn perform(&self, step: Step) -> Result<()> {
        let app = &self.app;
        match step {
            Step::GoTo(section) => {
                app.click(section).await?;
                app.wait(section, async || app.text("h1").await.is_ok_and(|title| title == section)).await
            }
            Step::Click(name) => app.click(name).await,
            Step::ClickOn(selector) => {
                self.wait_visible(selector).await?;
                let element = app.driver.find(By::Css(selector)).await?;
                app.script("arguments[0].focus(); arguments[0].click();", vec![element.to_json()?]).await.map(drop)
            }
            Step::Hover(selector) => {
                self.wait_visible(selector).await?;
                *self.hovered.lock().expect("whole") = Some(selector);
                self.move_mouse().await
            }
            Step::Fill(field, text) => Ok(app.find_control(field).await?.send_keys(text).await?),
            Step::Press(keys) => self.desktop.press(keys),
            Step::WaitText(text) => app.wait_text(text).await,
            Step::WaitSelector(selector) => self.wait_visible(selector).await,
            Step::EnterKeyWindow => app.switch_to_key_window().await,
            Step::EnterListWindow => app.switch_to_list_window().await,
            Step::WaitKeyWindowClosed => app.wait_key_window_closed().await,
            Step::NeverAnswer(command) => ipc_stub::never_respond(app, command).await,
            Step::Reject(command, code) => ipc_stub::reject(app, command, code).await,
            Step::RejectFile(command, code, file) => {
                let error = json!({ "error": "as the gallery wants it", "code": code, "file": file, "line": 12 });
                ipc_stub::reject_with(app, command, error).await
            }
            Step::Answer(command, answer) => {
                let now = Timestamp::from(SystemTime::now());
                let soon = now.saturating_add(Duration::from_secs(600)).to_string();
                let answer = answer.replace("@now", &now.to_string()).replace("@soon", &soon);
                let answer: Value = serde_json::from_str(&answer)?;
                ipc_stub::respond(app, command, answer).await
            }
            Step::Invoke(command, arguments) => {
                ipc_stub::invoke_without_stub(app, command, serde_json::from_str(arguments)?).await
            }
            Step::SendEvent(event) => ipc_stub::send_event(app, serde_json::from_str(event)?).await,
            Step::StopTimers => {
                let script = "
                    const before = window.setTimeout;
                    window.setTimeout = (work, wait, ...rest) => (wait >= 2000 ? 0 : before(work, wait, ...rest));";
                app.script(script, Vec::new()).await.map(drop)
            }
            Step::RestartPage => ipc_stub::restart_page(app).await,
            Step::Steps(steps) => {
                for step in steps {
                    Box::pin(self.perform(*step)).await.with_context(|| format!("{step:?}"))?;
                }
                Ok(())
            }
            Step::Run(work) => work(self),
        }
    }

    async fn wait_visible(&self, selector: &str) -> Result<()> {
        let script = "return [...document.querySelectorAll(arguments[0])].some((element) => element.checkVisibility())";
        let found = async || self.app.script(script, vec![json!(selector)]).await.is_ok_and(|found| found == true);
        self.app.wait(selector, found).await
    }

    /// Goes back to where states begin: the list's page as it was just loaded, in the default variant.
    ///
    /// # Errors
    /// When a window does not answer.
    pub async fn reset(&self) -> Result<()> {
        let app = &self.app;
        if app.driver.windows().await?.len() > 1 {
            if app.switch_to_page("/one-time.html").await? {
                // The answer does not arrive: the window closes.
                app.invoke("close_one_time_window", json!({ "unseen": false })).await.ok();
            }
            app.wait("the end of the window with a key", async || {
                app.driver.windows().await.is_ok_and(|windows| windows.len() == 1)
            })
            .await?;
        }
        app.switch_to_list_window().await?;
        *self.hovered.lock().expect("whole") = None;
        // The mouse rests where nothing is.
        self.desktop.run("xdotool", &["mousemove", "1279", "999"])?;
        self.set_preferences(Variant::DEFAULT).await?;
        self.resize(&self.desktop.list_window()?, (1100, 760)).await?;
        app.script("window.isOver = true; setTimeout(() => location.reload(), 0);", Vec::new()).await?;
        let script = "return !window.isOver && document.readyState === 'complete'
            && document.documentElement.lang === 'en' && !!document.querySelector('h1')";
        app.wait("the page", async || app.script(script, Vec::new()).await.is_ok_and(|there| there == true)).await?;
        self.desktop.run("xdotool", &["windowfocus", &self.desktop.list_window()?])?;
        self.wait_for_animations().await
    }

    /// Shows the state in a variant.
    ///
    /// # Errors
    /// When they do not take it.
    pub async fn apply_variant(&self, variant: Variant) -> Result<()> {
        let app = &self.app;
        let shows_key = self.shows_key_window().await?;
        if shows_key {
            app.switch_to_list_window().await?;
        }
        self.set_preferences(variant).await?;
        if shows_key {
            app.switch_to_page("/one-time.html").await?;
        }
        let taken = "const { lang, style } = document.documentElement;
            return lang === arguments[0] && (parseInt(style.fontSize) || 100) === arguments[1];";
        app.wait(variant.language, async || {
            app.script(taken, vec![json!(variant.language), json!(variant.text)]).await.is_ok_and(|it| it == true)
        })
        .await?;
        // The window with a key grows with its text.
        self.wait_for_animations().await?;
        if shows_key {
            let opened = app.script("return window.openedAt ??= [innerWidth, innerHeight]", Vec::new()).await?;
            let opened = opened.as_array().context("a size")?.iter().filter_map(Value::as_u64);
            let opened: Vec<u32> = opened.map(u32::try_from).collect::<Result<_, _>>()?;
            // As it opens, or as somebody might make it.
            let size = if variant.size == WindowSize::Wide { (opened[0], opened[1]) } else { (440, 480) };
            self.resize(&self.desktop.key_window()?, size).await?;
        } else {
            let size = if variant.size == WindowSize::Wide { (1100, 760) } else { (640, 480) };
            self.resize(&self.desktop.list_window()?, size).await?;
        }
        self.wait_for_animations().await?;
        // Where a person is, is in sight: what has a menu open, or else the focus.
        let script = "(document.querySelector('main [aria-expanded=true]') ?? document.activeElement)
            ?.scrollIntoView({ block: 'nearest' });";
        app.script(script, Vec::new()).await?;
        self.wait_for_animations().await?;
        self.move_mouse().await
    }

    /// Where the mouse rests, what it makes appear is waited for.
    async fn move_mouse(&self) -> Result<()> {
        let Some(selector) = *self.hovered.lock().expect("whole") else {
            return Ok(());
        };
        let script = "document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })";
        self.app.script(script, vec![json!(selector)]).await?;
        self.desktop.run("xdotool", &["mousemove", "1279", "999"])?;
        let script = "
            const element = document.querySelector(arguments[0]);
            const { x, y, width, height } = element.getBoundingClientRect();
            return element.contains(document.elementFromPoint(x + width / 2, y + height / 2));";
        let is_there =
            async || self.app.script(script, vec![json!(selector)]).await.is_ok_and(|is_there| is_there == true);
        self.app.wait("what the mouse is to rest on", is_there).await?;
        self.app.hover_selector(&self.desktop, selector).await?;
        // Only what moves within the window is over something.
        self.desktop.run("xdotool", &["mousemove_relative", "1", "0"])?;
        self.wait_visible("[role=tooltip]").await?;
        self.wait_for_animations().await
    }

    async fn set_preferences(&self, variant: Variant) -> Result<()> {
        let theme = if variant.dark { "dark" } else { "light" };
        let preferences = json!({ "language": variant.language, "theme": theme, "textPercent": variant.text, "clipboardSeconds": 120, "rotationDays": 90 });
        ipc_stub::invoke_without_stub(&self.app, "change_preferences", json!({ "preferences": preferences })).await
    }

    async fn resize(&self, window: &str, (width, height): (u32, u32)) -> Result<()> {
        let (wanted_width, wanted_height) = (width.to_string(), height.to_string());
        let script = "return innerWidth === arguments[0]";
        // A window that grows at the same moment takes its former width once more.
        let arrived = async || {
            self.desktop.run("xdotool", &["windowsize", window, &wanted_width, &wanted_height]).is_ok()
                && self.app.script(script, vec![json!(width)]).await.is_ok_and(|it| it == true)
        };
        self.app.wait("the window's size", arrived).await
    }

    /// Waits until nothing moves any more, but for what moves as long as it is there.
    async fn wait_for_animations(&self) -> Result<()> {
        let script = "
            const done = arguments[arguments.length - 1];
            const begin = performance.now();
            const moves = (animation) =>
              animation.playState === 'running' && animation.effect?.getComputedTiming().endTime !== Infinity;
            const look = () => {
              const late = performance.now() > begin + 3000;
              if (late || !document.getAnimations().some(moves)) done(late);
              else setTimeout(look, 30);
            };
            document.fonts.ready.then(() => requestAnimationFrame(() => requestAnimationFrame(look)));";
        self.app.driver.execute_async(script, Vec::new()).await?;
        Ok(())
    }

    /// Saves a picture of the window.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn save_screenshot(&self, path: &Path) -> Result<()> {
        // What the page has drawn is on the screen a little later.
        tokio::time::sleep(Duration::from_millis(250)).await;
        let window =
            if self.shows_key_window().await? { self.desktop.key_window()? } else { self.desktop.list_window()? };
        self.desktop.save_screenshot(&window, path)
    }

    async fn shows_key_window(&self) -> Result<bool> {
        Ok(self.app.script("return location.pathname", Vec::new()).await? == "/one-time.html")
    }
}
