//! Runs the app on its own desktop, and performs the steps of the gallery's scenes.

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

/// One of the steps that bring the app into a given state. Controls are identified by their English names.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Opens the section with this name in the sidebar.
    GoTo(&'static str),
    /// Clicks the control with this name.
    Click(&'static str),
    /// Clicks the first element that matches this CSS selector.
    ClickOn(&'static str),
    /// Moves the mouse onto the first element that matches this CSS selector. The movement is repeated in each variant.
    Hover(&'static str),
    /// Types text (second value) into the field with this name (first value).
    Fill(&'static str, &'static str),
    /// Presses these keys, given by their X11 names, one after another.
    Press(&'static [&'static str]),
    /// Waits until the page shows this text.
    WaitText(&'static str),
    /// Waits until an element that matches this CSS selector is visible.
    WaitSelector(&'static str),
    /// Waits until the one-time window shows the key, and switches to this window.
    EnterKeyWindow,
    /// Switches to the list window behind the one-time window.
    EnterListWindow,
    /// Waits until the one-time window is closed.
    WaitKeyWindowClosed,
    /// Leaves all later calls of this command unanswered.
    NeverAnswer(&'static str),
    /// Rejects all later calls of a command with an error code.
    Reject(&'static str, &'static str),
    /// Rejects all later calls of a command with an error code and a kind of file problem.
    RejectFile(&'static str, &'static str, &'static str),
    /// Answers all later calls of a command with this JSON. The placeholder `@now` is replaced with the current time,
    /// and `@soon` with a time ten minutes in the future.
    Answer(&'static str, &'static str),
    /// Calls a command of the app with these arguments (JSON). The call reaches the app even if the command is stubbed.
    Invoke(&'static str, &'static str),
    /// Restarts the page, and sends it this event (JSON) as if the app had sent it.
    SendEvent(&'static str),
    /// Disables timers of two seconds or more, so that messages that would disappear stay visible.
    StopTimers,
    /// Restarts the page. The page then calls its commands again, so that [`Self::NeverAnswer`], [`Self::Reject`] and
    /// [`Self::Answer`] also affect the data that it loads at the start.
    RestartPage,
    /// Performs several steps. Used for sequences that several states have in common.
    Steps(&'static [Step]),
    /// Calls a function. Used for anything that no other step can do.
    Run(fn(&SceneDriver) -> Result<()>),
}

/// An app that was started with a [`Precondition`] on its own desktop.
pub struct SceneDriver {
    /// The running app.
    pub app: App,
    /// The desktop on which the app runs.
    pub desktop: Desktop,
    /// The CSS selector of the element below the mouse.
    hovered: Mutex<Option<&'static str>>,
    _keyring: Keyring,
    _port: Option<TcpListener>,
}

impl SceneDriver {
    /// Starts the app with a precondition.
    ///
    /// # Errors
    /// Returns an error if the desktop or the app does not start.
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

    /// Brings the app into a state, in the default variant.
    ///
    /// # Errors
    /// Returns an error if a step fails.
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
                *self.hovered.lock().expect("the mutex is not poisoned") = Some(selector);
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
                let error = json!({ "error": "rejected by the gallery", "code": code, "file": file, "line": 12 });
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

    /// Returns to the starting point of every state: the newly loaded page of the list, in the default variant.
    ///
    /// # Errors
    /// Returns an error if a window does not respond.
    pub async fn reset(&self) -> Result<()> {
        let app = &self.app;
        if app.driver.windows().await?.len() > 1 {
            if app.switch_to_page("/one-time.html").await? {
                // The window closes before the call returns, so an error from the call is ignored.
                app.invoke("close_one_time_window", json!({ "unseen": false })).await.ok();
            }
            app.wait("the one-time window to close", async || {
                app.driver.windows().await.is_ok_and(|windows| windows.len() == 1)
            })
            .await?;
        }
        app.switch_to_list_window().await?;
        *self.hovered.lock().expect("the mutex is not poisoned") = None;
        // Moves the mouse to the corner of the screen, where there is no control.
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

    /// Displays the current state in a variant.
    ///
    /// # Errors
    /// Returns an error if a window does not switch to the variant.
    pub async fn apply_variant(&self, variant: Variant) -> Result<()> {
        let app = &self.app;
        self.hide_tooltip().await?;
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
        // The one-time window grows with its text, so the driver waits until the size is final.
        self.wait_for_animations().await?;
        if shows_key {
            let opened = app.script("return window.openedAt ??= [innerWidth, innerHeight]", Vec::new()).await?;
            let opened = opened.as_array().context("no size")?.iter().filter_map(Value::as_u64);
            let opened: Vec<u32> = opened.map(u32::try_from).collect::<Result<_, _>>()?;
            // The wide variant uses the window's initial size. The narrow variant uses a smaller size that a user could
            // choose.
            let size = if variant.size == WindowSize::Wide { (opened[0], opened[1]) } else { (440, 480) };
            self.resize(&self.desktop.key_window()?, size).await?;
        } else {
            let size = if variant.size == WindowSize::Wide { (1100, 760) } else { (640, 480) };
            self.resize(&self.desktop.list_window()?, size).await?;
        }
        self.wait_for_animations().await?;
        // Scrolls to the button whose menu is open, or to the focused element if no menu is open.
        let script = "(document.querySelector('main [aria-expanded=true]') ?? document.activeElement)
            ?.scrollIntoView({ block: 'nearest' });";
        app.script(script, Vec::new()).await?;
        self.wait_for_animations().await?;
        self.move_mouse().await
    }

    /// Moves the mouse out of the window, and waits until the tooltip has disappeared. Otherwise, the tooltip could
    /// cover its element in the next variant.
    async fn hide_tooltip(&self) -> Result<()> {
        if self.hovered.lock().expect("the mutex is not poisoned").is_none() {
            return Ok(());
        }
        self.desktop.run("xdotool", &["mousemove", "1279", "999"])?;
        let script = "return document.querySelector('[role=tooltip]') === null";
        let is_hidden = async || self.app.script(script, Vec::new()).await.is_ok_and(|is_hidden| is_hidden == true);
        self.app.wait("the tooltip to disappear", is_hidden).await
    }

    /// Moves the mouse onto the element of the last [`Step::Hover`], if there is one, and waits for its tooltip.
    async fn move_mouse(&self) -> Result<()> {
        let Some(selector) = *self.hovered.lock().expect("the mutex is not poisoned") else {
            return Ok(());
        };
        self.desktop.run("xdotool", &["mousemove", "1279", "999"])?;
        // The list measures its rows again after a change of the text size, which can move the element out of view. So
        // each attempt scrolls to the element.
        let script = "
            const element = document.querySelector(arguments[0]);
            element.scrollIntoView({ block: 'center' });
            const { x, y, width, height } = element.getBoundingClientRect();
            return element.contains(document.elementFromPoint(x + width / 2, y + height / 2));";
        let is_there =
            async || self.app.script(script, vec![json!(selector)]).await.is_ok_and(|is_there| is_there == true);
        self.app.wait("the element to be below the mouse", is_there).await?;
        self.app.hover_selector(&self.desktop, selector).await?;
        // The page detects the mouse only if it moves within the window.
        self.desktop.run("xdotool", &["mousemove_relative", "1", "0"])?;
        // Some texts have a tooltip only where they are cut.
        let script = "
            const tipped = document.querySelector(arguments[0]).closest('[data-tip-when=cut]');
            return !tipped || tipped.scrollHeight > tipped.clientHeight + 1 || tipped.scrollWidth > tipped.clientWidth + 1;";
        if self.app.script(script, vec![json!(selector)]).await? == true {
            self.wait_visible("[role=tooltip]").await?;
        }
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
        // If the window resizes itself at the same time, it can return to its former width, so the size is requested
        // repeatedly.
        let arrived = async || {
            self.desktop.run("xdotool", &["windowsize", window, &wanted_width, &wanted_height]).is_ok()
                && self.app.script(script, vec![json!(width)]).await.is_ok_and(|it| it == true)
        };
        self.app.wait("the window's size", arrived).await
    }

    /// Waits until all animations have ended, except for those that repeat endlessly.
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

    /// Saves a screenshot of the current window.
    ///
    /// # Errors
    /// Returns an error if the window cannot be captured or the file cannot be written.
    pub async fn save_screenshot(&self, path: &Path) -> Result<()> {
        // Wait, because a page appears on the screen only a short time after it is drawn.
        tokio::time::sleep(Duration::from_millis(250)).await;
        let window =
            if self.shows_key_window().await? { self.desktop.key_window()? } else { self.desktop.list_window()? };
        self.desktop.save_screenshot(&window, path)
    }

    async fn shows_key_window(&self) -> Result<bool> {
        Ok(self.app.script("return location.pathname", Vec::new()).await? == "/one-time.html")
    }
}
