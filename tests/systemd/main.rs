//! Tests `ul-keys` in a bare Debian folder, and the systemd units of `packaging/systemd` under a real systemd, in a
//! container with the same folder. Run by `cargo xtask test --systemd`, because it needs root and downloads Debian.
//!
//! A unit that `systemd-analyze` accepts need not start: some sandbox options fail in a user manager, and others are
//! ignored there. Therefore, each check runs in a booted system.

mod bare_folder;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ulkeys_tests::{Child, cli_binary, descendant_processes, send_signal};

/// The address in the socket units.
const URL: &str = "http://127.0.0.1:8576";
/// The highest acceptable exposure (`systemd-analyze security`), from 0 (safe) to 10 (unsafe).
const MAX_USER_EXPOSURE: f64 = 1.5;
const MAX_SYSTEM_EXPOSURE: f64 = 1.0;
/// The number of times that each unit restarts under load.
const RESTARTS: usize = 5;

fn main() -> Result<()> {
    let root = std::env::args().nth(1).context("usage: systemd-units FOLDER, the root folder of a Debian system")?;
    let root = PathBuf::from(root);
    install(&root)?;
    bare_folder::check(&root)?;
    let container = Container::boot(&root)?;
    for unit in ["/usr/lib/systemd/system/ul-keys.service", "/usr/lib/systemd/system/ul-keys.socket"] {
        container.run(&format!("systemd-analyze verify --man=no {unit}"))?;
    }
    for manager in [Manager::User, Manager::System] {
        let checked = check(&container, &manager);
        let journal = container.run("journalctl --no-pager --lines 40");
        checked.with_context(|| journal.unwrap_or_else(|error| error.to_string()))?;
    }
    println!("The units passed all checks.");
    Ok(())
}

/// Copies the program and the units to their places in a package, and creates a user whose units start at boot.
fn install(root: &Path) -> Result<()> {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd");
    for (from, to) in [
        (cli_binary(), "usr/bin/ul-keys"),
        (packaging.join("user/ul-keys.service"), "usr/lib/systemd/user/ul-keys.service"),
        (packaging.join("user/ul-keys.socket"), "usr/lib/systemd/user/ul-keys.socket"),
        (packaging.join("system/ul-keys.service"), "usr/lib/systemd/system/ul-keys.service"),
        (packaging.join("system/ul-keys.socket"), "usr/lib/systemd/system/ul-keys.socket"),
    ] {
        let to = root.join(to);
        std::fs::create_dir_all(to.parent().context("a file name")?)?;
        std::fs::copy(&from, &to).with_context(|| from.display().to_string())?;
    }
    let mut add_user = Command::new("chroot");
    add_user.arg(root).args(["sh", "-c", "id ada >/dev/null 2>&1 || useradd --create-home ada"]);
    ensure!(add_user.status()?.success(), "the user was not created");
    // The data of an earlier run.
    for folder in ["home/ada/.local", "var/lib/private", "var/lib/ul-keys", "var/lib/ul-keys-revocations"] {
        let _ = std::fs::remove_dir_all(root.join(folder));
    }
    std::fs::create_dir_all(root.join("var/lib/systemd/linger"))?;
    Ok(std::fs::write(root.join("var/lib/systemd/linger/ada"), "")?)
}

/// A booted system. It is powered off when this value is dropped.
struct Container {
    leader: u32,
    _nspawn: Child,
}

impl Container {
    fn boot(root: &Path) -> Result<Self> {
        let mut nspawn = Command::new("systemd-nspawn");
        nspawn
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .args(["--register=no", "--keep-unit", "--private-network", "--boot", "--directory"])
            .arg(root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let nspawn = Child::spawn(&mut nspawn)?;
        let start = Instant::now();
        loop {
            let leader = descendant_processes(nspawn.pid())?.into_iter().find(|process| process.name == "systemd");
            if let Some(leader) = leader {
                let container = Self { leader: leader.pid, _nspawn: nspawn };
                container.wait_for("systemctl is-active --quiet user@1000.service", start)?;
                return Ok(container);
            }
            ensure!(start.elapsed() < Duration::from_secs(60), "systemd does not start in the container");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs a script as root, and returns its output.
    fn run(&self, script: &str) -> Result<String> {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.leader.to_string(), "--all", "--", "/bin/sh", "-ec", script]);
        let output = command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output()?;
        let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure!(output.status.success(), "{script}\n{}: {printed}", output.status);
        Ok(printed)
    }

    /// Repeats a script until it succeeds.
    fn wait_for(&self, script: &str, start: Instant) -> Result<()> {
        loop {
            match self.run(script) {
                Ok(_) => return Ok(()),
                Err(error) if start.elapsed() > Duration::from_secs(60) => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // All processes of the container end with its first process.
        let _ = send_signal(self.leader, "KILL");
    }
}

/// The manager that runs the unit.
enum Manager {
    User,
    System,
}

impl Manager {
    /// Returns a script that calls systemctl or another program with the options for this manager.
    fn call(&self, command: &str) -> String {
        match self {
            Self::System => command.to_owned(),
            Self::User => {
                let (program, arguments) = command.split_once(' ').unwrap_or((command, ""));
                format!(
                    "setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=/home/ada XDG_RUNTIME_DIR=/run/user/1000 \
                     {program} --user {arguments}"
                )
            }
        }
    }

    fn session_file(&self) -> &'static str {
        match self {
            Self::User => "/run/user/1000/ul-keys/*.json",
            Self::System => "/var/lib/private/ul-keys/session.json",
        }
    }

    fn max_exposure(&self) -> f64 {
        match self {
            Self::User => MAX_USER_EXPOSURE,
            Self::System => MAX_SYSTEM_EXPOSURE,
        }
    }
}

/// Checks that the unit starts at the first connection, keeps keys over restarts, and rejects nobody while it restarts.
fn check(container: &Container, manager: &Manager) -> Result<()> {
    let name = match manager {
        Manager::User => "user unit",
        Manager::System => "system unit",
    };
    container.run(&manager.call("systemctl start ul-keys.socket"))?;
    let health = container.run(&format!("curl -sS --fail {URL}/healthz"))?;
    ensure!(health.contains("ok"), "{name}: {health}");
    container.run(&manager.call("systemctl is-active ul-keys.service"))?;

    let exposure = container.run(&manager.call("systemd-analyze security --no-pager ul-keys.service"))?;
    let exposure = exposure.lines().rfind(|line| line.contains("Overall exposure level")).context("no exposure")?;
    let level: f64 = exposure
        .split_whitespace()
        .find_map(|word| word.parse().ok())
        .with_context(|| format!("no number: {exposure}"))?;
    ensure!(level <= manager.max_exposure(), "{name}: {exposure}");

    let create = format!(
        "token=$(sed 's/.*\"session\":\"\\([^\"]*\\).*/\\1/' {})
         curl -sS --fail {URL}/api/api-keys -H \"Authorization: Bearer $token\" -H 'Content-Type: application/json' \
             -d '{{\"name\": \"unit\", \"scopes\": [\"read\"]}}' | sed 's/.*\"key\":\"\\([^\"]*\\).*/\\1/'",
        manager.session_file()
    );
    let key = container.run(&create)?.trim().to_owned();
    ensure!(key.starts_with("ul_"), "{name}: no key was created");

    let stop_file = "/run/load-ends";
    let load = format!(
        "rm -f {stop_file}; sent=0; while [ ! -e {stop_file} ]; do
             curl -sS --fail -o /dev/null {URL}/api/account/summary -H 'Authorization: Bearer {key}'; sent=$((sent + 1))
         done; echo $sent"
    );
    let sent = std::thread::scope(|scope| {
        let load = scope.spawn(|| container.run(&load));
        let restarted = (0..RESTARTS).try_for_each(|_| {
            std::thread::sleep(Duration::from_millis(500));
            container.run(&manager.call("systemctl restart ul-keys.service")).map(drop)
        });
        std::thread::sleep(Duration::from_millis(500));
        container.run(&format!("touch {stop_file}"))?;
        let sent = load.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        restarted?;
        sent.trim().parse::<usize>().context(sent)
    })?;
    ensure!(sent > RESTARTS, "{name}: only {sent} requests");

    // systemd restarts a service that was killed.
    container.run(&manager.call("systemctl kill --signal KILL ul-keys.service"))?;
    container.run(&format!("curl -sS --fail --retry 3 {URL}/api/account/summary -H 'Authorization: Bearer {key}'"))?;
    container.run(&manager.call(match manager {
        // A user manager cannot run ExecReload= in the sandbox.
        Manager::User => "systemctl kill --signal HUP ul-keys.service",
        Manager::System => "systemctl reload ul-keys.service",
    }))?;
    let reloaded = "until journalctl --no-pager | grep -q 'reloaded the limits'; do sleep 0.1; done";
    container.run(&format!("timeout 10 sh -c \"{reloaded}\" && journalctl --rotate --vacuum-time 1s"))?;
    container.run(&manager.call("systemctl stop ul-keys.socket ul-keys.service"))?;
    println!("{name}: {sent} requests over {RESTARTS} restarts, none rejected; {}", exposure.trim());
    Ok(())
}
