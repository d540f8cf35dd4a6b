//! Programs that end when the test does.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result, bail};

/// A child process that is killed when it is dropped.
pub struct Child(std::process::Child);

impl Child {
    /// Starts `command`.
    ///
    /// # Errors
    /// When the program cannot be started; the error names it.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.spawn().map(Self).with_context(|| format!("{name} cannot be started; run `cargo xtask setup`"))
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut std::process::Child {
        &mut self.0
    }
}

impl Child {
    /// Process number.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The child of a process that has this name. A process that hides its memory hides its environment and its program,
/// but neither its name nor its parent.
///
/// # Errors
/// When there is none.
pub(crate) fn find_child_pid(parent: u32, name: &str) -> Result<u32> {
    let children = descendant_processes(parent)?.into_iter().find(|process| process.name == name);
    children.map(|process| process.pid).with_context(|| format!("{name} does not run"))
}

/// A process that some test started.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The first 15 bytes of its name.
    pub name: String,
}

/// All processes that a process has started and that run, and those that they have started.
///
/// # Errors
/// When they cannot be listed.
pub fn descendant_processes(of: u32) -> Result<Vec<Process>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if let Some((name, _, parent)) = read_proc_stat(pid).filter(|(_, state, _)| *state != 'Z') {
            all.push((parent, Process { pid, name }));
        }
    }
    let mut family = vec![of];
    let mut found = Vec::new();
    while let Some(parent) = family.pop() {
        let children = all.iter().filter(|(of, _)| *of == parent).map(|(_, process)| process.clone());
        for child in children.collect::<Vec<_>>() {
            family.push(child.pid);
            found.push(child);
        }
    }
    Ok(found)
}

/// A process that runs; one that has ended but was not yet collected does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    read_proc_stat(pid).is_some_and(|(_, state, _)| state != 'Z')
}

/// Name, state and parent of a process.
fn read_proc_stat(pid: u32) -> Option<(String, char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (start, rest) = stat.rsplit_once(')')?;
    let (_, name) = start.split_once('(')?;
    let mut fields = rest.split_whitespace();
    Some((name.to_owned(), fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Sends a signal to a process, by name.
///
/// # Errors
/// When there is no such process.
pub fn send_signal(pid: u32, signal: &str) -> Result<()> {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status()?;
    if !status.success() {
        bail!("kill -s {signal} {pid}: {status}");
    }
    Ok(())
}

/// A port that nobody listens on, and that neither another test nor the system gives away: each is handed out once, and
/// all lie below the range from which Linux takes ports by itself (32768 and above). The next one is never handed out:
/// it is what an app offers whose own port is taken.
///
/// # Errors
/// When none is left.
pub fn free_port() -> Result<u16> {
    static PORTS_HANDED_OUT: AtomicU16 = AtomicU16::new(0);
    const PORT_RANGE: std::ops::Range<u16> = 20_000..32_000;
    // Two runs side by side begin apart from one another.
    let count = (PORT_RANGE.end - PORT_RANGE.start) / 2;
    let start = u16::try_from(std::process::id() * 61 % u32::from(count))?;
    for _ in 0..count {
        let next = start.wrapping_add(PORTS_HANDED_OUT.fetch_add(1, Ordering::Relaxed));
        let port = PORT_RANGE.start + 2 * (next % count);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}
