//! Opens the sockets on which the service listens, or takes over those that systemd has opened.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use ulkeys_local::settings::DEFAULT_PORT;

/// Returns the sockets that systemd has opened (socket activation, `sd_listen_fds(3)`). If there are none, listens on
/// the configured addresses or, if no address is configured, on the default port of both loopback addresses.
///
/// systemd keeps its sockets open while the service restarts, so that connections wait instead of being rejected.
///
/// # Errors
/// Returns the reason if an address cannot be opened, or a socket of systemd accepts connections from other computers.
pub(super) async fn open(configured: &[SocketAddr]) -> Result<Vec<TcpListener>, String> {
    #[cfg(unix)]
    {
        let inherited = take_inherited_sockets()?;
        if !inherited.is_empty() {
            return Ok(inherited);
        }
    }
    if configured.is_empty() {
        let opened = ulkeys_service::listen(DEFAULT_PORT).await;
        return opened.map_err(|error| format!("cannot listen on port {DEFAULT_PORT}: {error}"));
    }
    let mut listeners = Vec::new();
    for address in configured {
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.map_err(|error| format!("cannot listen on {address}: {error}"))?);
    }
    Ok(listeners)
}

#[cfg(unix)]
fn take_inherited_sockets() -> Result<Vec<TcpListener>, String> {
    let mut inherited = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..inherited.len() {
        let listener = inherited.take_tcp_listener(index).map_err(|error| format!("socket {index}: {error}"))?;
        let Some(listener) = listener else { continue };
        let address = listener.local_addr().map_err(|error| format!("socket {index}: {error}"))?;
        if !address.ip().is_loopback() {
            return Err(format!("the socket unit listens on {address}; it must be a loopback address"));
        }
        let opened = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
        listeners.push(opened.map_err(|error| format!("{address}: {error}"))?);
    }
    Ok(listeners)
}
