//! Finds out who listens on a local port.

use std::net::SocketAddr;

/// Returns whether a program of another user listens at an address of this computer. Returns `false` if the owner is
/// unknown, because most systems do not report it. Root does not count as another user: root can read everything
/// anyway, and systemd opens the sockets of its units as root.
pub fn port_belongs_to_other_user(address: SocketAddr) -> bool {
    #[cfg(target_os = "linux")]
    {
        let own = rustix::process::getuid().as_raw();
        // A listener on `::` also accepts IPv4 connections.
        let sockets = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flat_map(Result::unwrap_or_default);
        let is_listening = |socket: &procfs::net::TcpNetEntry| {
            socket.state == procfs::net::TcpState::Listen && socket.local_address.port() == address.port()
        };
        let listening: Vec<_> = sockets.filter(is_listening).collect();
        let ip = |socket: &procfs::net::TcpNetEntry| socket.local_address.ip().to_canonical();
        // The kernel passes a connection to the most specific listener, so a listener on the address itself takes
        // precedence over one on all addresses.
        let exact = listening.iter().find(|socket| ip(socket) == address.ip());
        let is_foreign = |socket: &procfs::net::TcpNetEntry| socket.uid != own && socket.uid != 0;
        exact.map_or_else(
            || listening.iter().any(|socket| ip(socket).is_unspecified() && is_foreign(socket)),
            is_foreign,
        )
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = address;
        false
    }
}
