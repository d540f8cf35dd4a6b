//! The window system that shows the windows, and work on its thread.

#[cfg(target_os = "linux")]
use std::sync::mpsc;
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use gtk::prelude::*;
#[cfg(target_os = "linux")]
use gtk::{gdk, glib};

/// How long GTK, or what it asks, may take.
#[cfg(target_os = "linux")]
const GTK_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether a Wayland compositor shows the windows. To be called on the main thread.
#[cfg(target_os = "linux")]
pub(crate) fn is_wayland() -> bool {
    gdk::Display::default().is_some_and(|display| display.backend().is_wayland())
}

/// No other system has Wayland.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_wayland() -> bool {
    false
}

/// Runs `work` on the main thread and returns what it passes to its argument; `None` when that takes too long.
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

/// Waits for a message that the main thread sends; `None` when that takes too long.
#[cfg(target_os = "linux")]
pub(crate) fn wait_for_main_thread<T>(receiver: &mpsc::Receiver<T>) -> Option<T> {
    if !gtk::is_initialized_main_thread() {
        return receiver.recv_timeout(GTK_TIMEOUT).ok();
    }
    // As when the app ends. What GTK waits for needs this thread.
    let end = Instant::now() + GTK_TIMEOUT;
    loop {
        match receiver.try_recv() {
            Ok(value) => return Some(value),
            Err(_) if Instant::now() > end => return None,
            Err(_) => _ = glib::MainContext::default().iteration(false),
        }
    }
}
