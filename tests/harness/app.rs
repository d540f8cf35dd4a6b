//! Starts the real app and drives it through WebKit's own WebDriver.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use thirtyfour::{Capabilities, WebDriver, WebElement};

use crate::desktop::Desktop;
use crate::headless_service::HeadlessService;
use crate::process::{Child, find_child_pid, free_port, is_alive};
use crate::wait::{POLL_INTERVAL, WAIT_TIMEOUT};

/// Options for starting the app.
#[derive(Default)]
pub struct AppOptions {
    /// Whether the system language is German instead of English.
    pub german: bool,
    /// Locale variables to set instead of `LC_ALL=C.UTF-8` and `LANGUAGE=en`.
    pub locale: Option<&'static [(&'static str, &'static str)]>,
    /// Whether the system theme is dark.
    pub dark: bool,
    /// The log filter, in the format of `RUST_LOG`.
    pub log: Option<&'static str>,
    /// Offset of the app's clock in libfaketime's format, such as `+100d`.
    pub clock: Option<&'static str>,
    /// ID of the user to run the app as, if not the user who runs the tests.
    pub user: Option<u32>,
    /// A broken pipe that receives the app's output. By default, the output is written to a file.
    pub prints_into: Option<BrokenPipe>,
    /// Path of the executable to start. By default, [`app_binary`].
    pub program: Option<PathBuf>,
    /// A program that starts the app, such as `strace`, followed by its arguments.
    pub wrapper: &'static [&'static str],
    /// The port that the existing settings specify. If a port is given, the harness neither reads nor writes the
    /// settings file.
    pub port: Option<u16>,
}

/// A pipe or terminal that does not accept a program's output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BrokenPipe {
    /// The reader has exited, as in `ul-keys 2>&1 | head -1`.
    Closed,
    /// The reader is not reading, and the pipe is full.
    Full,
    /// The output is a terminal whose display has been stopped, for example with Ctrl+S.
    Terminal,
}

impl BrokenPipe {
    /// Opens the pipe. Returns the writing end and, unless the reader has exited, the reading end, which must stay open
    /// while the program runs.
    ///
    /// # Errors
    /// Returns an error if the system cannot open another pipe or terminal.
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

/// Maximum time that a test waits for the app to exit. It is longer than the 25 seconds after which a D-Bus call
/// without an answer fails, so that a test can tell a slow exit on a busy machine from one that never ends.
const EXIT_TIMEOUT: Duration = Duration::from_secs(40);

/// A running app with its windows. The process is killed when this value is dropped.
pub struct App {
    /// The WebDriver session that controls the app's pages.
    pub driver: WebDriver,
    /// Port of the app's key service.
    pub port: u16,
    /// Process ID of the app.
    pub pid: u32,
    output: PathBuf,
    _reader: Option<OwnedFd>,
    _driver_process: Child,
}

/// If this environment variable is set, each app uses a service that runs outside it, with `ul-keys serve`. Otherwise,
/// the app runs the service itself.
const ATTACHED_VARIABLE: &str = "UL_KEYS_TEST_ATTACHED";

/// Returns the path of the app's executable, which Cargo builds into the same target folder as the tests.
///
/// # Panics
/// Panics if the test executable is not in a Cargo target folder.
pub fn app_binary() -> PathBuf {
    let tests = std::env::current_exe().expect("the path of the test program");
    let profile = tests.ancestors().find(|folder| folder.join("deps").is_dir()).expect("a target/PROFILE folder");
    profile.join("ul-keys-desktop")
}

/// Returns the path of the program `ul-keys`, the command line.
pub fn cli_binary() -> PathBuf {
    app_binary().with_file_name("ul-keys")
}

/// Returns the folder in which `cargo xtask setup` installs the test tools.
pub fn tools_folder() -> PathBuf {
    app_binary().with_file_name("../tools")
}

impl App {
    /// Starts the app with default options and waits for its page.
    ///
    /// # Errors
    /// Returns an error if the app does not start or its page does not appear.
    pub async fn start(desktop: &Desktop) -> Result<Self> {
        Self::start_with(desktop, AppOptions::default()).await
    }

    /// Starts the app with the given options and waits for its page.
    ///
    /// # Errors
    /// Returns an error if the app does not start or its page does not appear.
    pub async fn start_with(desktop: &Desktop, options: AppOptions) -> Result<Self> {
        let port = options.port.map_or_else(|| configured_port(desktop), Ok)?;
        if std::env::var_os(ATTACHED_VARIABLE).is_some() && options.port.is_none() && options.user.is_none() {
            start_service_outside_app(desktop, port, options.clock).await?;
        }
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
            set_clock(&mut command, clock)?;
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
        let pid = find_child_pid(driver_process.pid(), "ul-keys-desktop")?;
        let app = Self { driver, port, pid, output, _reader: unread, _driver_process: driver_process };
        app.wait("the page", async || app.text("h1").await.is_ok_and(|title| !title.is_empty())).await?;
        Ok(app)
    }

    /// Waits until `condition` is true.
    ///
    /// # Errors
    /// Returns an error with the page's text if `condition` is not true within [`WAIT_TIMEOUT`].
    pub async fn wait(&self, what: &str, condition: impl AsyncFnMut() -> bool) -> Result<()> {
        self.wait_within(WAIT_TIMEOUT, what, condition).await
    }

    /// Waits until `condition` is true, but not longer than `timeout`.
    ///
    /// # Errors
    /// Returns an error with the page's text if `condition` is not true within `timeout`.
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
                bail!(
                    "timed out waiting for {what}; the window shows:\n{page}\nand the app printed:\n{}",
                    self.output()
                );
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Waits until the page shows `text`.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::wait`].
    pub async fn wait_text(&self, text: &str) -> Result<()> {
        self.wait(&format!("the text {text:?}"), async || self.shows_text(text).await.is_ok_and(|shows| shows)).await
    }

    /// Waits until the page no longer shows `text`.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::wait`].
    pub async fn wait_gone(&self, text: &str) -> Result<()> {
        let what = format!("the text {text:?} to disappear");
        self.wait(&what, async || self.shows_text(text).await.is_ok_and(|shows| !shows)).await
    }

    /// Returns whether the page shows `text`. A script in the page checks this: WebDriver would copy the page's text,
    /// including a displayed key, into the memory of the app's process, which some tests search for keys.
    async fn shows_text(&self, text: &str) -> Result<bool> {
        let script = "return document.body.innerText.includes(arguments[0])";
        Ok(self.script(script, vec![json!(text)]).await? == true)
    }

    /// Waits until the focused element has the accessible name `name`, or the text `name` if it has no accessible name.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::wait`].
    pub async fn wait_focus(&self, name: &str) -> Result<()> {
        self.wait(&format!("the focus to be on {name}"), async || {
            self.focused_name().await.is_ok_and(|focus| focus == name)
        })
        .await
    }

    /// Returns the label or the text of the focused element.
    ///
    /// # Errors
    /// Returns an error if the script cannot be run in the page.
    pub async fn focused_name(&self) -> Result<String> {
        let script = "const e = document.activeElement;
            return (e.getAttribute('aria-label') ?? e.labels?.[0]?.innerText ?? e.innerText ?? '')
                .replace(/[\\u2066-\\u2069]/g, '');";
        Ok(self.script(script, Vec::new()).await?.as_str().unwrap_or_default().trim().to_owned())
    }

    /// Waits for a visible control with this accessible name or text, and returns the control. While a dialog or menu
    /// is open, ignores controls outside it.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::wait`].
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
        found.context("no control found")
    }

    /// Clicks a control through WebDriver. Repeats this until the control receives the click.
    ///
    /// # Errors
    /// Returns an error if no control with this name can be clicked within [`WAIT_TIMEOUT`].
    pub async fn click(&self, name: &str) -> Result<()> {
        self.wait(&format!("a click on {name}"), async || match self.find_control(name).await {
            Ok(control) => self.click_element(&control).await.unwrap_or(false),
            Err(_) => false,
        })
        .await
    }

    /// Clicks a control, and returns whether the control received the click. A click can miss the control if the page
    /// has just moved it, for example because a dialog closed or the one-time window grew.
    async fn click_element(&self, control: &WebElement) -> Result<bool> {
        let listen = "window.isHit = false;
            arguments[0].addEventListener('click', () => { window.isHit = true; }, { capture: true, once: true });";
        self.script(listen, vec![control.to_json()?]).await?;
        if control.click().await.is_err() {
            // WebDriver reports an error for a click that closes its own window, although the control received the
            // click.
            return Ok(self.driver.window().await.is_err());
        }
        // If the click closed the page, `isHit` cannot be read. In this case, the control has received the click.
        let missed = self.script("return window.isHit === false", Vec::new()).await;
        Ok(!missed.is_ok_and(|missed| missed == true))
    }

    /// Creates a key through the dialog, and switches to the window that shows its plaintext.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::wait`].
    pub async fn create_key_in_dialog(&self, name: &str, scope: &str) -> Result<()> {
        self.click("Create Key").await?;
        self.find_control("Name").await?.send_keys(name).await?;
        self.click(scope).await?;
        self.click("Create").await?;
        self.switch_to_key_window().await
    }

    /// Creates a key and closes its window without copying the key, so the test never reads the plaintext.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::wait`].
    pub async fn create_key_without_copying(&self, name: &str, scope: &str) -> Result<()> {
        self.create_key_in_dialog(name, scope).await?;
        self.close_key_window_without_copying().await
    }

    /// Creates a key, reads it from its window, and closes the window without copying the key. Tests that paste the key
    /// use this method: for 9 seconds after a copied key was cleared, the app removes it whenever it returns to the
    /// clipboard.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::wait`].
    pub async fn create_and_read_key(&self, name: &str, scope: &str) -> Result<String> {
        self.create_key_in_dialog(name, scope).await?;
        let key = self.text("code.key").await?.trim().to_owned();
        self.close_key_window_without_copying().await?;
        Ok(key)
    }

    async fn close_key_window_without_copying(&self) -> Result<()> {
        self.click("Done").await?;
        self.click("Close anyway").await?;
        self.wait_key_window_closed().await
    }

    /// Creates a key, copies it as a user would, and returns it from the clipboard. Before returning, switches to the
    /// list window and clears the clipboard.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::wait`].
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

    /// Switches to the one-time window of a new key, and waits until the key is displayed.
    ///
    /// # Errors
    /// Returns an error if no such window opens.
    pub async fn switch_to_key_window(&self) -> Result<()> {
        let start = Instant::now();
        while !self.switch_to_page("/one-time.html").await? {
            if start.elapsed() > WAIT_TIMEOUT {
                bail!("no window with a key opened; the list shows:\n{}", self.text("body").await?);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let shown = "return !!document.querySelector('code.key') && document.hasFocus()";
        self.wait("the key to be shown", async || self.script(shown, vec![]).await.is_ok_and(|it| it == true)).await
    }

    /// Waits until the one-time window has closed, and switches to the list window.
    ///
    /// # Errors
    /// Returns an error if the window does not close.
    pub async fn wait_key_window_closed(&self) -> Result<()> {
        let start = Instant::now();
        while self.driver.windows().await?.len() > 1 {
            if start.elapsed() > WAIT_TIMEOUT {
                bail!("the window with the key did not close; it shows:\n{}", self.text("body").await?);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        self.switch_to_list_window().await?;
        self.wait("the dialog to close", async || self.text("[role=dialog]").await.is_err()).await
    }

    /// Minimizes the window of a key that was copied or saved, and waits until the window has closed. Then activates
    /// the list window, because some window managers also minimize the window behind the one being minimized.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::wait`].
    pub async fn minimize_key_window(&self, desktop: &Desktop) -> Result<()> {
        let list = desktop.list_window()?;
        desktop.run("xdotool", &["windowminimize", &desktop.key_window()?])?;
        let gone = async || self.driver.windows().await.is_ok_and(|all| all.len() == 1);
        self.wait("the window with the key to close", gone).await?;
        desktop.run("xdotool", &["windowactivate", &list]).map(drop)
    }

    /// Switches to the list window.
    ///
    /// # Errors
    /// Returns an error if there is no such window.
    pub async fn switch_to_list_window(&self) -> Result<()> {
        match self.switch_to_page("/").await? {
            true => Ok(()),
            false => bail!("there is no window with the list"),
        }
    }

    /// Switches to the window that shows the page with the path `page`, and returns whether there is such a window.
    pub(crate) async fn switch_to_page(&self, page: &str) -> Result<bool> {
        for window in self.driver.windows().await? {
            // The window may close after it is listed but before the driver switches to it.
            let entered = self.driver.switch_to_window(window).await.is_ok();
            if entered && self.script("return location.pathname", Vec::new()).await.is_ok_and(|path| path == page) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the visible text of the first element that matches `selector`.
    ///
    /// # Errors
    /// Returns an error if no element matches.
    pub async fn text(&self, selector: &str) -> Result<String> {
        // WebDriver's own command for visible text omits text that is clamped to a number of lines.
        let script = "return document.querySelector(arguments[0])?.innerText ?? null;";
        let text = self.script(script, vec![json!(selector)]).await?;
        Ok(text.as_str().with_context(|| format!("no element matches {selector}"))?.to_owned())
    }

    /// Waits until the field for a key's name contains `name`. Typed characters arrive in the field one by one.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`Self::wait`].
    pub async fn wait_name_field(&self, name: &str) -> Result<()> {
        let script = "return document.querySelector('input[name=key-name]')?.value ?? '';";
        self.wait("the typed name to appear", async || {
            self.script(script, Vec::new()).await.is_ok_and(|value| value == name)
        })
        .await
    }

    /// Runs a script in the page and returns its result.
    ///
    /// # Errors
    /// Returns an error if the script cannot be run in the page or throws an exception.
    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        Ok(self.driver.execute(script, arguments).await?.json().clone())
    }

    /// Calls a command of the app as the page would. The inner result is `Ok` with the response or `Err` with the
    /// command's error.
    ///
    /// # Errors
    /// Returns an error if the script cannot be run in the page.
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

    /// Returns everything that the app has printed since this desktop was started, including output of earlier app
    /// processes.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Terminates the app as a session manager would, and waits until it has exited.
    ///
    /// # Errors
    /// Returns an error if the app does not exit.
    pub async fn quit(self) -> Result<()> {
        self.send_signal("TERM")?;
        self.wait_exit().await
    }

    /// Closes the window as the close button in its frame does, and waits until the app has exited.
    ///
    /// # Errors
    /// Returns an error if the app does not exit.
    pub async fn close_window(self, desktop: &Desktop) -> Result<()> {
        // Do not use a key press, because it would go to the focused window, which might be another window that is
        // about to close.
        desktop.run("wmctrl", &["-i", "-c", &desktop.list_window()?])?;
        self.wait_exit().await
    }

    /// Presses a key combination that closes the app, and waits until the app has exited.
    ///
    /// # Errors
    /// Returns an error if the app does not exit.
    pub async fn close_by_keys(self, desktop: &Desktop, keys: &str) -> Result<()> {
        desktop.press(&[keys])?;
        self.wait_exit().await
    }

    /// Kills the app without giving it a chance to clean up, and waits until it has exited.
    ///
    /// # Errors
    /// Returns an error if the app cannot be killed.
    pub async fn kill(self) -> Result<()> {
        self.send_signal("KILL")?;
        self.wait_exit().await
    }

    /// Sends the signal with this name, such as `TERM`, to the app.
    ///
    /// # Errors
    /// Returns an error if the process does not exist.
    pub fn send_signal(&self, signal: &str) -> Result<()> {
        crate::process::send_signal(self.pid, signal)
    }

    /// Waits until the app's process has exited.
    ///
    /// # Errors
    /// Returns an error if the process does not exit within [`EXIT_TIMEOUT`].
    pub async fn wait_exit(&self) -> Result<()> {
        let start = Instant::now();
        while is_alive(self.pid) {
            if start.elapsed() > EXIT_TIMEOUT {
                bail!("the app did not exit; it printed:\n{}", self.output());
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
        // Do not end the WebDriver session: ending it would wait for the app, which is no longer running. The driver
        // process is killed anyway when this value is dropped.
        let driver = self.driver.clone();
        driver.leak().ok();
    }
}

/// Returns the path of libfaketime, which changes the time that a program sees.
fn faketime_library() -> Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib")?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let found = folders.into_iter().map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists());
    found.context("libfaketime is missing; install the package faketime")
}

/// Returns the port from this desktop's settings. If there are no settings yet, creates them with a free port, so that
/// tests can run in parallel.
fn configured_port(desktop: &Desktop) -> Result<u16> {
    let path = desktop.settings_file();
    if let Ok(settings) = std::fs::read(&path) {
        let settings: Value = serde_json::from_slice(&settings)?;
        return settings["port"]
            .as_u64()
            .and_then(|port| port.try_into().ok())
            .context("the settings contain no valid port");
    }
    let port = free_port()?;
    std::fs::create_dir_all(path.parent().context("the settings file has no folder")?)?;
    // Set rate limits that are never reached: the tests of the app do not cover rate limits, and some of them send
    // requests faster than a person could.
    let limits = json!({ "default": 999_999, "invalidCredentials": 999_999 });
    // Most tests close the window only to end the app, which must not ask and must not leave a service behind.
    std::fs::write(&path, json!({ "port": port, "limits": limits, "closing": "quit" }).to_string())?;
    Ok(port)
}

/// Starts a service for the app on a desktop, at the app's port, unless an earlier app on this desktop has one.
async fn start_service_outside_app(desktop: &Desktop, port: u16, clock: Option<&str>) -> Result<()> {
    if desktop.has_service() {
        return Ok(());
    }
    let mut command = desktop.command(cli_binary());
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
    if let Some(clock) = clock {
        set_clock(&mut command, clock)?;
    }
    desktop.keep_service(HeadlessService::start_command_on_desktop(desktop, &mut command).await?);
    Ok(())
}

/// Sets the clock of a program, but not its monotonic clock, because timeouts depend on that one.
fn set_clock(command: &mut Command, clock: &str) -> Result<()> {
    command.env("LD_PRELOAD", faketime_library()?).env("FAKETIME", clock).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Ok(())
}

async fn connect_webdriver(url: &str, capabilities: Capabilities) -> Result<WebDriver> {
    let start = Instant::now();
    loop {
        match tokio::time::timeout(WAIT_TIMEOUT, WebDriver::new(url, capabilities.clone())).await? {
            Ok(driver) => return Ok(driver),
            Err(error) if start.elapsed() > WAIT_TIMEOUT => {
                return Err(error).context("cannot start a WebDriver session");
            }
            Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

/// Returns the path of the program to start: `program` itself or, if `wrapper` is not empty, a script that runs
/// `wrapper` with `program` as its last argument.
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

/// Copies the app's executable so that another user may run it, and returns the path of a script that starts the copy
/// as that user.
fn program_as_user(desktop: &Desktop, user: u32) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let copy = desktop.home().join("ul-keys-program");
    std::fs::create_dir_all(&copy)?;
    let program = copy.join("ul-keys-desktop");
    std::fs::copy(app_binary(), &program)?;
    let script = copy.join("start");
    std::fs::write(
        &script,
        format!("#!/bin/sh\nexec setpriv --reuid {user} --regid {user} --clear-groups {} \"$@\"\n", program.display()),
    )?;
    for path in [&copy, &program, &script] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    // Change the owner of the whole home folder, including the settings that the test has written: the app restricts
    // access to the settings, and only their owner can do that. Skip the file system that the document portal has
    // mounted, because its owner cannot be changed.
    let (owner, home) = (format!("{user}:{user}"), desktop.home().display().to_string());
    let mounted = format!("{home}/run/doc");
    desktop.run(
        "find",
        &[&home, "-path", &mounted, "-prune", "-o", "-exec", "chown", "--no-dereference", &owner, "{}", "+"],
    )?;
    Ok(script)
}
