//! Applies the light or dark theme, as chosen by the user or set by the system.
//!
//! On Linux, a desktop can select a dark theme in two ways. GNOME and KDE publish a color scheme through the desktop
//! portal (`org.freedesktop.appearance`), which GTK 3 does not read. Alternatively, a desktop can select a dark GTK
//! theme, or set the GTK setting `gtk-application-prefer-dark-theme`.

use tauri::Manager as _;
use tauri::webview::Color;
use ulkeys_local::settings::Theme;

use super::WindowContext;

#[cfg(target_os = "linux")]
pub(super) use portal::PortalTheme;

/// Background colors of a window's page in the light and the dark theme (`--page` and `--raised` in app.css). The
/// window has this background before the page is painted.
const LIST_BACKGROUNDS: [Color; 2] = [Color(255, 255, 255, 255), Color(0x15, 0x17, 0x1c, 255)];
const ONE_TIME_BACKGROUNDS: [Color; 2] = [Color(255, 255, 255, 255), Color(0x20, 0x24, 0x2c, 255)];

/// Returns the background color of the page in the window with this label.
pub(super) fn page_background(context: &WindowContext, label: &str) -> Color {
    let [light, dark] =
        if super::one_time_window::is_one_time_label(label) { ONE_TIME_BACKGROUNDS } else { LIST_BACKGROUNDS };
    if is_theme_dark(context) { dark } else { light }
}

/// Applies the theme that the user has chosen, or else the system's theme, to all windows. Must be called on the main
/// thread.
pub(super) fn apply_theme(context: &WindowContext) {
    let chosen = preferred_theme(context);
    #[cfg(target_os = "linux")]
    linux::set_gtk_theme(chosen.or_else(|| context.portal_theme.current()));
    for (label, window) in context.app.webview_windows() {
        let followed = window.set_background_color(Some(page_background(context, &label)));
        #[cfg(not(target_os = "linux"))]
        let followed = followed.and_then(|()| window.set_theme(chosen));
        if let Err(error) = followed {
            tracing::warn!(%error, "could not change the theme of a window");
        }
    }
}

/// Returns the theme that the user has chosen, or `None` for the system's theme.
fn preferred_theme(context: &WindowContext) -> Option<tauri::Theme> {
    match context.state.settings.subscribe_preferences().borrow().theme {
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    }
}

fn is_theme_dark(context: &WindowContext) -> bool {
    match preferred_theme(context) {
        Some(theme) => theme == tauri::Theme::Dark,
        #[cfg(target_os = "linux")]
        None => crate::display::run_on_main_thread(|answer| answer(linux::is_gtk_dark())).unwrap_or(false),
        #[cfg(not(target_os = "linux"))]
        None => super::list_window::find_window(&context.app)
            .is_some_and(|list| matches!(list.theme(), Ok(tauri::Theme::Dark))),
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use gtk::prelude::GtkSettingsExt as _;

    const PREFER_DARK_PROPERTY: &str = "gtk-application-prefer-dark-theme";

    /// Sets whether GTK prefers a dark theme. `None` restores the value from the user's GTK settings.
    pub(super) fn set_gtk_theme(theme: Option<tauri::Theme>) {
        let Some(settings) = gtk::Settings::default() else { return };
        match theme {
            Some(theme) => settings.set_gtk_application_prefer_dark_theme(theme == tauri::Theme::Dark),
            None => settings.reset_property(PREFER_DARK_PROPERTY),
        }
    }

    /// Returns whether WebKitGTK reports a dark theme to pages. The rule is copied from WebKitGTK
    /// (`PageClientImpl::effectiveAppearanceIsDark`).
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

/// Applies each color scheme that the desktop portal publishes. Runs until the app quits.
#[cfg(target_os = "linux")]
pub(crate) async fn watch_color_scheme(context: WindowContext) {
    if let Err(error) = portal::watch_portal(&context).await {
        tracing::info!(%error, "could not read the color scheme from the desktop portal");
    }
}

/// Does nothing, because macOS and Windows notify each window of theme changes directly.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn watch_color_scheme(_context: WindowContext) {}

/// Reads the color scheme from the settings portal:
/// <https://flatpak.github.io/xdg-desktop-portal/docs/doc-org.freedesktop.portal.Settings.html>.
#[cfg(target_os = "linux")]
mod portal {

    use ashpd::desktop::settings::{ColorScheme, Settings};
    use ashpd::zbus::Connection;
    use ashpd::zbus::fdo::DBusProxy;
    use futures_util::StreamExt as _;
    use parking_lot::Mutex;
    use tauri::Theme;

    use crate::desktop_portal;
    use crate::window::WindowContext;

    /// The last theme that the portal published.
    #[derive(Default)]
    pub(in super::super) struct PortalTheme(Mutex<Option<Theme>>);

    impl PortalTheme {
        /// Returns the theme that the portal has published, or `None` if there is no preference or no portal.
        pub(super) fn current(&self) -> Option<Theme> {
            *self.0.lock()
        }
    }

    pub(super) async fn watch_portal(context: &WindowContext) -> ashpd::Result<()> {
        let bus = DBusProxy::new(&Connection::session().await?).await?;
        let mut owners = bus.receive_name_owner_changed_with_args(&[(0, desktop_portal::PORTAL_BUS_NAME)]).await?;
        let settings = Settings::new().await?;
        // Subscribe before reading the setting, so that no change in between is missed.
        let mut changes = settings.receive_color_scheme_changed().await?;
        loop {
            // If the portal hangs, this call waits until the portal responds or exits.
            if let Ok(scheme) = settings.color_scheme().await {
                apply_color_scheme(context, scheme);
            }
            // If another portal takes over the bus name, the setting is read again.
            loop {
                tokio::select! {
                    Some(scheme) = changes.next() => apply_color_scheme(context, scheme),
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

    fn apply_color_scheme(context: &WindowContext, scheme: ColorScheme) {
        let theme = match scheme {
            ColorScheme::PreferDark => Some(Theme::Dark),
            ColorScheme::PreferLight => Some(Theme::Light),
            ColorScheme::NoPreference => None,
        };
        *context.portal_theme.0.lock() = theme;
        let windows = context.clone();
        if let Err(error) = context.app.run_on_main_thread(move || super::apply_theme(&windows)) {
            tracing::warn!(%error, "could not apply the color scheme to the windows");
        }
    }
}
