//! Keeps GTK from waiting for the desktop portal before there is a window.
//!
//! In the startup of each application, GTK 3 connects to the portal's `Inhibit` interface, by which a program may delay
//! the end of the session (`gtk_application_impl_dbus_startup`). It waits on the main thread, for up to 25 s if the
//! portal hangs. The app has no use for it, and asks the portal the rest without waiting (`window/theme.rs`).

use gtk::gio;
use gtk::glib::variant::{ToVariant as _, Variant};

/// The portal's name on the session bus.
pub(crate) const NAME: &str = "org.freedesktop.portal.Desktop";
/// A name that no program owns or provides.
const UNKNOWN: &str = "org.ulkeys.UlKeys.Unknown";

/// Starts GTK by `start`. The bus then tells it that there is no portal.
pub(crate) fn hidden_while<T>(start: impl FnOnce() -> T) -> T {
    // The connection that GTK shares; without a bus, it does not look for a portal.
    let Ok(bus) = gio::bus_get_sync(gio::BusType::Session, gio::Cancellable::NONE) else {
        return start();
    };
    let filter = bus.add_filter(|_, message, is_incoming| {
        let replaced = if is_incoming { None } else { without_portal(message) };
        Some(replaced.unwrap_or_else(|| message.clone()))
    });
    let started = start();
    bus.remove_filter(filter);
    started
}

/// The same question to the bus about [`UNKNOWN`], if the portal is to be started or found.
fn without_portal(message: &gio::DBusMessage) -> Option<gio::DBusMessage> {
    if !matches!(message.member()?.as_str(), "StartServiceByName" | "GetNameOwner") || message.arg0()? != NAME {
        return None;
    }
    let arguments = std::iter::once(UNKNOWN.to_variant()).chain(message.body()?.iter().skip(1));
    let replaced = message.copy().ok()?;
    replaced.set_body(&Variant::tuple_from_iter(arguments));
    Some(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(member: &str, body: &Variant) -> Option<Variant> {
        let bus = "org.freedesktop.DBus";
        let message = gio::DBusMessage::new_method_call(Some(bus), "/org/freedesktop/DBus", Some(bus), member);
        message.set_body(body);
        without_portal(&message).and_then(|message| message.body())
    }

    #[test]
    fn bus_is_asked_about_an_unknown_name_instead_of_the_portal() {
        assert_eq!(asked("StartServiceByName", &(NAME, 0u32).to_variant()), Some((UNKNOWN, 0u32).to_variant()));
        assert_eq!(asked("GetNameOwner", &(NAME,).to_variant()), Some((UNKNOWN,).to_variant()));
        assert_eq!(asked("GetNameOwner", &("org.a11y.Bus",).to_variant()), None);
        assert_eq!(asked("AddMatch", &(NAME,).to_variant()), None);
        assert_eq!(asked("GetNameOwner", &().to_variant()), None);
    }
}
