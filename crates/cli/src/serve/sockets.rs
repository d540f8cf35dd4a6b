//! Opens the sockets on which the service listens, or takes over those that systemd has opened.

use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Returns the sockets that systemd has opened (socket activation, `sd_listen_fds(3)`), if there are any. systemd keeps
/// them open while the service restarts, so that connections wait instead of being rejected.
///
/// # Errors
/// Returns the reason if a socket cannot be used, or accepts connections from other computers.
pub(super) fn take_inherited() -> Result<Vec<std::net::TcpListener>, String> {
    let mut listeners = Vec::new();
    #[cfg(unix)]
    {
        let mut inherited = listenfd::ListenFd::from_env();
        for index in 0..inherited.len() {
            let listener = inherited.take_tcp_listener(index).map_err(|error| format!("socket {index}: {error}"))?;
            let Some(listener) = listener else { continue };
            let address = listener.local_addr().map_err(|error| format!("socket {index}: {error}"))?;
            if !address.ip().is_loopback() {
                return Err(format!("the socket unit listens on {address}; it must be a loopback address"));
            }
            listener.set_nonblocking(true).map_err(|error| format!("{address}: {error}"))?;
            listeners.push(listener);
        }
    }
    Ok(listeners)
}

/// Uses the sockets that systemd has opened. If there are none, listens on the configured addresses or, if no address
/// is configured, on `port` of both loopback addresses.
///
/// # Errors
/// Returns the reason if an address cannot be opened.
pub(super) async fn open(
    inherited: Vec<std::net::TcpListener>,
    configured: &[SocketAddr],
    port: u16,
) -> Result<Vec<TcpListener>, String> {
    if !inherited.is_empty() {
        let opened = inherited.into_iter().map(TcpListener::from_std).collect::<Result<_, _>>();
        return opened.map_err(|error| error.to_string());
    }
    if configured.is_empty() {
        let opened = ulkeys_service::listen(port).await;
        return opened.map_err(|error| format!("cannot listen on port {port}: {error}"));
    }
    let mut listeners = Vec::new();
    for address in configured {
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.map_err(|error| format!("cannot listen on {address}: {error}"))?);
    }
    Ok(listeners)
}
