//! Light or dark: what a person prefers, or what the system does.
//!
//! On Linux a desktop says so in two places. GNOME and KDE announce a color scheme through the desktop portal
//! (`org.freedesktop.appearance`), which GTK 3 does not read. A theme of GTK, or a setting of it, can be dark too.

use tauri::webview::Color;
use tauri::{AppHandle, Manager as _};

use crate::settings::Theme;
use crate::state::AppState;

/// The background that the page of a window has in light and in dark (`--page` and `--raised` of app.css), so that the
/// window has it before the page is painted.
const LIST_BACKGROUNDS: [Color; 2] = [Color(255, 255, 255, 255), Color(0x15, 0x17, 0x1c, 255)];
const ONE_TIME_BACKGROUNDS: [Color; 2] = [Color(255, 255, 255, 255), Color(0x20, 0x24, 0x2c, 255)];

/// The background that the page of the window with this label will have.
pub(super) fn page_background(app: &AppHandle, label: &str) -> Color {
    let [light, dark] =
        if super::one_time_window::is_one_time_label(label) { ONE_TIME_BACKGROUNDS } else { LIST_BACKGROUNDS };
    if is_theme_dark(app) { dark } else { light }
}

/// Applies the theme that a person prefers, or the system's, to the windows. To be called on the main thread.
pub(super) fn apply_theme(app: &AppHandle) {
    let chosen = preferred_theme(app);
    #[cfg(target_os = "linux")]
    linux::set_gtk_theme(chosen.or_else(|| portal::portal_theme(app)));
    for (label, window) in app.webview_windows() {
        let followed = window.set_background_color(Some(page_background(app, &label)));
        #[cfg(not(target_os = "linux"))]
        let followed = followed.and_then(|()| window.set_theme(chosen));
        if let Err(error) = followed {
            tracing::warn!(%error, "a window cannot change its theme");
        }
    }
}

/// `None` for the system's own.
fn preferred_theme(app: &AppHandle) -> Option<tauri::Theme> {
    match app.state::<AppState>().settings.subscribe_preferences().borrow().theme {
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    }
}

fn is_theme_dark(app: &AppHandle) -> bool {
    match preferred_theme(app) {
        Some(theme) => theme == tauri::Theme::Dark,
        #[cfg(target_os = "linux")]
        None => crate::display::run_on_main_thread(|answer| answer(linux::is_gtk_dark())).unwrap_or(false),
        #[cfg(not(target_os = "linux"))]
        None => super::list_window::find_window(app).is_some_and(|list| matches!(list.theme(), Ok(tauri::Theme::Dark))),
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use gtk::prelude::GtkSettingsExt as _;

    const PREFER_DARK_PROPERTY: &str = "gtk-application-prefer-dark-theme";

    /// `None` leaves it to the settings of GTK, which may be dark by themselves.
    pub(super) fn set_gtk_theme(theme: Option<tauri::Theme>) {
        let Some(settings) = gtk::Settings::default() else { return };
        match theme {
            Some(theme) => settings.set_gtk_application_prefer_dark_theme(theme == tauri::Theme::Dark),
            None => settings.reset_property(PREFER_DARK_PROPERTY),
        }
    }

    /// Whether a page sees a dark system, by the rule of WebKitGTK (`PageClientImpl::effectiveAppearanceIsDark`).
    pub(super) fn is_gtk_dark() -> bool {
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
pub(crate) async fn watch_color_scheme(app: AppHandle) {
    if let Err(error) = portal::watch_portal(&app).await {
        tracing::info!(%error, "the desktop portal announces no color scheme");
    }
}

/// Other systems tell each window.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn watch_color_scheme(_app: AppHandle) {}

/// Source: <https://flatpak.github.io/xdg-desktop-portal/docs/doc-org.freedesktop.portal.Settings.html>.
#[cfg(target_os = "linux")]
mod portal {

    use ashpd::desktop::settings::{ColorScheme, Settings};
    use ashpd::zbus::Connection;
    use ashpd::zbus::fdo::DBusProxy;
    use futures_util::StreamExt as _;
    use parking_lot::Mutex;
    use tauri::{AppHandle, Manager as _, Theme};

    use crate::desktop_portal;

    /// What was announced last. Part of the app's state.
    struct PortalTheme(Mutex<Option<Theme>>);

    /// The announced color scheme; `None` when there is no preference, or no portal.
    pub(super) fn portal_theme(app: &AppHandle) -> Option<Theme> {
        *app.try_state::<PortalTheme>()?.0.lock()
    }

    pub(super) async fn watch_portal(app: &AppHandle) -> ashpd::Result<()> {
        app.manage(PortalTheme(Mutex::default()));
        let bus = DBusProxy::new(&Connection::session().await?).await?;
        let mut owners = bus.receive_name_owner_changed_with_args(&[(0, desktop_portal::PORTAL_BUS_NAME)]).await?;
        let settings = Settings::new().await?;
        // Subscribed before it is read, so that no change in between is missed.
        let mut changes = settings.receive_color_scheme_changed().await?;
        loop {
            // Takes until a portal that hangs goes on or ends.
            if let Ok(scheme) = settings.color_scheme().await {
                apply_color_scheme(app, scheme);
            }
            // A portal that takes the place of another is read again.
            loop {
                tokio::select! {
                    Some(scheme) = changes.next() => apply_color_scheme(app, scheme),
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

    fn apply_color_scheme(app: &AppHandle, scheme: ColorScheme) {
        let theme = match scheme {
            ColorScheme::PreferDark => Some(Theme::Dark),
            ColorScheme::PreferLight => Some(Theme::Light),
            ColorScheme::NoPreference => None,
        };
        *app.state::<PortalTheme>().0.lock() = theme;
        let windows = app.clone();
        if let Err(error) = app.run_on_main_thread(move || super::apply_theme(&windows)) {
            tracing::warn!(%error, "the windows cannot follow the color scheme");
        }
    }
}
