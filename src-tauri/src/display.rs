//! Detects the window system, and runs code on the main thread, on which GTK must be called.

#[cfg(target_os = "linux")]
use std::sync::mpsc;
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use gtk::prelude::*;
#[cfg(target_os = "linux")]
use gtk::{gdk, glib};

/// The maximum time to wait for GTK and for the programs that GTK queries.
#[cfg(target_os = "linux")]
const GTK_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns whether a Wayland compositor displays the windows. Must be called on the main thread.
#[cfg(target_os = "linux")]
pub(crate) fn is_wayland() -> bool {
    gdk::Display::default().is_some_and(|display| display.backend().is_wayland())
}

/// Returns `false` because only Linux has Wayland.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_wayland() -> bool {
    false
}

/// Runs `work` on the main thread and returns the value that `work` passes to its callback. Returns `None` after a
/// timeout.
#[cfg(target_os = "linux")]
pub(crate) fn run_on_main_thread<T: Send + 'static>(
    work: impl FnOnce(Box<dyn FnOnce(T)>) + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    let answer = move |value| _ = sender.send(value);
    match gtk::is_initialized_main_thread() {
        true => work(Box::new(answer)),
        false => glib::MainContext::default().invoke(move || work(Box::new(answer))),
    }
    wait_for_main_thread(&receiver)
}

/// Waits for a message from the main thread. Returns `None` after a timeout.
#[cfg(target_os = "linux")]
pub(crate) fn wait_for_main_thread<T>(receiver: &mpsc::Receiver<T>) -> Option<T> {
    if !gtk::is_initialized_main_thread() {
        return receiver.recv_timeout(GTK_TIMEOUT).ok();
    }
    // The caller itself runs on the main thread, for example when the app exits. GTK needs this thread, so GTK's main
    // loop runs during the wait.
    let end = Instant::now() + GTK_TIMEOUT;
    loop {
        match receiver.try_recv() {
            Ok(value) => return Some(value),
            Err(_) if Instant::now() > end => return None,
            Err(_) => _ = glib::MainContext::default().iteration(false),
        }
    }
}
