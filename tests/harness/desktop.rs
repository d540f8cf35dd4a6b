//! Starts a virtual display with a window manager, a session bus and an empty home folder.

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::headless_service::HeadlessService;
use crate::process::{Child, send_signal};
use crate::wait::wait_until_blocking;
use crate::wayland::{self, Compositor};

/// A virtual desktop. All its processes are killed when this value is dropped.
pub struct Desktop {
    home: tempfile::TempDir,
    /// Whether the app stores its files in the platform's folders instead of a single folder.
    platform_folders: bool,
    display: String,
    bus: String,
    size: (u32, u32),
    scale: u32,
    /// The service that the app attaches to, if the tests run attached.
    service: Mutex<Option<HeadlessService>>,
    // Fields are dropped in this order, so that the display is shut down last.
    compositor: Option<(Compositor, Child)>,
    window_manager: Option<Child>,
    _bus: Child,
    x: Option<Child>,
}

impl Desktop {
    /// Starts a desktop with a screen of this size in pixels.
    ///
    /// # Errors
    /// Returns an error if a part of the desktop cannot be started.
    pub fn start(width: u32, height: u32) -> Result<Self> {
        Self::start_with(width, height, &["--session"], false)
    }

    /// Starts a desktop with a desktop portal, which publishes settings such as the color scheme. The other functions
    /// start no portal, because that takes time.
    ///
    /// # Errors
    /// Returns an error if a part of the desktop cannot be started.
    pub fn start_with_portal(width: u32, height: u32) -> Result<Self> {
        Self::start_with(width, height, &["--session"], true)
    }

    /// Starts a desktop with a Wayland compositor that fills the screen. The app runs in the compositor, where no X
    /// server is available. The tests send mouse and keyboard events and take screenshots through the X display in
    /// which the compositor is nested.
    ///
    /// # Errors
    /// Returns an error if a part of the desktop cannot be started.
    pub fn start_wayland(compositor: Compositor, width: u32, height: u32) -> Result<Self> {
        let mut desktop = Self::start(width, height)?;
        desktop.start_compositor(compositor)?;
        Ok(desktop)
    }

    fn start_compositor(&mut self, compositor: Compositor) -> Result<()> {
        let command = self.command(compositor.program_name());
        let started = compositor.start(command, self.size, self.scale, &self.home().join("run"))?;
        self.compositor = Some((compositor, started));
        Ok(())
    }

    /// Keeps a service outside the app running as long as the desktop. A service that was kept before is killed.
    pub(crate) fn keep_service(&self, service: HeadlessService) {
        *self.service.lock().unwrap_or_else(PoisonError::into_inner) = Some(service);
    }

    /// Returns whether a service outside the app is kept.
    pub(crate) fn has_service(&self) -> bool {
        self.service.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Sets the scale of the screen (device pixels per logical pixel) for programs that start afterwards.
    ///
    /// # Errors
    /// Returns an error if the compositor cannot be restarted.
    pub fn set_scale(&mut self, scale: u32) -> Result<()> {
        self.scale = scale;
        let Some((compositor, running)) = self.compositor.take() else { return Ok(()) };
        drop(running);
        for left in [wayland::SOCKET_NAME.to_owned(), format!("{}.lock", wayland::SOCKET_NAME)] {
            let _ = std::fs::remove_file(self.home().join("run").join(left));
        }
        self.start_compositor(compositor)
    }

    /// Starts a desktop whose session bus does not start services on demand.
    ///
    /// # Errors
    /// Returns an error if a part of the desktop cannot be started.
    pub fn start_without_bus_services(width: u32, height: u32) -> Result<Self> {
        let bare = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/bare-bus.conf");
        Self::start_with(width, height, &["--config-file", bare], false)
    }

    fn start_with(width: u32, height: u32, bus_arguments: &[&str], has_portal: bool) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("ul-keys-test-").tempdir()?;
        create_private_folder(&home.path().join("run"))?;
        if !has_portal {
            disable_bus_service(home.path(), "org.freedesktop.portal.Desktop")?;
            // Disable the document portal separately, because other programs request it as well. The document portal
            // mounts a file system in the home folder.
            disable_bus_service(home.path(), "org.freedesktop.portal.Documents")?;
        }

        let (x, display) = start_display((width, height), None)?;
        let mut bus = Child::spawn(
            Command::new("dbus-daemon")
                .args(bus_arguments)
                .args(["--nofork", "--print-address=1"])
                .env("XDG_RUNTIME_DIR", home.path().join("run"))
                .env("HOME", home.path())
                .env("DISPLAY", &display)
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        )?;
        let address = read_first_line(&mut bus)?;
        let window_manager = start_window_manager(&display, home.path())?;
        let desktop = Self {
            home,
            platform_folders: false,
            display,
            bus: address,
            size: (width, height),
            scale: 1,
            service: Mutex::default(),
            compositor: None,
            window_manager: Some(window_manager),
            _bus: bus,
            x: Some(x),
        };
        desktop.wait_for_window_manager()?;
        Ok(desktop)
    }

    /// Ends the display, which also ends all programs with a window on it.
    pub fn lose_display(&mut self) {
        self.window_manager = None;
        self.x = None;
    }

    /// Starts the display again, under the same name.
    ///
    /// # Errors
    /// Returns an error if the display cannot be started.
    pub fn restore_display(&mut self) -> Result<()> {
        let (x, _) = start_display(self.size, Some(&self.display))?;
        self.x = Some(x);
        self.window_manager = Some(start_window_manager(&self.display, self.home())?);
        self.wait_for_window_manager()
    }

    /// Waits until the window manager is running, because requests sent to it before that are lost.
    fn wait_for_window_manager(&self) -> Result<()> {
        wait_until_blocking("the window manager to start", || self.run("xdotool", &["get_desktop"]).is_ok())
    }

    /// Returns the home folder of this desktop.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Makes the app store its files in the platform's standard folders, as it does for most users, instead of in a
    /// single folder.
    pub fn use_platform_folders(mut self) -> Self {
        self.platform_folders = true;
        self
    }

    /// Returns the address of the session bus.
    pub fn bus_address(&self) -> &str {
        &self.bus
    }

    /// Returns the folder in which the app stores its files.
    pub fn data_folder(&self) -> PathBuf {
        self.home().join(if self.platform_folders { ".local/share/org.ulkeys.UlKeys" } else { "ul-keys" })
    }

    /// Returns the path of the app's settings file.
    pub fn settings_file(&self) -> PathBuf {
        match self.platform_folders {
            true => self.home().join(".config/org.ulkeys.UlKeys/settings.json"),
            false => self.data_folder().join("settings.json"),
        }
    }

    /// Changes a GTK setting for programs that start later, such as `gtk-enable-animations=0` for a user who prefers
    /// less motion, or `gtk-theme-name=HighContrast` for a user who prefers more contrast.
    ///
    /// # Errors
    /// Returns an error if the settings file cannot be written.
    pub fn set_gtk_setting(&self, setting: &str) -> Result<()> {
        let folder = self.home().join(".config/gtk-3.0");
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join("settings.ini"), format!("[Settings]\n{setting}\n"))?)
    }

    /// Returns a command that runs on this desktop as an English-speaking user.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let home = self.home();
        let mut command = Command::new(program);
        command
            .stdin(Stdio::null())
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home.join("run"))
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("LC_ALL", "C.UTF-8")
            .env("LANGUAGE", "en")
            // Under Xvfb, WebKit draws sooner and needs less memory without its DMA-BUF renderer.
            .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
            .env("TZ", "UTC");
        match self.platform_folders {
            true => command.env_remove("UL_KEYS_DATA_DIR"),
            false => command.env("UL_KEYS_DATA_DIR", self.data_folder()),
        };
        for variable in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "WAYLAND_DISPLAY"] {
            command.env_remove(variable);
        }
        for variable in ["ULTRALYTICS_API_KEY", "ULTRALYTICS_PLATFORM_URL", "YOLO_CONFIG_DIR"] {
            command.env_remove(variable);
        }
        command
    }

    /// Returns a command that runs a program in the desktop's session: in the Wayland compositor if there is one, or
    /// else directly on the X display.
    pub fn session_command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.command(program);
        if self.compositor.is_some() {
            command.env("WAYLAND_DISPLAY", wayland::SOCKET_NAME).env("GDK_BACKEND", "wayland").env_remove("DISPLAY");
        } else if self.scale != 1 {
            command.env("GDK_SCALE", self.scale.to_string());
        }
        command
    }

    /// Runs a program until it exits, and returns its output.
    ///
    /// # Errors
    /// Returns an error if the program cannot be run or fails. The error contains the program's standard error output.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        run_to_end(self.command(program), program, arguments)
    }

    /// Runs a program as [`Self::run`] does, but in the Wayland compositor if there is one.
    fn run_in_session(&self, program: &str, arguments: &[&str]) -> Result<String> {
        run_to_end(self.session_command(program), program, arguments)
    }

    /// Returns whether a Wayland compositor shows the windows. If so, tools for X11 cannot find them.
    pub fn is_wayland(&self) -> bool {
        self.compositor.is_some()
    }

    /// Returns whether the tests run as root. Only root can start the app as another user and read the memory of every
    /// process.
    ///
    /// # Errors
    /// Returns an error if the user ID cannot be read.
    pub fn is_root(&self) -> Result<bool> {
        Ok(self.run("id", &["-u"])?.trim() == "0")
    }

    /// Announces to all programs on the session bus that a screen saver was switched on or off. Sends the
    /// `ActiveChanged` signal of the D-Bus interface `interface`.
    ///
    /// # Errors
    /// Returns an error if the signal cannot be sent.
    pub fn announce_screen_saver(&self, interface: &str, active: bool) -> Result<()> {
        let (member, active) = (format!("{interface}.ActiveChanged"), format!("boolean:{active}"));
        self.run("dbus-send", &["--session", "--type=signal", "/ScreenSaver", &member, &active]).map(drop)
    }

    /// Simulates locking the screen: announces on the session bus that a screen saver is active, which programs
    /// interpret as a locked screen.
    ///
    /// # Errors
    /// Returns an error if the signal cannot be sent.
    pub fn lock_screen(&self) -> Result<()> {
        self.announce_screen_saver("org.freedesktop.ScreenSaver", true)
    }

    /// Returns the text that a paste would insert.
    ///
    /// # Errors
    /// Returns an error if the clipboard contains no text.
    pub fn read_clipboard(&self) -> Result<String> {
        if self.compositor.is_some() {
            // `wl-paste` takes the focus for a moment, because only a focused program can read the clipboard.
            return self.run_in_session("timeout", &["5", "wl-paste", "--no-newline"]);
        }
        // Without the timeout, `xclip` would wait forever if the clipboard's owner exited before answering.
        self.run("timeout", &["5", "xclip", "-selection", "clipboard", "-out"])
    }

    /// Uses up the display's remaining connections until the result is dropped. Existing connections stay open, but no
    /// program can open a new one.
    ///
    /// # Errors
    /// Returns an error if the display cannot be reached or still accepts connections.
    pub fn exhaust_display_connections(&self) -> Result<Vec<UnixStream>> {
        let socket = format!("/tmp/.X11-unix/X{}", self.display.trim_start_matches(':'));
        let taken = (0..512).map(|_| UnixStream::connect(&socket)).collect::<std::io::Result<_>>()?;
        wait_until_blocking("the display to run out of connections", || {
            self.run("xdotool", &["get_desktop"]).is_err()
        })?;
        Ok(taken)
    }

    /// Returns the data types that the clipboard offers.
    ///
    /// # Errors
    /// Returns an error if the clipboard is empty.
    pub fn read_clipboard_targets(&self) -> Result<String> {
        if self.compositor.is_some() {
            return self.run_in_session("timeout", &["5", "wl-paste", "--list-types"]);
        }
        self.run("xclip", &["-selection", "clipboard", "-out", "-target", "TARGETS"])
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        // A service that the app has left in the background ends with no other process.
        let Ok(sessions) = self.home().join("run/ul-keys").read_dir() else { return };
        for session in sessions.flatten() {
            let session = std::fs::read(session.path()).unwrap_or_default();
            let session: Value = serde_json::from_slice(&session).unwrap_or_default();
            if let (Some(pid), Some(true)) = (session["pid"].as_u64(), session["is_background"].as_bool()) {
                let _ = send_signal(u32::try_from(pid).unwrap_or_default(), "KILL");
            }
        }
    }
}

/// Starts an X display of this size in pixels, under a name such as `:5`, or under a free one. Returns its name.
fn start_display((width, height): (u32, u32), name: Option<&str>) -> Result<(Child, String)> {
    let mut command = Command::new("Xvfb");
    command
        .args(name)
        .args(["-noreset", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", &format!("{width}x{height}x24")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut x = Child::spawn(&mut command)?;
    let display = format!(":{}", read_first_line(&mut x)?);
    Ok((x, display))
}

fn start_window_manager(display: &str, home: &Path) -> Result<Child> {
    let mut command = Command::new("openbox");
    Child::spawn(command.env("DISPLAY", display).env("HOME", home).stdout(Stdio::null()).stderr(Stdio::null()))
}

fn run_to_end(mut command: Command, program: &str, arguments: &[&str]) -> Result<String> {
    let output = command.args(arguments).output().with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Prevents the session bus from starting a service that is installed on this machine.
fn disable_bus_service(home: &Path, name: &str) -> std::io::Result<()> {
    let folder = home.join(".local/share/dbus-1/services");
    std::fs::create_dir_all(&folder)?;
    let service = format!("[D-BUS Service]\nName={name}\nExec=/bin/false\n");
    std::fs::write(folder.join(format!("{name}.service")), service)
}

fn create_private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

fn read_first_line(child: &mut Child) -> Result<String> {
    let output = child.process().stdout.take().context("no standard output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    match line.trim() {
        "" => bail!("a process of the desktop exited immediately"),
        line => Ok(line.to_owned()),
    }
}
