//! The events that the app sends to a page.

use serde::Serialize;
use ts_rs::TS;
use ulkeys_api::{DatabaseHealth, KeyEvent};
use ulkeys_domain::Timestamp;
use ulkeys_local::keychain_index::UndeletableReason;
use ulkeys_local::locale::FormatRegions;
use ulkeys_local::settings::{Language, Preferences};

use crate::clipboard::ClipboardState;
use crate::menu::MenuAction;
use crate::one_time_secret::OneTimeState;
use crate::quit_confirmation::QuitQuestion;
use crate::service_status::ServiceStatus;

/// An event that the app sends to a page without a request from the page.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum AppEvent {
    /// The state of the service changed.
    Status { status: ServiceStatus },
    /// The user's preferences. This event is sent first, and again after each change.
    #[serde(rename_all = "camelCase")]
    Preferences {
        preferences: Preferences,
        /// The system's language, or English if the app has no translation for it.
        #[ts(type = "Exclude<Language, \"system\">")]
        system_language: Language,
        regions: FormatRegions,
    },
    /// One or more keys or training runs changed, or requests were rejected.
    Keys { event: KeyEvent },
    /// A key was copied to the clipboard or removed from it.
    #[serde(rename_all = "camelCase")]
    Clipboard {
        /// Time at which the key will be removed; `null` if no removal is scheduled.
        #[ts(type = "string | null")]
        clears_at: Option<Timestamp>,
        /// State of the copied key.
        state: ClipboardState,
        /// Number of seconds after which a copied key is removed; `null` if it is not removed automatically.
        #[ts(type = "number | null")]
        stays_seconds: Option<u64>,
    },
    /// For the list window only: a new key is being shown, or its window has closed. Boxed because the state is much
    /// larger than the other variants.
    OneTime { state: Box<OneTimeState> },
    /// For the list window only: the health of the running service's database changed.
    Database { health: DatabaseHealth },
    /// For the list window only: the user chose an item in the window's menu.
    Menu { action: MenuAction },
    /// For the list window only: a revoked key could not be deleted from the keychain.
    LeftInKeychain { name: String, reason: UndeletableReason },
    /// For the list window only: the page must ask the user whether the app may quit. `null` withdraws the question.
    Quit { question: Option<QuitQuestion> },
    /// For the one-time window only: the user tried to close the window.
    CloseRequested,
    /// For the one-time window only: the window was hidden.
    WindowHidden,
    /// For the one-time window only: whether the page must make the key readable by screen readers.
    ScreenReader { enabled: bool },
}
