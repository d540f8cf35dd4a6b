//! A virtual display with a window manager, a session bus and an empty home folder.

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process::Child;
use crate::wait::wait_until_blocking;
use crate::wayland::{self, Compositor};

/// One desktop. Everything in it ends when it is dropped.
pub struct Desktop {
    home: tempfile::TempDir,
    /// Whether the app keeps its files in the platform's folders instead of one of its own.
    platform_folders: bool,
    display: String,
    bus: String,
    size: (u32, u32),
    scale: u32,
    // Dropped in this order: the display last.
    compositor: Option<(Compositor, Child)>,
    _window_manager: Child,
    _bus: Child,
    _display: Child,
}

impl Desktop {
    /// A desktop with a screen of this many pixels.
    ///
    /// # Errors
    /// When a part of it cannot be started.
    pub fn start(width: u32, height: u32) -> Result<Self> {
        Self::start_with(width, height, &["--session"], false)
    }

    /// The same with a desktop portal, which announces settings such as the color scheme. Other desktops have none, as
    /// each would take time to start its own.
    ///
    /// # Errors
    /// When a part of it cannot be started.
    pub fn start_with_portal(width: u32, height: u32) -> Result<Self> {
        Self::start_with(width, height, &["--session"], true)
    }

    /// The same with a Wayland compositor that fills the screen. The app runs in it and finds no X server; the tests'
    /// mouse, keyboard and pictures reach it through the X display in which it is nested.
    ///
    /// # Errors
    /// When a part of it cannot be started.
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

    /// Sets the scale of the screen, for programs that start from now on: device pixels for each logical pixel.
    ///
    /// # Errors
    /// When the compositor cannot be started again.
    pub fn set_scale(&mut self, scale: u32) -> Result<()> {
        self.scale = scale;
        let Some((compositor, running)) = self.compositor.take() else { return Ok(()) };
        drop(running);
        for left in [wayland::SOCKET_NAME.to_owned(), format!("{}.lock", wayland::SOCKET_NAME)] {
            let _ = std::fs::remove_file(self.home().join("run").join(left));
        }
        self.start_compositor(compositor)
    }

    /// The same with a bus that starts no service by itself.
    ///
    /// # Errors
    /// When a part of it cannot be started.
    pub fn start_without_bus_services(width: u32, height: u32) -> Result<Self> {
        let bare = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/bare-bus.conf");
        Self::start_with(width, height, &["--config-file", bare], false)
    }

    fn start_with(width: u32, height: u32, bus_arguments: &[&str], has_portal: bool) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("ul-keys-test-").tempdir()?;
        create_private_folder(&home.path().join("run"))?;
        if !has_portal {
            disable_bus_service(home.path(), "org.freedesktop.portal.Desktop")?;
            // It mounts a file system in the home folder, and other programs ask for it, too.
            disable_bus_service(home.path(), "org.freedesktop.portal.Documents")?;
        }

        let mut x = Child::spawn(
            Command::new("Xvfb")
                .args([
                    "-noreset",
                    "-displayfd",
                    "1",
                    "-nolisten",
                    "tcp",
                    "-screen",
                    "0",
                    &format!("{width}x{height}x24"),
                ])
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        )?;
        let display = format!(":{}", read_first_line(&mut x)?);
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
        let window_manager = Child::spawn(
            Command::new("openbox")
                .env("DISPLAY", &display)
                .env("HOME", home.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        )?;
        let desktop = Self {
            home,
            platform_folders: false,
            display,
            bus: address,
            size: (width, height),
            scale: 1,
            compositor: None,
            _window_manager: window_manager,
            _bus: bus,
            _display: x,
        };
        desktop.wait_for_window_manager()?;
        Ok(desktop)
    }

    /// What is asked of the window manager before it is there is lost.
    fn wait_for_window_manager(&self) -> Result<()> {
        wait_until_blocking("the window manager", || self.run("xdotool", &["get_desktop"]).is_ok())
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The same desktop, on which the app keeps its files in the platform's folders, as for most people.
    pub fn use_platform_folders(self) -> Self {
        Self { platform_folders: true, ..self }
    }

    /// The address of the session bus.
    pub fn bus_address(&self) -> &str {
        &self.bus
    }

    /// The folder in which the app keeps its files.
    pub fn data_folder(&self) -> PathBuf {
        self.home().join(if self.platform_folders { ".local/share/org.ulkeys.UlKeys" } else { "ul-keys" })
    }

    /// The app's settings file.
    pub fn settings_file(&self) -> PathBuf {
        match self.platform_folders {
            true => self.home().join(".config/org.ulkeys.UlKeys/settings.json"),
            false => self.data_folder().join("settings.json"),
        }
    }

    /// Changes a setting of the desktop's toolkit, for programs that start later: `gtk-enable-animations=0` for a
    /// person who wants less motion, `gtk-theme-name=HighContrast` for one who wants more contrast.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_gtk_setting(&self, setting: &str) -> Result<()> {
        let folder = self.home().join(".config/gtk-3.0");
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join("settings.ini"), format!("[Settings]\n{setting}\n"))?)
    }

    /// A command that runs on this desktop, as a person who speaks English.
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
            // Under Xvfb this paints sooner and needs less memory.
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

    /// A command that runs a program as the desktop would start it: where there is a Wayland compositor, in that.
    pub fn session_command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.command(program);
        if self.compositor.is_some() {
            command.env("WAYLAND_DISPLAY", wayland::SOCKET_NAME).env("GDK_BACKEND", "wayland").env_remove("DISPLAY");
        } else if self.scale != 1 {
            command.env("GDK_SCALE", self.scale.to_string());
        }
        command
    }

    /// Runs a program to its end and returns what it printed.
    ///
    /// # Errors
    /// When it cannot be run or fails; the error holds its last words.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        run_to_end(self.command(program), program, arguments)
    }

    /// The same as the desktop would run it: where there is a Wayland compositor, in that.
    fn run_in_session(&self, program: &str, arguments: &[&str]) -> Result<String> {
        run_to_end(self.session_command(program), program, arguments)
    }

    /// Whether a Wayland compositor shows the windows, so that the X server knows none of them.
    pub fn is_wayland(&self) -> bool {
        self.compositor.is_some()
    }

    /// Whether the tests run as root, who may become another user and read every process.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn is_root(&self) -> Result<bool> {
        Ok(self.run("id", &["-u"])?.trim() == "0")
    }

    /// Tells everybody on the bus that a screen saver was switched on or off, as by this interface.
    ///
    /// # Errors
    /// When the bus refuses.
    pub fn announce_screen_saver(&self, interface: &str, active: bool) -> Result<()> {
        let (member, active) = (format!("{interface}.ActiveChanged"), format!("boolean:{active}"));
        self.run("dbus-send", &["--session", "--type=signal", "/ScreenSaver", &member, &active]).map(drop)
    }

    /// Locks the screen, as far as programs can tell.
    ///
    /// # Errors
    /// When the bus refuses.
    pub fn lock_screen(&self) -> Result<()> {
        self.announce_screen_saver("org.freedesktop.ScreenSaver", true)
    }

    /// What a paste would give.
    ///
    /// # Errors
    /// When the clipboard holds no text.
    pub fn read_clipboard(&self) -> Result<String> {
        if self.compositor.is_some() {
            // Takes the focus for a moment, as only a focused program may read.
            return self.run_in_session("timeout", &["5", "wl-paste", "--no-newline"]);
        }
        // An owner that ends before it answers would be waited for without end.
        self.run("timeout", &["5", "xclip", "-selection", "clipboard", "-out"])
    }

    /// Takes what is left of the display's connections, until the result is dropped: what is open stays, and
    /// no program gets another.
    ///
    /// # Errors
    /// When the display cannot be reached, or has room for more.
    pub fn exhaust_display_connections(&self) -> Result<Vec<UnixStream>> {
        let socket = format!("/tmp/.X11-unix/X{}", self.display.trim_start_matches(':'));
        let taken = (0..512).map(|_| UnixStream::connect(&socket)).collect::<std::io::Result<_>>()?;
        wait_until_blocking("a display without free connections", || self.run("xdotool", &["get_desktop"]).is_err())?;
        Ok(taken)
    }

    /// The kinds of data that the clipboard offers.
    ///
    /// # Errors
    /// When the clipboard is empty.
    pub fn read_clipboard_targets(&self) -> Result<String> {
        if self.compositor.is_some() {
            return self.run_in_session("timeout", &["5", "wl-paste", "--list-types"]);
        }
        self.run("xclip", &["-selection", "clipboard", "-out", "-target", "TARGETS"])
    }
}

fn run_to_end(mut command: Command, program: &str, arguments: &[&str]) -> Result<String> {
    let output = command.args(arguments).output().with_context(|| program.to_owned())?;
    if !output.status.success() {
        bail!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Keeps the bus of this home from starting a service that the machine has.
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
        "" => bail!("a part of the desktop ended at once"),
        line => Ok(line.to_owned()),
    }
}
