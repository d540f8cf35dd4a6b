//! Starts processes that are killed when the test ends, and inspects running processes.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result, bail};

/// A child process that is killed when this value is dropped.
pub struct Child(std::process::Child);

impl Child {
    /// Starts `command`.
    ///
    /// # Errors
    /// Returns an error that names the program if the program cannot be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.spawn().map(Self).with_context(|| format!("{name} cannot be started; run `cargo xtask setup`"))
    }

    /// Returns the standard library's handle to the process.
    pub fn process(&mut self) -> &mut std::process::Child {
        &mut self.0
    }
}

impl Child {
    /// Returns the process ID.
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

/// Returns the ID of a descendant of the process `parent` with this name. Does not read the environment or the path of
/// the executable, because a process that protects its memory hides them.
///
/// # Errors
/// Returns an error if there is no such process.
pub(crate) fn find_child_pid(parent: u32, name: &str) -> Result<u32> {
    let children = descendant_processes(parent)?.into_iter().find(|process| process.name == name);
    children.map(|process| process.pid).with_context(|| format!("{name} is not running"))
}

/// A process that a test has started, directly or through other processes.
#[derive(Debug, Clone)]
pub struct Process {
    /// ID of the process.
    pub pid: u32,
    /// Name of the process, which Linux truncates to 15 bytes.
    pub name: String,
}

/// Returns the running processes that a process has started, directly or through other processes.
///
/// # Errors
/// Returns an error if the processes cannot be listed.
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

/// Returns whether a process is running. A process that has exited does not count, even if it has not been reaped yet.
pub(crate) fn is_alive(pid: u32) -> bool {
    read_proc_stat(pid).is_some_and(|(_, state, _)| state != 'Z')
}

/// Returns the name, the state and the parent of a process.
fn read_proc_stat(pid: u32) -> Option<(String, char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (start, rest) = stat.rsplit_once(')')?;
    let (_, name) = start.split_once('(')?;
    let mut fields = rest.split_whitespace();
    Some((name.to_owned(), fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Sends a signal with the given name to a process.
///
/// # Errors
/// Returns an error if there is no such process.
pub fn send_signal(pid: u32, signal: &str) -> Result<()> {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status()?;
    if !status.success() {
        bail!("kill -s {signal} {pid}: {status}");
    }
    Ok(())
}

/// Returns a port that no program listens on and that neither another test nor the system will use. Each port is
/// returned only once, and all ports are below the range from which Linux assigns ports automatically (32768 and
/// above). The next higher port is never returned, because the app suggests that port to the user if its own port is in
/// use.
///
/// # Errors
/// Returns an error if no port is free.
pub fn free_port() -> Result<u16> {
    static PORTS_HANDED_OUT: AtomicU16 = AtomicU16::new(0);
    const PORT_RANGE: std::ops::Range<u16> = 20_000..32_000;
    // Test processes that run at the same time start their search at different ports.
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
