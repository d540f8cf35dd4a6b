//! Ensures that only one instance of the app runs per data folder. A lock file in the folder decides whether an
//! instance is running; the D-Bus session bus only carries the request to show the running instance's window.
//!
//! Any program can own a name on the bus, and an instance on another display or in another session can be on a
//! different bus. Therefore, an owned bus name alone neither prevents nor delays the app's start.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::time::{Duration, Instant};

use ulkeys_local::files::try_lock_file;
use ulkeys_local::paths::{self, Paths};

/// Maximum time for attempts to reach the running instance, and for the bus to answer.
const CONTACT_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Whether another instance of the app is running with the same data folder.
pub(crate) enum InstanceClaim {
    /// No other instance is running with this data folder. This instance holds its claim as long as the lock file is
    /// open.
    Only(#[expect(dead_code, reason = "the file is the lock")] Option<File>),
    /// Another instance is running and has shown its window.
    Shown,
    /// Another instance is running but did not answer.
    Unreachable,
}

impl InstanceClaim {
    /// Claims the data folder. If another instance is running, requests it to show its window. Retries for two seconds,
    /// because an instance that has just started is not on the bus yet, and one that is quitting releases the lock
    /// soon.
    pub(crate) fn claim(paths: &Paths) -> Self {
        let deadline = Instant::now() + CONTACT_TIMEOUT;
        loop {
            match try_lock_file(&paths.instance_lock) {
                Ok(Some(lock)) => return Self::Only(Some(lock)),
                Ok(None) => {}
                // If the folder is unusable or does not support locks, opening the key database fails too, and the
                // window shows the reason.
                Err(error) => {
                    tracing::warn!(%error, "could not determine whether another app uses this data folder");
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

    /// Creates the plugin through which later instances make this one show its window. Returns `None` if this instance
    /// does not hold the claim, or if another program owns the bus name: the plugin would wait forever for that
    /// program's answer.
    pub(crate) fn build_plugin(&self, paths: &Paths) -> Option<tauri::plugin::TauriPlugin<tauri::Wry>> {
        let name = bus_name(paths);
        let builder = tauri_plugin_single_instance::Builder::new()
            .callback(|app, _arguments, _folder| crate::window::focus_front_window(app))
            .dbus_id(&name);
        (matches!(self, Self::Only(_)) && !bus::is_name_taken(&name)).then(|| builder.build())
    }
}

/// Returns the bus name of the app instance that uses this data folder. The plugin appends `.SingleInstance` to the
/// name.
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

    /// The D-Bus interface that the plugin serves.
    const PLUGIN_INTERFACE: &str = "org.SingleInstance.DBus";

    /// Requests the instance that owns the bus name to show its window. Returns whether it answered in time.
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

    /// Returns whether a program owns the bus name. If the bus does not answer, the name counts as owned.
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
            // Without a bus, nothing owns the name, and the plugin does nothing.
            Ok(Err(_)) => false,
            Err(_) => {
                tracing::warn!("the session bus does not answer, so a second start cannot show this window");
                true
            }
        }
    }
}

/// On macOS and Windows, the plugin itself finds the running instance.
#[cfg(not(target_os = "linux"))]
mod bus {
    pub(super) fn show_running_app(_name: &str, _time: std::time::Duration) -> bool {
        false
    }

    pub(super) fn is_name_taken(_name: &str) -> bool {
        false
    }
}
