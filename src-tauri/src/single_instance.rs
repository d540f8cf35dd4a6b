//! One app for each data folder. A lock in that folder decides whether one runs; the session bus only carries the
//! request to show its window.
//!
//! Any program may own a name on the bus, and an app on another display or in another session may have another bus. So
//! a name alone neither ends nor delays a start.

use std::fs::{File, TryLockError};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::file_problem::FileProblem;
use crate::paths::{self, Paths};

/// How long to try to reach another app, and how long its bus may take to answer.
const CONTACT_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// How this start stands to others.
pub(crate) enum InstanceClaim {
    /// The only one with this data folder. It stays so for as long as the file is open.
    Only(#[expect(dead_code, reason = "the file is the lock")] Option<File>),
    /// Another one runs, and has shown its window.
    Shown,
    /// Another one runs, and did not answer.
    Unreachable,
}

impl InstanceClaim {
    /// Finds out, and asks another app to show its window. Another one that has just started is not on the bus yet, and
    /// one that is quitting releases the lock soon: both have two seconds.
    pub(crate) fn claim(paths: &Paths) -> Self {
        let deadline = Instant::now() + CONTACT_TIMEOUT;
        loop {
            match try_lock_file(&paths.instance_lock) {
                Ok(Some(lock)) => return Self::Only(Some(lock)),
                Ok(None) => {}
                // The key database reports what is wrong with the folder or its locks, in the window.
                Err(error) => {
                    tracing::warn!(%error, "it is not known whether another app uses this data folder");
                    return Self::Only(None);
                }
            }
            if bus::show_running_app(&bus_name(paths), deadline.saturating_duration_since(Instant::now())) {
                return Self::Shown;
            }
            if Instant::now() >= deadline {
                return Self::Unreachable;
            }
            std::thread::sleep(RETRY_DELAY);
        }
    }

    /// Lets later starts show the window of this one. `None` where the name on the bus is taken by a program that is
    /// not this app: the plugin would wait for its answer forever.
    pub(crate) fn build_plugin(&self, paths: &Paths) -> Option<tauri::plugin::TauriPlugin<tauri::Wry>> {
        let name = bus_name(paths);
        let builder = tauri_plugin_single_instance::Builder::new()
            .callback(|app, _arguments, _folder| crate::window::focus_front_window(app))
            .dbus_id(&name);
        (matches!(self, Self::Only(_)) && !bus::is_name_taken(&name)).then(|| builder.build())
    }
}

/// The lock, or `None` where another app has it.
fn try_lock_file(path: &Path) -> std::io::Result<Option<File>> {
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(FileProblem::NotAFile.into());
    }
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The plugin adds `.SingleInstance` to it.
fn bus_name(paths: &Paths) -> String {
    let folder = paths.instance_lock.parent().unwrap_or(Path::new(""));
    if paths.is_default {
        return paths::APP_IDENTIFIER.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).hash(&mut hasher);
    format!("{}.d{:016x}", paths::APP_IDENTIFIER, hasher.finish())
}

#[cfg(target_os = "linux")]
mod bus {
    use std::time::Duration;

    use zbus::Connection;
    use zbus::fdo::DBusProxy;
    use zbus::names::BusName;

    use super::CONTACT_TIMEOUT;

    /// Of the plugin, which serves it.
    const PLUGIN_INTERFACE: &str = "org.SingleInstance.DBus";

    /// Asks the app that owns the name to show its window. Whether it did within the time.
    pub(super) fn show_running_app(name: &str, time: Duration) -> bool {
        let name = format!("{name}.SingleInstance");
        let path = format!("/{}", name.replace('.', "/").replace('-', "_"));
        let ask = async {
            let bus = Connection::session().await?;
            let arguments: (Vec<String>, &str) = (Vec::new(), "");
            bus.call_method(Some(name), path, Some(PLUGIN_INTERFACE), "ExecuteCallback", &arguments).await
        };
        let asked = tauri::async_runtime::block_on(async { tokio::time::timeout(time, ask).await });
        matches!(asked, Ok(Ok(_)))
    }

    /// Whether a program owns the name, or the bus does not answer.
    pub(super) fn is_name_taken(name: &str) -> bool {
        let name = format!("{name}.SingleInstance");
        let ask = async {
            let bus = Connection::session().await?;
            let name = BusName::try_from(name)?;
            Ok::<_, zbus::Error>(DBusProxy::new(&bus).await?.name_has_owner(name).await?)
        };
        let asked = tauri::async_runtime::block_on(async { tokio::time::timeout(CONTACT_TIMEOUT, ask).await });
        match asked {
            Ok(Ok(is_name_taken)) => is_name_taken,
            // Without a bus, the plugin does nothing.
            Ok(Err(_)) => false,
            Err(_) => {
                tracing::warn!("the session bus does not answer: a second start cannot show this window");
                true
            }
        }
    }
}

/// Elsewhere the plugin itself finds the other app.
#[cfg(not(target_os = "linux"))]
mod bus {
    pub(super) fn show_running_app(_name: &str, _time: std::time::Duration) -> bool {
        false
    }

    pub(super) fn is_name_taken(_name: &str) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_is_held_until_file_is_closed() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("app.lock");
        let first = try_lock_file(&path).expect("the folder is there").expect("free");
        assert!(try_lock_file(&path).expect("no error").is_none(), "held");
        drop(first);
        assert!(try_lock_file(&path).expect("no error").is_some(), "free again");
        assert!(try_lock_file(&folder.path().join("missing/app.lock")).is_err());
    }
}
