//! The desktop program. All of it is in the library, where tests reach it.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() {
    ulkeys_app::run();
}
