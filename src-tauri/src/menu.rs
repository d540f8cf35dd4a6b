//! The menu of the list window, arranged according to each platform's conventions. It contains the actions whose
//! keyboard shortcuts work everywhere in the window, and "About".
//!
//! The page receives the selected action and decides whether the action is currently possible. The menu texts come from
//! the page's message catalogs.

use serde::{Deserialize, Serialize};
use tauri::menu::{Menu, MenuBuilder, MenuItemBuilder, MenuItemKind, SubmenuBuilder};
use tauri::{AppHandle, Wry};
use ts_rs::TS;
use ulkeys_local::settings::Language;

/// An action that the page performs when its menu item is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum MenuAction {
    /// Creates a key.
    NewKey,
    /// Searches the list.
    Search,
    /// Shows the preferences.
    Preferences,
    /// Shows the help.
    Help,
    /// Shows the version and the licenses.
    About,
}

/// The menu texts in one language.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MenuTexts {
    file: String,
    new_key: String,
    search: String,
    preferences: String,
    close: String,
    quit: String,
    edit: String,
    undo: String,
    redo: String,
    cut: String,
    copy: String,
    paste: String,
    select_all: String,
    help: String,
    show_help: String,
    about: String,
}

impl MenuTexts {
    fn load_texts(language: Language) -> serde_json::Result<Self> {
        serde_json::from_str(match language.resolve_system() {
            Language::German => include_str!("../../ui/src/lib/i18n/de/menu.json"),
            Language::Portuguese => include_str!("../../ui/src/lib/i18n/pt-BR/menu.json"),
            Language::English | Language::System => include_str!("../../ui/src/lib/i18n/en/menu.json"),
        })
    }
}

const FILE_MENU_ID: &str = "file";
const NEW_KEY_ID: &str = "new-key";
const SEARCH_ID: &str = "search";
const PREFERENCES_ID: &str = "preferences";
const CLOSE_ID: &str = "close";
const QUIT_ID: &str = "quit";
const HELP_ID: &str = "help";
const ABOUT_ID: &str = "about";

/// Builds the menu in the given language.
pub(crate) fn build_menu(app: &AppHandle, language: Language) -> tauri::Result<Menu<Wry>> {
    let texts = MenuTexts::load_texts(language)?;
    let item = |id, text: &str, keys| MenuItemBuilder::with_id(id, text).accelerator(keys).build(app);
    let new_key = item(NEW_KEY_ID, &texts.new_key, "CmdOrCtrl+N")?;
    let search = item(SEARCH_ID, &texts.search, "CmdOrCtrl+F")?;
    let preferences = item(PREFERENCES_ID, &texts.preferences, "CmdOrCtrl+,")?;
    let close = item(CLOSE_ID, &texts.close, "CmdOrCtrl+W")?;
    let quit = item(QUIT_ID, &texts.quit, "CmdOrCtrl+Q")?;
    let help = item(HELP_ID, &texts.show_help, if cfg!(target_os = "macos") { "Cmd+?" } else { "F1" })?;

    let about = MenuItemBuilder::with_id(ABOUT_ID, &texts.about).build(app)?;

    let mac = cfg!(target_os = "macos");
    let mut menu = MenuBuilder::new(app);
    if mac {
        let name = &app.package_info().name;
        menu = menu.item(
            &SubmenuBuilder::new(app, name)
                .item(&about)
                .separator()
                .item(&preferences)
                .separator()
                .hide()
                .hide_others()
                .show_all()
                .separator()
                .item(&quit)
                .build()?,
        );
    }
    let mut file = SubmenuBuilder::with_id(app, FILE_MENU_ID, &texts.file).item(&new_key).item(&search).separator();
    file = if mac { file.item(&close) } else { file.item(&preferences).separator().item(&close).item(&quit) };
    menu = menu.item(&file.build()?);
    // Only macOS needs an Edit menu. On the other platforms, text fields handle the editing shortcuts themselves.
    if mac {
        menu = menu.item(
            &SubmenuBuilder::new(app, &texts.edit)
                .undo_with_text(&texts.undo)
                .redo_with_text(&texts.redo)
                .separator()
                .cut_with_text(&texts.cut)
                .copy_with_text(&texts.copy)
                .paste_with_text(&texts.paste)
                .select_all_with_text(&texts.select_all)
                .build()?,
        );
    }
    let mut help_menu = SubmenuBuilder::new(app, &texts.help).item(&help);
    // On macOS, the "About" item is in the app's own menu.
    if !mac {
        help_menu = help_menu.separator().item(&about);
    }
    menu.item(&help_menu.build()?).build()
}

/// Returns whether the menu's texts are in the given language.
pub(crate) fn is_in_language(menu: &Menu<Wry>, language: Language) -> tauri::Result<bool> {
    let Some(MenuItemKind::Submenu(file)) = menu.get(FILE_MENU_ID) else {
        return Ok(false);
    };
    Ok(file.text()? == MenuTexts::load_texts(language)?.file)
}

/// What selecting an item does.
pub(crate) enum MenuSelection {
    /// The page performs the action.
    Action(MenuAction),
    /// The list window closes.
    Close,
    /// The app quits with its key service.
    Quit,
}

/// Returns what selecting the item with this identifier does; `None` if the toolkit handles the item itself.
pub(crate) fn selection_of(id: &str) -> Option<MenuSelection> {
    Some(match id {
        NEW_KEY_ID => MenuSelection::Action(MenuAction::NewKey),
        SEARCH_ID => MenuSelection::Action(MenuAction::Search),
        PREFERENCES_ID => MenuSelection::Action(MenuAction::Preferences),
        HELP_ID => MenuSelection::Action(MenuAction::Help),
        ABOUT_ID => MenuSelection::Action(MenuAction::About),
        CLOSE_ID => MenuSelection::Close,
        QUIT_ID => MenuSelection::Quit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn menu_texts_are_complete_in_each_language() {
        for language in [Language::English, Language::German, Language::Portuguese, Language::System] {
            MenuTexts::load_texts(language).expect("complete");
        }
    }
}
