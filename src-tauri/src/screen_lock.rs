//! Detects when the screen is locked or the computer goes to sleep, so that a visible key can be hidden.
//!
//! On Linux, screen savers and `systemd-logind` report these events with D-Bus signals. Deliberately omitted: support
//! for macOS and Windows, because their notifications require libraries that this app does not use.

/// Calls `locked` each time the screen is locked or the computer goes to sleep. Runs until the app quits.
#[cfg(target_os = "linux")]
pub(crate) async fn watch_screen_lock(locked: impl Fn()) {
    let (session, system) = tokio::join!(linux::screen_saver_signals(), linux::logind_signals());
    let mut events = futures_util::stream::select(session, system);
    while futures_util::StreamExt::next(&mut events).await.is_some() {
        locked();
    }
}

/// Does nothing, because screen locks are detected only on Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn watch_screen_lock(_locked: impl Fn()) {}

#[cfg(target_os = "linux")]
mod linux {
    use futures_util::stream::{BoxStream, StreamExt as _, empty};
    use zbus::message::Type;
    use zbus::zvariant::OwnedObjectPath;
    use zbus::{Connection, MatchRule, MessageStream, Result};

    /// Subscribes to the signal that reports a locked screen. GNOME, KDE, Cinnamon, MATE and Xfce all send a signal
    /// with the same name, but each from its own D-Bus interface.
    pub(super) async fn screen_saver_signals() -> BoxStream<'static, ()> {
        let listen = async || -> Result<MessageStream> {
            let rule = MatchRule::builder().msg_type(Type::Signal).member("ActiveChanged")?.build();
            MessageStream::for_match_rule(rule, &Connection::session().await?, None).await
        };
        filter_signals(listen().await, "session", |message| {
            let header = message.header();
            let saver = header.interface().is_some_and(|interface| interface.ends_with(".ScreenSaver"));
            saver && message.body().deserialize::<bool>().unwrap_or(false)
        })
    }

    /// Subscribes to logind's signals that this session is locked and that the computer goes to sleep.
    pub(super) async fn logind_signals() -> BoxStream<'static, ()> {
        let listen = async || -> Result<(MessageStream, Option<OwnedObjectPath>)> {
            let bus = Connection::system().await?;
            let manager = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager");
            let rule = MatchRule::builder().msg_type(Type::Signal).sender(manager.0)?.build();
            let stream = MessageStream::for_match_rule(rule, &bus, None).await?;
            // Desktops start programs outside their logind session. For such programs, logind resolves the session name
            // "auto" to the user's graphical session.
            let auto = bus.call_method(Some(manager.0), manager.1, Some(manager.2), "GetSession", &("auto",)).await;
            let session = match auto {
                Ok(answer) => answer.body().deserialize().ok(),
                Err(error) => {
                    tracing::info!(%error, "could not determine the logind session; relying on screen savers");
                    None
                }
            };
            Ok((stream, session))
        };
        let (stream, session) = match listen().await {
            Ok((stream, session)) => (Ok(stream), session),
            Err(error) => (Err(error), None),
        };
        filter_signals(stream, "system", move |message| {
            let header = message.header();
            match header.member().map(|member| member.as_str()) {
                Some("Lock") => header.path().zip(session.as_ref()).is_some_and(|(path, session)| *path == **session),
                Some("PrepareForSleep") => message.body().deserialize::<bool>().unwrap_or(false),
                _ => false,
            }
        })
    }

    fn filter_signals(
        stream: Result<MessageStream>,
        bus: &str,
        tells: impl Fn(&zbus::Message) -> bool + Send + 'static,
    ) -> BoxStream<'static, ()> {
        match stream {
            Ok(stream) => stream
                .filter_map(move |message| std::future::ready(message.ok().filter(|message| tells(message)).map(drop)))
                .boxed(),
            Err(error) => {
                tracing::info!(%error, "could not listen for screen locks on the {bus} bus");
                empty().boxed()
            }
        }
    }
}
