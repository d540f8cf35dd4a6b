//! Installs missing dependencies: system packages with apt on Debian and Ubuntu, and all other tools in `target/tools`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::shell::{RunExt, cargo, is_installed, npm, target_folder};

/// System packages for building the app, and for opening it on a machine without a display.
const RUN_PACKAGES: &[&str] = &[
    "build-essential",
    "pkg-config",
    "libwebkit2gtk-4.1-dev",
    "librsvg2-dev",
    "at-spi2-core",
    "dbus",
    "fonts-dejavu-core",
    "fonts-noto-core",
    "imagemagick",
    "openbox",
    "xdotool",
    "xvfb",
];
/// System packages for the tests. Among other things, they provide:
/// - WebDriver, fonts and locales
/// - keychains and clipboard managers
/// - Wayland compositors, a desktop portal and desktop settings
/// - tools that control windows and read the clipboard and the accessibility bus
/// - a database shell, a system call tracer and a fake clock
/// - access control lists, and a file system that ignores permissions
/// - Python for the published client, and for openbox's implementation of autostart
/// - TLS and port forwarding for the gateway tests
const TEST_PACKAGES: &[&str] = &[
    "acl",
    "bindfs",
    "curl",
    "dconf-gsettings-backend",
    "diodon",
    "faketime",
    "fonts-droid-fallback",
    "fonts-noto-color-emoji",
    "gcr",
    "gir1.2-atspi-2.0",
    "git",
    "gnome-keyring",
    "keepassxc",
    "libglib2.0-bin",
    "libsecret-tools",
    "locales",
    "mutter",
    "openssl",
    "parcellite",
    "python3-gi",
    "python3-venv",
    "python3-xdg",
    "socat",
    "sqlite3",
    "strace",
    "systemd",
    "webkit2gtk-driver",
    "weston",
    "wget",
    "wl-clipboard",
    "wmctrl",
    "x11-utils",
    "xclip",
    "xdg-desktop-portal-gtk",
];

const CARGO_DENY_VERSION: &str = "0.20.2";
/// The platform's published Python client, from PyPI.
const UL_CLIENT_PACKAGE: &str = "ultralytics-platform==0.1.99";
/// A tool from PyPI that generates requests from the OpenAPI document and checks the responses.
const SCHEMATHESIS_PACKAGE: &str = "schemathesis==4.32.5";
/// The PyPI library that most Python programs use to read `.env` files.
const DOTENV_PACKAGE: &str = "python-dotenv==1.2.4";
/// Debian packages of gateways. An existing executable at the given path shows that the package is already unpacked.
/// The gateways need no library beyond those that the app needs, so unpacking them is sufficient.
const GATEWAY_PACKAGES: &[(&str, &str)] = &[("nginx", "usr/sbin/nginx"), ("caddy", "usr/bin/caddy")];

/// The release of Debian in which the systemd units are tested.
const DEBIAN_RELEASE: &str = "bookworm";
const DEBIAN_ROOT_PACKAGES: &str = "--include=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,curl";

/// Installs the dependencies of `cargo xtask run`.
pub fn install_build_tools() -> Result<()> {
    install_packages(RUN_PACKAGES)?;
    install_node_packages("ui")
}

/// Installs better-auth and nginx, which `cargo xtask bench` compares the service against.
pub fn install_benchmark_tools() -> Result<()> {
    install_node_packages("tests/better-auth")?;
    install_gateways()
}

/// Installs the dependencies of `cargo xtask test`.
pub fn install_test_tools() -> Result<()> {
    install_packages(&[RUN_PACKAGES, TEST_PACKAGES].concat())?;
    // Compiling cargo-deny takes as long as all downloads together.
    let cargo_deny = std::thread::spawn(install_cargo_deny);
    install_downloaded_tools()?;
    cargo_deny.join().map_err(|_| anyhow!("the thread that installs cargo-deny panicked"))?
}

fn install_downloaded_tools() -> Result<()> {
    install_node_packages("ui")?;
    install_node_packages("tests/node-clients")?;
    install_german_locale()?;
    install_python_environment("ul", &[UL_CLIENT_PACKAGE])?;
    install_python_environment("traefik", &["--require-hashes", "--requirement=tests/gateways/traefik.txt"])?;
    install_python_environment("resource-server", &["--requirement=tests/gateways/resource_server.txt"])?;
    install_python_environment("schemathesis", &[SCHEMATHESIS_PACKAGE])?;
    install_python_environment("dotenv", &[DOTENV_PACKAGE])?;
    install_python_environment("python-client", &["--requirement=tests/python-client/requirements.txt"])?;
    install_spelling_checker()?;
    install_gateways()
}

/// Installs a minimal Debian with systemd in a folder, and the tools that boot it. Returns the folder.
pub fn install_debian_root() -> Result<PathBuf> {
    install_packages(&["debootstrap", "systemd-container"])?;
    let root = tools_folder().join("debian");
    // This file is created last.
    let complete = root.join("complete");
    if !complete.exists() {
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root)?;
        Command::new("debootstrap")
            .args(["--variant=minbase", DEBIAN_ROOT_PACKAGES, DEBIAN_RELEASE])
            .arg(&root)
            .run()?;
        std::fs::write(complete, "")?;
    }
    Ok(std::path::absolute(root)?)
}

/// Installs typos, the spelling checker used by `cargo xtask tidy`.
pub fn install_spelling_checker() -> Result<()> {
    install_python_environment("typos", &["--require-hashes", "--requirement=xtask/src/typos.txt"])
}

/// Returns the path of the typos executable.
pub fn typos_path() -> PathBuf {
    tools_folder().join("typos/bin/typos")
}

/// Returns the path of the cargo-deny executable.
pub fn cargo_deny_path() -> PathBuf {
    tools_folder().join("cargo-deny/bin/cargo-deny")
}

fn tools_folder() -> PathBuf {
    target_folder().join("tools")
}

/// Installs missing packages with apt. On other systems, prints which packages are needed.
pub fn install_packages(packages: &[&str]) -> Result<()> {
    if !is_installed("apt-get") {
        eprintln!(
            "This is not a Debian or Ubuntu system. Install the equivalents of these packages: {}",
            packages.join(" ")
        );
        return Ok(());
    }
    let missing: Vec<_> = packages.iter().filter(|package| !is_package_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    command_as_root("apt-get").arg("update").run()?;
    command_as_root("apt-get").args(["install", "--yes", "--no-install-recommends"]).args(missing).run()
}

fn is_package_installed(package: &str) -> bool {
    let query =
        Command::new("dpkg-query").args(["--show", "--showformat=${Status}", package]).stderr(Stdio::null()).output();
    query.is_ok_and(|output| output.stdout.ends_with(b"ok installed"))
}

fn command_as_root(program: &str) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    command.args(["DEBIAN_FRONTEND=noninteractive", program]);
    command
}

/// Installs the Node.js packages in the `package-lock.json` of `folder`.
fn install_node_packages(folder: &str) -> Result<()> {
    if !is_installed("npm") {
        bail!("npm is not installed: install Node.js 20.19 or newer");
    }
    if is_newer(format!("{folder}/node_modules/.package-lock.json"), format!("{folder}/package-lock.json")) {
        return Ok(());
    }
    npm(folder, &["ci", "--no-audit", "--no-fund"]).run()
}

fn is_newer(made: impl AsRef<Path>, from: impl AsRef<Path>) -> bool {
    let time = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    time(made.as_ref()) > time(from.as_ref())
}

/// Compiles a German locale for the tests, without installing it on the system.
fn install_german_locale() -> Result<()> {
    let locale = tools_folder().join("locale/de_DE.UTF-8");
    if locale.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(tools_folder().join("locale"))?;
    Command::new("localedef").args(["--inputfile=de_DE", "--charmap=UTF-8"]).arg(locale).run()
}

/// Creates a Python virtual environment, and installs packages in it by running `pip install` with `arguments`.
pub fn install_python_environment(name: &str, arguments: &[&str]) -> Result<()> {
    let environment = tools_folder().join(name);
    let mark = environment.join("installed");
    // Requirements files are compared by their content, because the content can change while the name remains the same.
    let mut wanted = arguments.join("\n");
    for file in arguments.iter().filter_map(|argument| argument.strip_prefix("--requirement=")) {
        wanted += &std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    }
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment).run()?;
    let pip = environment.join("bin/pip");
    Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check"]).args(arguments).run()?;
    Ok(std::fs::write(mark, wanted)?)
}

/// Unpacks the gateways in the tools folder. If apt installed them, it would also start them as services.
fn install_gateways() -> Result<()> {
    let folder = tools_folder().join("gateways");
    if !is_installed("apt-get") {
        eprintln!(
            "This is not a Debian or Ubuntu system. Put usr/sbin/nginx and usr/bin/caddy into {}",
            folder.display()
        );
        return Ok(());
    }
    let missing: Vec<_> = GATEWAY_PACKAGES.iter().filter(|(_, program)| !folder.join(program).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(&folder)?;
    command_as_root("apt-get").arg("update").run()?;
    for (package, _) in missing {
        Command::new("apt-get").args(["download", package]).current_dir(&folder).run()?;
        // The file name contains the version: `nginx_1.22.1-9_amd64.deb`.
        let prefix = format!("{package}_");
        let archives = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.path());
        for archive in archives
            .filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(prefix.as_bytes())))
        {
            Command::new("dpkg").arg("--extract").arg(&archive).arg(&folder).run()?;
            std::fs::remove_file(archive)?;
        }
    }
    Ok(())
}

fn install_cargo_deny() -> Result<()> {
    let folder = tools_folder().join("cargo-deny");
    let mark = folder.join(CARGO_DENY_VERSION);
    if mark.exists() {
        return Ok(());
    }
    // A debug build is sufficient, because cargo-deny runs only briefly. An optimized build would take a minute longer.
    cargo(&["install", "cargo-deny", "--locked", "--debug", "--version", CARGO_DENY_VERSION, "--root"])
        .arg(&folder)
        .env("CARGO_TARGET_DIR", target_folder().join("tools/cargo-deny-build"))
        .run()?;
    Ok(std::fs::write(mark, "")?)
}
