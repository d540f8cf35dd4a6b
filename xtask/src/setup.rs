//! Installing what a fresh Debian or Ubuntu machine lacks. Everything else goes below `target/tools`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};

use crate::shell::{RunExt, cargo, is_installed, npm, target_folder};

/// To build the app, and to open it where there is no display.
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
/// To drive the real window, in German too and with names in any script, with real keychains, on Wayland too, beside
/// clipboard managers and a desktop portal, a database shell and a reader of the accessibility bus, with a clock that
/// is wrong, with access control lists and on a disk without permissions, to run the published client, to reach
/// gateways over TLS and the service through a forwarded port.
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
    "socat",
    "sqlite3",
    "strace",
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
/// The published client of the platform (PyPI).
const UL_CLIENT_PACKAGE: &str = "ultralytics-platform==0.1.99";
/// What makes up requests from the OpenAPI document, and checks the answers (PyPI).
const SCHEMATHESIS_PACKAGE: &str = "schemathesis==4.32.5";
/// What most Python programs read a `.env` file with (PyPI).
const DOTENV_PACKAGE: &str = "python-dotenv==1.2.4";
/// Debian's gateways, each with a program that shows whether it is there. They need no libraries that the app does not.
const GATEWAY_PACKAGES: &[(&str, &str)] = &[("nginx", "usr/sbin/nginx"), ("caddy", "usr/bin/caddy")];

/// What `cargo xtask run` needs.
pub fn install_build_tools() -> Result<()> {
    install_packages(RUN_PACKAGES)?;
    install_node_packages("ui")
}

/// What `cargo xtask bench` needs beside the service: the program that it is compared with.
pub fn install_benchmark_tools() -> Result<()> {
    install_node_packages("tests/better-auth")
}

/// What `cargo xtask test` needs.
pub fn install_test_tools() -> Result<()> {
    install_packages(&[RUN_PACKAGES, TEST_PACKAGES].concat())?;
    install_node_packages("ui")?;
    install_node_packages("tests/node-clients")?;
    install_german_locale()?;
    install_python_environment("ul", &[UL_CLIENT_PACKAGE])?;
    install_python_environment("traefik", &["--require-hashes", "--requirement=tests/gateways/traefik.txt"])?;
    install_python_environment("resource-server", &["--requirement=tests/gateways/resource_server.txt"])?;
    install_python_environment("schemathesis", &[SCHEMATHESIS_PACKAGE])?;
    install_python_environment("dotenv", &[DOTENV_PACKAGE])?;
    install_python_environment("python-client", &["--requirement=tests/python-client/requirements.txt"])?;
    install_gateways()?;
    install_cargo_deny()
}

/// Where cargo-deny is.
pub fn cargo_deny_path() -> PathBuf {
    tools_folder().join("cargo-deny/bin/cargo-deny")
}

fn tools_folder() -> PathBuf {
    target_folder().join("tools")
}

/// Asks apt for packages that are missing.
pub fn install_packages(packages: &[&str]) -> Result<()> {
    if !is_installed("apt-get") {
        eprintln!("Not a Debian or Ubuntu machine: please install the equivalents of {}", packages.join(" "));
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

/// Installs what `folder`'s package-lock.json lists.
fn install_node_packages(folder: &str) -> Result<()> {
    if !is_installed("npm") {
        bail!("npm is missing: install Node.js 20.19 or newer");
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

/// Compiles a German locale for the tests, without making it the machine's.
fn install_german_locale() -> Result<()> {
    let locale = tools_folder().join("locale/de_DE.UTF-8");
    if locale.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(tools_folder().join("locale"))?;
    Command::new("localedef").args(["--inputfile=de_DE", "--charmap=UTF-8"]).arg(locale).run()
}

/// An environment of its own for what pip installs with these arguments.
pub fn install_python_environment(name: &str, arguments: &[&str]) -> Result<()> {
    let environment = tools_folder().join(name);
    let mark = environment.join("installed");
    // What a file of requirements holds counts, not its name.
    let mut wanted = arguments.join("\n");
    for file in arguments.iter().filter_map(|argument| argument.strip_prefix("--requirement=")) {
        wanted += &std::fs::read_to_string(file).with_context(|| format!("{file} cannot be read"))?;
    }
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment).run()?;
    let pip = environment.join("bin/pip");
    Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check"]).args(arguments).run()?;
    Ok(std::fs::write(mark, wanted)?)
}

/// Unpacks the gateways beside the other tools. Installing them would start them as services on this machine.
fn install_gateways() -> Result<()> {
    let folder = tools_folder().join("gateways");
    if !is_installed("apt-get") {
        eprintln!("Not a Debian or Ubuntu machine: please put nginx and caddy below {}", folder.display());
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
        // The name holds the version: nginx_1.22.1-9_amd64.deb.
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
    // Unoptimised, because it runs once for a minute of building saved.
    cargo(&["install", "cargo-deny", "--locked", "--debug", "--version", CARGO_DENY_VERSION, "--root"])
        .arg(&folder)
        .env("CARGO_TARGET_DIR", target_folder().join("tools/cargo-deny-build"))
        .run()?;
    Ok(std::fs::write(mark, "")?)
}
