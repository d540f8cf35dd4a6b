//! The real program, driven through WebKit's own WebDriver.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use thirtyfour::{Capabilities, WebDriver, WebElement};

use crate::desktop::Desktop;
use crate::process::{Child, find_child_pid, free_port, is_alive};
use crate::wait::{POLL_INTERVAL, WAIT_TIMEOUT};

/// How the app is started.
#[derive(Default)]
pub struct AppOptions {
    /// Whether the system speaks German instead of English.
    pub german: bool,
    /// The system's locale variables, instead of `LC_ALL=C.UTF-8` and `LANGUAGE=en`.
    pub locale: Option<&'static [(&'static str, &'static str)]>,
    /// Whether the system's theme is dark.
    pub dark: bool,
    /// What is logged, as in `RUST_LOG`.
    pub log: Option<&'static str>,
    /// How far the clock is off, as libfaketime reads it: `+100d`.
    pub clock: Option<&'static str>,
    /// A user number to run as, instead of the tests' own.
    pub user: Option<u32>,
    /// Where the program prints, instead of into a file.
    pub prints_into: Option<BrokenPipe>,
    /// The program to start, instead of [`app_binary`].
    pub program: Option<PathBuf>,
    /// A program that starts it, with its arguments, such as `strace`.
    pub wrapper: &'static [&'static str],
    /// The port that the settings name already, wherever they are.
    pub port: Option<u16>,
}

/// A pipe of which a program cannot get rid of what it prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BrokenPipe {
    /// Its reader has gone, like that of `ul-keys 2>&1 | head -1`.
    Closed,
    /// Its reader does not read, and there is no room.
    Full,
    /// A terminal that shows nothing any more, as after Ctrl+S.
    Terminal,
}

impl BrokenPipe {
    /// The end to print into, and the other one, to be kept for as long as the program runs.
    ///
    /// # Errors
    /// When the system has none left.
    pub fn open(self) -> Result<(File, Option<OwnedFd>)> {
        let (reader, writer) = match self {
            Self::Closed | Self::Full => {
                let (reader, writer) = std::io::pipe()?;
                (OwnedFd::from(reader), OwnedFd::from(writer))
            }
            Self::Terminal => {
                use rustix::pty;
                let reader = pty::openpt(pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY)?;
                pty::grantpt(&reader)?;
                pty::unlockpt(&reader)?;
                let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
                let writer = rustix::fs::open(pty::ptsname(&reader, Vec::new())?, flags, rustix::fs::Mode::empty())?;
                (reader, writer)
            }
        };
        let mut writer = File::from(writer);
        if self != Self::Closed {
            rustix::io::ioctl_fionbio(&writer, true)?;
            while writer.write_all(&[b'.'; 512]).is_ok() {}
            rustix::io::ioctl_fionbio(&writer, false)?;
        }
        Ok((writer, (self != Self::Closed).then_some(reader)))
    }
}

/// The app's window. The process ends when it is dropped.
pub struct App {
    /// The page.
    pub driver: WebDriver,
    /// Port of its key service.
    pub port: u16,
    /// Process number.
    pub pid: u32,
    output: PathBuf,
    _reader: Option<OwnedFd>,
    _driver_process: Child,
}

/// The program under test, next to the tests' own folder.
///
/// # Panics
/// When the tests do not run from a target folder.
pub fn app_binary() -> PathBuf {
    let tests = std::env::current_exe().expect("a test program");
    let profile = tests.ancestors().find(|folder| folder.join("deps").is_dir()).expect("target/PROFILE");
    profile.join("ul-keys")
}

/// The program as it is released, but for optimizations across crates. `cargo xtask test` builds it.
///
/// # Panics
/// When it was not built.
pub fn release_binary() -> PathBuf {
    let program = app_binary().with_file_name("../release-check/ul-keys");
    assert!(program.is_file(), "run `cargo build --profile release-check --package ul-keys` first");
    program
}

/// Where `cargo xtask setup` puts what it installs.
pub fn tools_folder() -> PathBuf {
    app_binary().with_file_name("../tools")
}

impl App {
    /// Starts the app on its own port, and waits for its page.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(desktop: &Desktop) -> Result<Self> {
        Self::start_with(desktop, AppOptions::default()).await
    }

    /// Starts the app with options.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_with(desktop: &Desktop, options: AppOptions) -> Result<Self> {
        let port = options.port.map_or_else(|| configured_port(desktop), Ok)?;
        let driver_port = free_port()?;
        let output = desktop.home().join("output.txt");
        let log = File::options().create(true).append(true).open(&output)?;
        let mut command = desktop.session_command("WebKitWebDriver");
        command.args(["--host=127.0.0.1", &format!("--port={driver_port}")]).env("TAURI_WEBVIEW_AUTOMATION", "true");
        let mut unread = None;
        match options.prints_into {
            None => command.stdout(log.try_clone()?).stderr(log),
            Some(pipe) => {
                let (writer, reader) = pipe.open()?;
                unread = reader;
                command.stdout(writer.try_clone()?).stderr(writer)
            }
        };
        if options.german {
            command.env("LOCPATH", tools_folder().join("locale")).env("LC_ALL", "de_DE.UTF-8").env("LANGUAGE", "de");
        }
        if let Some(locale) = options.locale {
            command.env_remove("LC_ALL").env_remove("LANGUAGE").envs(locale.iter().copied());
        }
        if let Some(log) = options.log {
            command.env("RUST_LOG", log);
        }
        if let Some(clock) = options.clock {
            // Time-outs keep running as they do.
            command
                .env("LD_PRELOAD", faketime_library()?)
                .env("FAKETIME", clock)
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        if options.dark {
            command.env("GTK_THEME", "Adwaita:dark");
        }
        let driver_process = Child::spawn(&mut command)?;

        let program = match options.user {
            None => wrap_program(desktop, &options.program.unwrap_or_else(app_binary), options.wrapper)?,
            Some(user) => program_as_user(desktop, user)?,
        };
        let mut capabilities = Capabilities::new();
        capabilities.set("webkitgtk:browserOptions", json!({ "binary": program, "args": [] }))?;
        let url = format!("http://127.0.0.1:{driver_port}");
        let driver = connect_webdriver(&url, capabilities).await?;
        let pid = find_child_pid(driver_process.pid(), "ul-keys")?;
        let app = Self { driver, port, pid, output, _reader: unread, _driver_process: driver_process };
        app.wait("the page", async || app.text("h1").await.is_ok_and(|title| !title.is_empty())).await?;
        Ok(app)
    }

    /// Waits until `condition` holds.
    ///
    /// # Errors
    /// When it does not within [`WAIT_TIMEOUT`]; the error shows the page.
    pub async fn wait(&self, what: &str, condition: impl AsyncFnMut() -> bool) -> Result<()> {
        self.wait_within(WAIT_TIMEOUT, what, condition).await
    }

    /// Waits until `condition` holds, for longer than usual.
    ///
    /// # Errors
    /// When it does not within `timeout`; the error shows the page.
    pub async fn wait_within(
        &self,
        timeout: Duration,
        what: &str,
        mut condition: impl AsyncFnMut() -> bool,
    ) -> Result<()> {
        let start = Instant::now();
        while !condition().await {
            if start.elapsed() > timeout {
                let page = self.text("body").await.unwrap_or_else(|error| format!("{error:#}"));
                bail!("timed out waiting for {what}; the window shows:\n{page}\nand it printed:\n{}", self.output());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Waits until the page shows `text`.
    ///
    /// # Errors
    /// See [`Self::wait`].
    pub async fn wait_text(&self, text: &str) -> Result<()> {
        self.wait(text, async || self.shows_text(text).await.is_ok_and(|shows| shows)).await
    }

    /// Waits until the page no longer shows `text`.
    ///
    /// # Errors
    /// See [`Self::wait`].
    pub async fn wait_gone(&self, text: &str) -> Result<()> {
        let what = format!("the end of {text}");
        self.wait(&what, async || self.shows_text(text).await.is_ok_and(|shows| !shows)).await
    }

    /// Whether the page shows `text`. Asked there, because what the driver reads is copied into the app's process.
    async fn shows_text(&self, text: &str) -> Result<bool> {
        let script = "return document.body.innerText.includes(arguments[0])";
        Ok(self.script(script, vec![json!(text)]).await? == true)
    }

    /// Waits until the focused element's accessible name, or else its text, is `name`.
    ///
    /// # Errors
    /// See [`Self::wait`].
    pub async fn wait_focus(&self, name: &str) -> Result<()> {
        self.wait(&format!("the focus on {name}"), async || self.focused_name().await.is_ok_and(|focus| focus == name))
            .await
    }

    /// Label or text of the focused element.
    ///
    /// # Errors
    /// When the page cannot be asked.
    pub async fn focused_name(&self) -> Result<String> {
        let script = "const e = document.activeElement;
            return (e.getAttribute('aria-label') ?? e.labels?.[0]?.innerText ?? e.innerText ?? '')
                .replace(/[\\u2066-\\u2069]/g, '');";
        Ok(self.script(script, Vec::new()).await?.as_str().unwrap_or_default().trim().to_owned())
    }

    /// The visible element for the accessible name or text, as soon as there is one. In an open dialog, only there.
    ///
    /// # Errors
    /// See [`Self::wait`].
    pub async fn find_control(&self, name: &str) -> Result<WebElement> {
        let script = "const scopes = [...document.querySelectorAll('[role=dialog],[role=alertdialog],[role=menu]')];
            const root = scopes.at(-1) ?? document;
            const roles = ['menuitem', 'checkbox', 'radio', 'tab', 'option'].map(role => `,[role=${role}]`).join('');
            const controls = root.querySelectorAll('button,input,select,textarea,a,summary' + roles);
            const named = e => (e.getAttribute('aria-label') ?? e.labels?.[0]?.innerText ?? e.innerText ?? '')
                .replace(/[\\u2066-\\u2069]/g, '').trim();
            const matches = e => named(e) === arguments[0] || named(e).split('\\n')[0].trim() === arguments[0];
            return [...controls].find(e => matches(e) && e.checkVisibility() && !e.disabled) ?? null;";
        let mut found = None;
        self.wait(&format!("the control {name}"), async || {
            let result = self.driver.execute(script, vec![json!(name)]).await;
            found = result.ok().and_then(|result| result.element().ok());
            found.is_some()
        })
        .await?;
        found.context("found")
    }

    /// Clicks a control through WebDriver.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn click(&self, name: &str) -> Result<()> {
        self.wait(&format!("a click on {name}"), async || match self.find_control(name).await {
            Ok(control) => self.click_element(&control).await.unwrap_or(false),
            Err(_) => false,
        })
        .await
    }

    /// Clicks where a control is. Whether that met it: the page may have moved it, as when a dialog closes
    /// or the window with a key grows.
    async fn click_element(&self, control: &WebElement) -> Result<bool> {
        let listen = "window.isHit = false;
            arguments[0].addEventListener('click', () => { window.isHit = true; }, { capture: true, once: true });";
        self.script(listen, vec![control.to_json()?]).await?;
        if control.click().await.is_err() {
            // A click that closes its own window gets no answer.
            return Ok(self.driver.window().await.is_err());
        }
        // A page that ended with the click knows nothing of it.
        let missed = self.script("return window.isHit === false", Vec::new()).await;
        Ok(!missed.is_ok_and(|missed| missed == true))
    }

    /// Creates a key through the dialog, up to where its plaintext is shown.
    ///
    /// # Errors
    /// See [`Self::wait`].
    pub async fn create_key_in_dialog(&self, name: &str, scope: &str) -> Result<()> {
        self.click("Create Key").await?;
        self.find_control("Name").await?.send_keys(name).await?;
        self.click(scope).await?;
        self.click("Create").await?;
        self.switch_to_key_window().await
    }

    /// Creates a key and closes its window without copying it; what it does not do is read the key.
    ///
    /// # Errors
    /// See [`Self::wait`].
    pub async fn create_key_without_copying(&self, name: &str, scope: &str) -> Result<()> {
        self.create_key_in_dialog(name, scope).await?;
        self.click("Done").await?;
        self.click("Close anyway").await?;
        self.wait_key_window_closed().await
    }

    /// Creates a key and takes it from the clipboard, as a person would. Back in the list, it is off the clipboard.
    ///
    /// # Errors
    /// See [`Self::wait`].
    pub async fn create_and_copy_key(&self, desktop: &Desktop, name: &str, scope: &str) -> Result<String> {
        self.create_key_in_dialog(name, scope).await?;
        self.click("Copy").await?;
        self.wait_text("On the clipboard for another").await?;
        let key = desktop.read_clipboard()?;
        self.click("Done").await?;
        self.wait_key_window_closed().await?;
        self.click("Clear now").await?;
        self.wait_gone("On the clipboard for another").await?;
        Ok(key)
    }

    /// Turns to the window with a new key, as soon as it shows the key.
    ///
    /// # Errors
    /// When none is opened.
    pub async fn switch_to_key_window(&self) -> Result<()> {
        let start = Instant::now();
        while !self.switch_to_page("/one-time.html").await? {
            if start.elapsed() > WAIT_TIMEOUT {
                bail!("no window with a key; the list shows:\n{}", self.text("body").await?);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let shown = "return !!document.querySelector('code.key') && document.hasFocus()";
        self.wait("the key", async || self.script(shown, vec![]).await.is_ok_and(|it| it == true)).await
    }

    /// Waits until the window with the key has gone, and turns to the list.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn wait_key_window_closed(&self) -> Result<()> {
        let start = Instant::now();
        while self.driver.windows().await?.len() > 1 {
            if start.elapsed() > WAIT_TIMEOUT {
                bail!("the window with the key stays; it shows:\n{}", self.text("body").await?);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        self.switch_to_list_window().await?;
        self.wait("the end of the dialog", async || self.text("[role=dialog]").await.is_err()).await
    }

    /// Minimizes the window with a key that was copied or saved, and waits for its end. The list comes back, as some
    /// window managers minimize the window under a minimized one as well.
    ///
    /// # Errors
    /// See [`Self::wait`].
    pub async fn minimize_key_window(&self, desktop: &Desktop) -> Result<()> {
        let list = desktop.list_window()?;
        desktop.run("xdotool", &["windowminimize", &desktop.key_window()?])?;
        let gone = async || self.driver.windows().await.is_ok_and(|all| all.len() == 1);
        self.wait("the end of its window", gone).await?;
        desktop.run("xdotool", &["windowactivate", &list]).map(drop)
    }

    /// Turns to the window with the list.
    ///
    /// # Errors
    /// When the driver refuses.
    pub async fn switch_to_list_window(&self) -> Result<()> {
        match self.switch_to_page("/").await? {
            true => Ok(()),
            false => bail!("the list's window is not there"),
        }
    }

    /// Turns to the window that shows a page, if there is one.
    pub(crate) async fn switch_to_page(&self, page: &str) -> Result<bool> {
        for window in self.driver.windows().await? {
            // A window may close in between.
            let entered = self.driver.switch_to_window(window).await.is_ok();
            if entered && self.script("return location.pathname", Vec::new()).await.is_ok_and(|path| path == page) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Visible text of the first element that `selector` finds.
    ///
    /// # Errors
    /// When there is none.
    pub async fn text(&self, selector: &str) -> Result<String> {
        // WebDriver's own notion of visible text leaves out what is clamped to a number of lines.
        let script = "return document.querySelector(arguments[0])?.innerText ?? null;";
        let text = self.script(script, vec![json!(selector)]).await?;
        Ok(text.as_str().with_context(|| format!("no {selector}"))?.to_owned())
    }

    /// Waits until the field for a key's name holds `name`: typed keys arrive one by one.
    ///
    /// # Errors
    /// See [`Self::wait`].
    pub async fn wait_name_field(&self, name: &str) -> Result<()> {
        let script = "return document.querySelector('input[name=key-name]')?.value ?? '';";
        self.wait("the typed name", async || self.script(script, Vec::new()).await.is_ok_and(|value| value == name))
            .await
    }

    /// Runs a script in the page.
    ///
    /// # Errors
    /// When it throws.
    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        Ok(self.driver.execute(script, arguments).await?.json().clone())
    }

    /// Calls a command as the page would: `Ok` with the answer, `Err` with the refusal.
    ///
    /// # Errors
    /// When the page cannot be asked.
    pub async fn invoke(&self, command: &str, arguments: Value) -> Result<std::result::Result<Value, Value>> {
        let script = "const done = arguments[arguments.length - 1];
            window.__TAURI_INTERNALS__.invoke(arguments[0], arguments[1])
                .then(value => done({ value }), error => done({ error }));";
        let result = self.driver.execute_async(script, vec![json!(command), arguments]).await?.json().clone();
        Ok(match result.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(result["value"].clone()),
        })
    }

    /// Everything that the app printed on this desktop.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Ends the app as a session manager would, and waits until it has gone.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn quit(self) -> Result<()> {
        self.send_signal("TERM")?;
        self.wait_exit().await
    }

    /// Closes the window as its frame's button does, and waits until the app has gone.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn close_window(self, desktop: &Desktop) -> Result<()> {
        // A key press would go to whatever has the focus at that moment, such as a window that is just going.
        desktop.run("wmctrl", &["-i", "-c", &desktop.list_window()?])?;
        self.wait_exit().await
    }

    /// Presses keys that close the app, and waits until it has gone.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn close_by_keys(self, desktop: &Desktop, keys: &str) -> Result<()> {
        desktop.press(&[keys])?;
        self.wait_exit().await
    }

    /// Ends the app without any warning.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(self) -> Result<()> {
        self.send_signal("KILL")?;
        self.wait_exit().await
    }

    /// Sends a signal to the app, by name.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn send_signal(&self, signal: &str) -> Result<()> {
        crate::process::send_signal(self.pid, signal)
    }

    /// Waits until the process has ended.
    ///
    /// # Errors
    /// When it goes on.
    pub async fn wait_exit(&self) -> Result<()> {
        let start = Instant::now();
        while is_alive(self.pid) {
            if start.elapsed() > WAIT_TIMEOUT {
                bail!("the app does not end; it printed:\n{}", self.output());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if is_alive(self.pid) {
            let _ = self.send_signal("KILL");
        }
        // The driver's process ends with this value; asking it to end the session would only wait for the dead app.
        let driver = self.driver.clone();
        driver.leak().ok();
    }
}

/// The library that changes the clock of a program.
fn faketime_library() -> Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib")?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let found = folders.into_iter().map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists());
    found.context("libfaketime: install the package faketime")
}

/// The port in this desktop's settings; a free one is put there first, as tests run side by side.
fn configured_port(desktop: &Desktop) -> Result<u16> {
    let path = desktop.settings_file();
    if let Ok(settings) = std::fs::read(&path) {
        let settings: Value = serde_json::from_slice(&settings)?;
        return settings["port"].as_u64().and_then(|port| port.try_into().ok()).context("a port");
    }
    let port = free_port()?;
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    // No test is about limits; some ask faster than a person could.
    let limits = json!({ "default": 999_999, "invalidCredentials": 999_999 });
    std::fs::write(&path, json!({ "port": port, "limits": limits }).to_string())?;
    Ok(port)
}

async fn connect_webdriver(url: &str, capabilities: Capabilities) -> Result<WebDriver> {
    let start = Instant::now();
    loop {
        match tokio::time::timeout(WAIT_TIMEOUT, WebDriver::new(url, capabilities.clone())).await? {
            Ok(driver) => return Ok(driver),
            Err(error) if start.elapsed() > WAIT_TIMEOUT => return Err(error).context("no WebDriver session"),
            Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

/// The program, behind a script where another one starts it.
fn wrap_program(desktop: &Desktop, program: &Path, wrapper: &[&str]) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    if wrapper.is_empty() {
        return Ok(program.to_owned());
    }
    let script = desktop.home().join("start");
    std::fs::write(&script, format!("#!/bin/sh\nexec {} {} \"$@\"\n", wrapper.join(" "), program.display()))?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

/// A copy of the program that another user may run, behind a script that becomes that user.
fn program_as_user(desktop: &Desktop, user: u32) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let copy = desktop.home().join("ul-keys-program");
    std::fs::create_dir_all(&copy)?;
    let program = copy.join("ul-keys");
    std::fs::copy(app_binary(), &program)?;
    let script = copy.join("start");
    std::fs::write(
        &script,
        format!("#!/bin/sh\nexec setpriv --reuid {user} --regid {user} --clear-groups {} \"$@\"\n", program.display()),
    )?;
    for path in [&copy, &program, &script] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    // The settings that the test has written, too: the app makes them private, which only their owner may.
    // A file system that the document portal has mounted there has no owner to change.
    let (owner, home) = (format!("{user}:{user}"), desktop.home().display().to_string());
    let mounted = format!("{home}/run/doc");
    desktop.run(
        "find",
        &[&home, "-path", &mounted, "-prune", "-o", "-exec", "chown", "--no-dereference", &owner, "{}", "+"],
    )?;
    Ok(script)
}
