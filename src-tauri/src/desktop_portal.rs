//! Prevents GTK from blocking on the desktop portal before the first window opens.
//!
//! When an application starts, GTK 3 connects to the portal's `Inhibit` interface
//! (`gtk_application_impl_dbus_startup`), which lets a program delay the end of the session. The call blocks the main
//! thread, for up to 25 s if the portal hangs. The app does not use this interface, and makes its other portal requests
//! asynchronously (`window/theme.rs`).

use gtk::gio;
use gtk::glib::variant::{ToVariant as _, Variant};

/// The portal's name on the session bus.
pub(crate) const PORTAL_BUS_NAME: &str = "org.freedesktop.portal.Desktop";
/// A bus name that no program owns, and for which the bus cannot start a program.
const ABSENT_BUS_NAME: &str = "org.ulkeys.UlKeys.Unknown";

/// Calls `start`, which initializes GTK, while the bus reports that there is no portal.
pub(crate) fn with_portal_hidden<T>(start: impl FnOnce() -> T) -> T {
    // GTK uses this bus connection too, so its requests also pass through the filter below. Without a session bus, GTK
    // does not look for a portal.
    let Ok(bus) = gio::bus_get_sync(gio::BusType::Session, gio::Cancellable::NONE) else {
        return start();
    };
    let filter = bus.add_filter(|_, message, is_incoming| {
        let replaced = if is_incoming { None } else { redirect_portal_query(message) };
        Some(replaced.unwrap_or_else(|| message.clone()))
    });
    let started = start();
    bus.remove_filter(filter);
    started
}

/// In a request that looks up or starts the portal, replaces the portal's name with [`ABSENT_BUS_NAME`]. Returns `None`
/// for any other message.
fn redirect_portal_query(message: &gio::DBusMessage) -> Option<gio::DBusMessage> {
    if !matches!(message.member()?.as_str(), "StartServiceByName" | "GetNameOwner")
        || message.arg0()? != PORTAL_BUS_NAME
    {
        return None;
    }
    let arguments = std::iter::once(ABSENT_BUS_NAME.to_variant()).chain(message.body()?.iter().skip(1));
    let replaced = message.copy().ok()?;
    replaced.set_body(&Variant::tuple_from_iter(arguments));
    Some(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirected_body(member: &str, body: &Variant) -> Option<Variant> {
        let bus = "org.freedesktop.DBus";
        let message = gio::DBusMessage::new_method_call(Some(bus), "/org/freedesktop/DBus", Some(bus), member);
        message.set_body(body);
        redirect_portal_query(&message).and_then(|message| message.body())
    }

    #[test]
    fn portal_query_is_redirected_to_absent_name() {
        assert_eq!(
            redirected_body("StartServiceByName", &(PORTAL_BUS_NAME, 0u32).to_variant()),
            Some((ABSENT_BUS_NAME, 0u32).to_variant())
        );
        assert_eq!(
            redirected_body("GetNameOwner", &(PORTAL_BUS_NAME,).to_variant()),
            Some((ABSENT_BUS_NAME,).to_variant())
        );
        assert_eq!(redirected_body("GetNameOwner", &("org.a11y.Bus",).to_variant()), None);
        assert_eq!(redirected_body("AddMatch", &(PORTAL_BUS_NAME,).to_variant()), None);
        assert_eq!(redirected_body("GetNameOwner", &().to_variant()), None);
    }
}
