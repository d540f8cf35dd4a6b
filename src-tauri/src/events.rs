//! The events that the app sends to a page.

use serde::Serialize;
use ts_rs::TS;
use ulkeys_domain::Timestamp;
use ulkeys_domain::wire::{DatabaseHealth, KeyEvent};

use crate::keychain_index::UndeletableReason;
use crate::locale::FormatRegions;
use crate::menu::MenuAction;
use crate::one_time_secret::OneTimeState;
use crate::quit_confirmation::QuitQuestion;
use crate::service_status::ServiceStatus;
use crate::settings::{Language, Preferences};

/// Whether a copied key is on the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ClipboardState {
    /// No key is there that this app copied.
    Clear,
    /// A key is there.
    Held,
    /// It could not be removed. This is retried.
    Overdue,
    /// It was removed; whether it stays removed is not known yet.
    Checking,
    /// Another program put it back, and it was removed again. That program may still have it.
    RemovedAgain,
    /// Another program keeps putting it back.
    PutBack,
}

/// A change that the page learns of without a request.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum AppEvent {
    /// The service changed its state.
    Status { status: ServiceStatus },
    /// A person prefers something else. The first event of all.
    #[serde(rename_all = "camelCase")]
    Preferences {
        preferences: Preferences,
        /// The system's language, or English where the app has no texts in it.
        #[ts(type = "Exclude<Language, \"system\">")]
        system_language: Language,
        regions: FormatRegions,
    },
    /// Keys changed.
    Keys { event: KeyEvent },
    /// A key was copied, or taken off the clipboard again.
    #[serde(rename_all = "camelCase")]
    Clipboard {
        /// When it will be taken off; `null` when there is nothing to take off.
        #[ts(type = "string | null")]
        clears_at: Option<Timestamp>,
        /// Whether the copied key is there.
        state: ClipboardState,
        /// How many seconds a copied key stays; `null` for as long as it likes.
        #[ts(type = "number | null")]
        stays_seconds: Option<u64>,
    },
    /// The list's page only: a new key is being shown, or no longer. Boxed, as it is much larger than the others.
    OneTime { state: Box<OneTimeState> },
    /// The list's page only: what a person should know about the database of the running service.
    Database { health: DatabaseHealth },
    /// The list's page only: something was chosen in the window's menu.
    Menu { action: MenuAction },
    /// The list's page only: a revoked key that could not be taken out of the keychain.
    LeftInKeychain { name: String, reason: UndeletableReason },
    /// The list's page only: ask whether the app may quit; `null` when there is nothing to ask any more.
    Quit { question: Option<QuitQuestion> },
    /// The one-time page only: somebody wants to close its window.
    CloseRequested,
    /// The one-time page only: its window was hidden.
    WindowHidden,
    /// The one-time page only: whether a screen reader may read the key.
    ScreenReader { enabled: bool },
}
