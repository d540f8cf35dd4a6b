//! The single list of the commands that pages may call, with their arguments and the windows that may call them.
//!
//! All code that depends on the set of commands reads this list, so that no part can miss a command: the app's command
//! handler (`lib.rs`), Tauri's permissions and the windows' capabilities (`build.rs`), the TypeScript types
//! (`bindings.rs`), and the test that calls each command with hostile arguments (`tests/window/attack_surface.rs`).

/// Passes the commands to the macro `$expand`, each as `module::function(arguments) in [windows];`. The arguments are
/// named as the page passes them. Arguments that Tauri itself provides are omitted.
macro_rules! for_each_command {
    ($expand:ident) => {
        $expand! {
            about::get_about() in ["main"];
            activity::export_activity(format, kind, keyId, day, title) in ["main"];
            activity::list_activity(query) in ["main"];
            clipboard::clear_clipboard() in ["main", "one-time"];
            clipboard::copy_key_id(keyId) in ["main"];
            clipboard::copy_service_url() in ["main", "one-time"];
            clipboard::copy_text(text) in ["main"];
            connection::change_port(port) in ["main"];
            connection::get_file_locations() in ["main"];
            connection::get_start_at_login() in ["main"];
            connection::retry_service() in ["main"];
            connection::set_start_at_login(enabled) in ["main"];
            connection::show_list_window() in ["main"];
            connection::subscribe(channel) in ["main", "one-time"];
            keys::check_key(key, method, path) in ["main"];
            keys::count_keys() in ["main"];
            keys::create_key(name, scopes, replaces) in ["main"];
            keys::focus_one_time_window() in ["main"];
            keys::get_key(keyId) in ["main"];
            keys::get_key_usage(keyId, hours) in ["main"];
            keys::get_keychain_name(keyId) in ["main"];
            keys::list_keys(query) in ["main"];
            keys::rename_key(keyId, name) in ["main"];
            keys::replace_lost_key() in ["main"];
            keys::revoke_key(keyId) in ["main"];
            one_time::choose_env_file(title) in ["one-time"];
            one_time::close_one_time_window(unseen) in ["one-time"];
            one_time::copy_key() in ["one-time"];
            one_time::copy_snippet(template) in ["one-time"];
            one_time::one_time_hidden() in ["one-time"];
            one_time::one_time_ready(height) in ["one-time"];
            one_time::reveal_key(publicKey) in ["one-time"];
            one_time::save_in_keychain(replace) in ["one-time"];
            one_time::write_env_file() in ["one-time"];
            preferences::change_preferences(preferences) in ["main", "one-time"];
            quit::answer_quit_question(answer, remember) in ["main"];
            training::cancel_run(runId) in ["main"];
            training::delete_run(runId) in ["main"];
            training::get_run(runId) in ["main"];
            training::get_training_storage() in ["main"];
            training::list_runs(keyId, cursor) in ["main"];
        }
    };
}

pub(crate) use for_each_command;
