//! An app on a desktop of its own, and what can be done in it.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use thirtyfour::By;

use super::{Look, Setting, Size, State};
use crate::seed::{HOSTILE, ROTATING, TEAM, crowd, seed};
use crate::{App, AppOptions, Desktop, Keyring};
use ulkeys_domain::Timestamp;

/// Something that is done to reach a state. Names are those that people see in English.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Goes to a section of the sidebar.
    Go(&'static str),
    /// Clicks a control, by its name.
    Click(&'static str),
    /// Clicks the first element that a selector finds.
    ClickOn(&'static str),
    /// Rests the mouse on the first element that a selector finds, in each look.
    Hover(&'static str),
    /// Types into a field, by its name.
    Fill(&'static str, &'static str),
    /// Presses keys, by their X names.
    Press(&'static [&'static str]),
    /// Waits for a text.
    See(&'static str),
    /// Waits until a selector finds something.
    Find(&'static str),
    /// Turns to the window with a new key, once it shows the key.
    KeyWindow,
    /// Turns to the window with the list, behind the window with a key.
    ListWindow,
    /// Waits until the window with a key has gone.
    KeyWindowGone,
    /// From now on, this command of the page gets no answer.
    Silent(&'static str),
    /// From now on, this command of the page is refused with this code.
    Refuse(&'static str, &'static str),
    /// The same, because of a file: with what was wrong with it.
    RefuseFile(&'static str, &'static str, &'static str),
    /// From now on, this command of the page gets this answer, as JSON; `@now` in it is the time, and `@soon` is
    /// ten minutes later.
    Answer(&'static str, &'static str),
    /// Asks the app past the page: a command, and its arguments as JSON.
    Ask(&'static str, &'static str),
    /// Begins the page anew, and tells it this event as if it came from the app, as JSON.
    Tell(&'static str),
    /// From now on, what goes by itself after a while stays.
    Hold,
    /// Begins the page anew, so that it asks again what [`Self::Silent`], [`Self::Refuse`] and [`Self::Answer`] change.
    Anew,
    /// Some steps that several states share.
    Steps(&'static [Step]),
    /// Anything else.
    Do(fn(&Stage) -> Result<()>),
}

/// An app in a setting.
pub struct Stage {
    /// The app.
    pub app: App,
    /// Where it runs.
    pub desktop: Desktop,
    /// Where the mouse rests.
    hovered: Mutex<Option<&'static str>>,
    _keyring: Keyring,
    _port: Option<TcpListener>,
}

impl Stage {
    /// Starts the app in a setting.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn set(setting: Setting) -> Result<Self> {
        let desktop = Desktop::start(1280, 1000)?;
        std::fs::create_dir_all(desktop.data())?;
        let database = desktop.data().join("keys.db");
        let mut taken = None;
        match setting {
            Setting::New => {}
            Setting::Team => seed(&database, TEAM).await?,
            Setting::Rotating => seed(&database, ROTATING).await?,
            Setting::Hostile => seed(&database, HOSTILE).await?,
            Setting::Crowd => drop(crowd(&database, 100_000, 0)?),
            Setting::Damaged => std::fs::write(&database, "not a database ".repeat(1000))?,
            Setting::PortTaken => {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let settings = json!({ "port": listener.local_addr()?.port() });
                std::fs::write(desktop.data().join("settings.json"), settings.to_string())?;
                taken = Some(listener);
            }
        }
        let keyring = Keyring::start(&desktop)?;
        let app = App::start_with(&desktop, AppOptions::default()).await?;
        let stage = Self { app, desktop, hovered: Mutex::new(None), _keyring: keyring, _port: taken };
        stage.rest().await?;
        Ok(stage)
    }

    /// Brings the windows into a state, in the usual look.
    ///
    /// # Errors
    /// When a step cannot be taken.
    pub async fn reach(&self, state: &State) -> Result<()> {
        for step in state.steps {
            self.take(*step).await.with_context(|| format!("{step:?}"))?;
        }
        Ok(())
    }

    async fn take(&self, step: Step) -> Result<()> {
        let app = &self.app;
        match step {
            Step::Go(section) => {
                app.click(section).await?;
                app.wait(section, async || app.text("h1").await.is_ok_and(|title| title == section)).await
            }
            Step::Click(name) => app.click(name).await,
            Step::ClickOn(selector) => {
                self.find(selector).await?;
                let element = app.driver.find(By::Css(selector)).await?;
                app.script("arguments[0].focus(); arguments[0].click();", vec![element.to_json()?]).await.map(drop)
            }
            Step::Hover(selector) => {
                self.find(selector).await?;
                *self.hovered.lock().expect("whole") = Some(selector);
                self.point().await
            }
            Step::Fill(field, text) => Ok(app.control(field).await?.send_keys(text).await?),
            Step::Press(keys) => self.desktop.press(keys),
            Step::See(text) => app.wait_text(text).await,
            Step::Find(selector) => self.find(selector).await,
            Step::KeyWindow => app.enter_key_window().await,
            Step::ListWindow => app.enter_list_window().await,
            Step::KeyWindowGone => app.leave_key_window().await,
            Step::Silent(command) => self.intercept(command, Value::Null).await,
            Step::Refuse(command, code) => {
                self.intercept(command, json!({ "error": { "error": "as the gallery wants it", "code": code } })).await
            }
            Step::RefuseFile(command, code, file) => {
                let error = json!({ "error": "as the gallery wants it", "code": code, "file": file, "line": 12 });
                self.intercept(command, json!({ "error": error })).await
            }
            Step::Answer(command, answer) => {
                let now = Timestamp::from(SystemTime::now());
                let soon = now.saturating_add(Duration::from_secs(600)).to_string();
                let answer = answer.replace("@now", &now.to_string()).replace("@soon", &soon);
                let answer: Value = serde_json::from_str(&answer)?;
                self.intercept(command, json!({ "ok": answer })).await
            }
            Step::Ask(command, arguments) => self.ask(command, serde_json::from_str(arguments)?).await,
            Step::Tell(event) => self.tell(serde_json::from_str(event)?).await,
            Step::Hold => {
                let script = "
                    const before = window.setTimeout;
                    window.setTimeout = (work, wait, ...rest) => (wait >= 2000 ? 0 : before(work, wait, ...rest));";
                app.script(script, Vec::new()).await.map(drop)
            }
            Step::Anew => self.begin_anew().await,
            Step::Steps(steps) => {
                for step in steps {
                    Box::pin(self.take(*step)).await.with_context(|| format!("{step:?}"))?;
                }
                Ok(())
            }
            Step::Do(work) => work(self),
        }
    }

    async fn find(&self, selector: &str) -> Result<()> {
        let script = "return [...document.querySelectorAll(arguments[0])].some((element) => element.checkVisibility())";
        let found = async || self.app.script(script, vec![json!(selector)]).await.is_ok_and(|found| found == true);
        self.app.wait(selector, found).await
    }

    /// Takes the place of the app for one command. No real service is slow or broken on command.
    async fn intercept(&self, command: &str, answer: Value) -> Result<()> {
        let script = "
            const [command, answer] = arguments;
            const before = window.fetch;
            window.ownFetch ??= before;
            window.fetch = (url, options) => {
              if (!String(url).endsWith('/' + command)) return before(url, options);
              if (answer === null) return new Promise(() => {});
              const headers = { 'Tauri-Response': 'ok' in answer ? 'ok' : 'error', 'content-type': 'application/json' };
              return Promise.resolve(new Response(JSON.stringify('ok' in answer ? answer.ok : answer.error), { headers }));
            };";
        self.app.script(script, vec![json!(command), answer]).await.map(drop)
    }

    /// Events come over a channel of Tauri's, which numbers them.
    async fn tell(&self, event: Value) -> Result<()> {
        let listen = "
            const { callbacks } = window.__TAURI_INTERNALS__;
            callbacks.set = (id, callback) => Map.prototype.set.call(callbacks, id, (raw) => {
              if (typeof raw?.index !== 'number') return callback(raw);
              const told = (window.told ??= []).length;
              window.tellPage = (message) => {
                callback({ message, index: raw.index + 1 + window.told.length });
                window.told.push(message);
              };
              return callback({ ...raw, index: raw.index + told });
            });";
        self.app.script(listen, Vec::new()).await?;
        self.begin_anew().await?;
        self.app.script("window.tellPage(arguments[0])", vec![event]).await.map(drop)
    }

    async fn begin_anew(&self) -> Result<()> {
        let script = "
            const done = arguments[arguments.length - 1];
            const { src } = document.querySelector('script[type=module]');
            document.querySelector('#app').replaceChildren();
            import(src + '?anew').then(() => done(true), (error) => done(String(error)));";
        let answer = self.app.driver.execute_async(script, Vec::new()).await?.json().clone();
        if answer != true {
            bail!("the page does not begin anew: {answer}");
        }
        self.find("h1").await
    }

    /// Goes back to where states begin: the list's page as it was just loaded, in the usual look.
    ///
    /// # Errors
    /// When a window does not answer.
    pub async fn rest(&self) -> Result<()> {
        let app = &self.app;
        if app.driver.windows().await?.len() > 1 {
            if app.enter("/one-time.html").await? {
                // The answer does not arrive: the window closes.
                app.invoke("close_one_time", json!({ "unseen": false })).await.ok();
            }
            app.wait("the end of the window with a key", async || {
                app.driver.windows().await.is_ok_and(|windows| windows.len() == 1)
            })
            .await?;
        }
        app.enter_list_window().await?;
        *self.hovered.lock().expect("whole") = None;
        // The mouse rests where nothing is.
        self.desktop.run("xdotool", &["mousemove", "1279", "999"])?;
        self.prefer(Look::USUAL).await?;
        self.resize(&self.desktop.window()?, (1100, 760)).await?;
        app.script("window.isOver = true; setTimeout(() => location.reload(), 0);", Vec::new()).await?;
        let script = "return !window.isOver && document.readyState === 'complete'
            && document.documentElement.lang === 'en' && !!document.querySelector('h1')";
        app.wait("the page", async || app.script(script, Vec::new()).await.is_ok_and(|there| there == true)).await?;
        self.desktop.run("xdotool", &["windowfocus", &self.desktop.window()?])?;
        self.settle().await
    }

    /// Gives the windows a look.
    ///
    /// # Errors
    /// When they do not take it.
    pub async fn look(&self, look: Look) -> Result<()> {
        let app = &self.app;
        let shows_key = self.shows_key_window().await?;
        if shows_key {
            app.enter_list_window().await?;
        }
        self.prefer(look).await?;
        if shows_key {
            app.enter("/one-time.html").await?;
        }
        let taken = "const { lang, style } = document.documentElement;
            return lang === arguments[0] && (parseInt(style.fontSize) || 100) === arguments[1];";
        app.wait(look.language, async || {
            app.script(taken, vec![json!(look.language), json!(look.text)]).await.is_ok_and(|it| it == true)
        })
        .await?;
        // The window with a key grows with its text.
        self.settle().await?;
        if shows_key {
            let opened = app.script("return window.openedAt ??= [innerWidth, innerHeight]", Vec::new()).await?;
            let opened = opened.as_array().context("a size")?.iter().filter_map(Value::as_u64);
            let opened: Vec<u32> = opened.map(u32::try_from).collect::<Result<_, _>>()?;
            // As it opens, or as somebody might make it.
            let size = if look.size == Size::Wide { (opened[0], opened[1]) } else { (440, 480) };
            self.resize(&self.desktop.key_window()?, size).await?;
        } else {
            let size = if look.size == Size::Wide { (1100, 760) } else { (640, 480) };
            self.resize(&self.desktop.window()?, size).await?;
        }
        self.settle().await?;
        // Where a person is, is in sight: what has a menu open, or else the focus.
        let script = "(document.querySelector('main [aria-expanded=true]') ?? document.activeElement)
            ?.scrollIntoView({ block: 'nearest' });";
        app.script(script, Vec::new()).await?;
        self.settle().await?;
        self.point().await
    }

    /// Where the mouse rests, what it makes appear is waited for.
    async fn point(&self) -> Result<()> {
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
        self.app.point_at(&self.desktop, selector).await?;
        // Only what moves within the window is over something.
        self.desktop.run("xdotool", &["mousemove_relative", "1", "0"])?;
        self.find("[role=tooltip]").await?;
        self.settle().await
    }

    async fn prefer(&self, look: Look) -> Result<()> {
        let theme = if look.dark { "dark" } else { "light" };
        let preferences = json!({ "language": look.language, "theme": theme, "textPercent": look.text, "clipboardSeconds": 120, "rotationDays": 90 });
        self.ask("change_preferences", json!({ "preferences": preferences })).await
    }

    /// Past what takes the app's place for the page.
    async fn ask(&self, command: &str, arguments: Value) -> Result<()> {
        let script = "
            const done = arguments[arguments.length - 1];
            const inPlace = window.fetch;
            window.fetch = window.ownFetch ?? window.fetch;
            window.__TAURI_INTERNALS__.invoke(arguments[0], arguments[1])
                .then(() => done(true), (error) => done(JSON.stringify(error)));
            window.fetch = inPlace;";
        let arguments = vec![json!(command), arguments];
        let answer = self.app.driver.execute_async(script, arguments).await?.json().clone();
        if answer != true {
            bail!("{answer}");
        }
        Ok(())
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
    async fn settle(&self) -> Result<()> {
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
    pub async fn photograph(&self, path: &Path) -> Result<()> {
        // What the page has drawn is on the screen a little later.
        tokio::time::sleep(Duration::from_millis(250)).await;
        let window = if self.shows_key_window().await? { self.desktop.key_window()? } else { self.desktop.window()? };
        self.desktop.photograph(&window, path)
    }

    async fn shows_key_window(&self) -> Result<bool> {
        Ok(self.app.script("return location.pathname", Vec::new()).await? == "/one-time.html")
    }
}
