//! The desktop program and its command line. All of it is in the library, where tests reach it.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> std::process::ExitCode {
    ulkeys_app::main()
}
