//! Light or dark: what a person prefers, or what the system does.
//!
//! On Linux a desktop says so in two places. GNOME and KDE announce a color scheme through the desktop portal
//! (`org.freedesktop.appearance`), which GTK 3 does not read. A theme of GTK, or a setting of it, can be dark too.

use tauri::webview::Color;
use tauri::{AppHandle, Manager as _};

use crate::settings::Theme;
use crate::state::AppState;

/// The background that the page of a window has in light and in dark (`--page` and `--raised` of app.css), so that the window has
/// it before the page is painted.
const LIST: [Color; 2] = [Color(255, 255, 255, 255), Color(0x15, 0x17, 0x1c, 255)];
const KEY: [Color; 2] = [Color(255, 255, 255, 255), Color(0x20, 0x24, 0x2c, 255)];

/// The background that the page of the window with this label will have.
pub(super) fn background(app: &AppHandle, label: &str) -> Color {
    let [light, dark] = if super::key::is(label) { KEY } else { LIST };
    if is_dark(app) { dark } else { light }
}

/// Gives the windows the theme that a person prefers, or the system's. To be called on the main thread.
pub(super) fn follow(app: &AppHandle) {
    let chosen = preferred(app);
    #[cfg(target_os = "linux")]
    linux::set(chosen.or_else(|| portal::color_scheme(app)));
    for (label, window) in app.webview_windows() {
        let followed = window.set_background_color(Some(background(app, &label)));
        #[cfg(not(target_os = "linux"))]
        let followed = followed.and_then(|()| window.set_theme(chosen));
        if let Err(error) = followed {
            tracing::warn!(%error, "a window cannot change its theme");
        }
    }
}

/// `None` for the system's own.
fn preferred(app: &AppHandle) -> Option<tauri::Theme> {
    match app.state::<AppState>().settings.preferences().borrow().theme {
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    }
}

fn is_dark(app: &AppHandle) -> bool {
    match preferred(app) {
        Some(theme) => theme == tauri::Theme::Dark,
        #[cfg(target_os = "linux")]
        None => crate::display::on_main_thread(|answer| answer(linux::is_dark())).unwrap_or(false),
        #[cfg(not(target_os = "linux"))]
        None => super::list::find(app).is_some_and(|list| matches!(list.theme(), Ok(tauri::Theme::Dark))),
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use gtk::prelude::GtkSettingsExt as _;

    const PREFER_DARK: &str = "gtk-application-prefer-dark-theme";

    /// `None` leaves it to the settings of GTK, which may be dark by themselves.
    pub(super) fn set(theme: Option<tauri::Theme>) {
        let Some(settings) = gtk::Settings::default() else { return };
        match theme {
            Some(theme) => settings.set_gtk_application_prefer_dark_theme(theme == tauri::Theme::Dark),
            None => settings.reset_property(PREFER_DARK),
        }
    }

    /// Whether a page sees a dark system, by the rule of WebKitGTK (`PageClientImpl::effectiveAppearanceIsDark`).
    pub(super) fn is_dark() -> bool {
        let Some(settings) = gtk::Settings::default() else { return false };
        let is_dark = |name: &str, suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
        settings.is_gtk_application_prefer_dark_theme()
            || match std::env::var("GTK_THEME") {
                Ok(name) => is_dark(&name, &["-dark", "-Dark", ":dark"]),
                Err(_) => settings.gtk_theme_name().is_some_and(|name| is_dark(&name, &["-dark", "-Dark"])),
            }
    }
}

/// Follows the color scheme that the desktop portal announces. Runs until the app ends.
#[cfg(target_os = "linux")]
pub(crate) async fn follow_color_scheme(app: AppHandle) {
    if let Err(error) = portal::follow(&app).await {
        tracing::info!(%error, "the desktop portal announces no color scheme");
    }
}

/// Other systems tell each window.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn follow_color_scheme(_app: AppHandle) {}

/// Source: <https://flatpak.github.io/xdg-desktop-portal/docs/doc-org.freedesktop.portal.Settings.html>.
#[cfg(target_os = "linux")]
mod portal {
    use std::sync::{Mutex, PoisonError};

    use ashpd::desktop::settings::{ColorScheme, Settings};
    use ashpd::zbus::Connection;
    use ashpd::zbus::fdo::DBusProxy;
    use futures_util::StreamExt as _;
    use tauri::{AppHandle, Manager as _, Theme};

    use crate::desktop_portal;

    /// What was announced last. Part of the app's state.
    struct Announced(Mutex<Option<Theme>>);

    /// The announced color scheme; `None` when there is no preference, or no portal.
    pub(super) fn color_scheme(app: &AppHandle) -> Option<Theme> {
        *app.try_state::<Announced>()?.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn follow(app: &AppHandle) -> ashpd::Result<()> {
        app.manage(Announced(Mutex::default()));
        let bus = DBusProxy::new(&Connection::session().await?).await?;
        let mut owners = bus.receive_name_owner_changed_with_args(&[(0, desktop_portal::NAME)]).await?;
        let settings = Settings::new().await?;
        // Subscribed before it is read, so that no change in between is missed.
        let mut changes = settings.receive_color_scheme_changed().await?;
        loop {
            // Takes until a portal that hangs goes on or ends.
            if let Ok(scheme) = settings.color_scheme().await {
                announce(app, scheme);
            }
            // A portal that takes the place of another is read again.
            loop {
                tokio::select! {
                    Some(scheme) = changes.next() => announce(app, scheme),
                    Some(change) = owners.next() => {
                        if change.args().is_ok_and(|change| change.new_owner.is_some()) {
                            break;
                        }
                    }
                    else => return Ok(()),
                }
            }
        }
    }

    fn announce(app: &AppHandle, scheme: ColorScheme) {
        let theme = match scheme {
            ColorScheme::PreferDark => Some(Theme::Dark),
            ColorScheme::PreferLight => Some(Theme::Light),
            ColorScheme::NoPreference => None,
        };
        *app.state::<Announced>().0.lock().unwrap_or_else(PoisonError::into_inner) = theme;
        let windows = app.clone();
        if let Err(error) = app.run_on_main_thread(move || super::follow(&windows)) {
            tracing::warn!(%error, "the windows cannot follow the color scheme");
        }
    }
}
