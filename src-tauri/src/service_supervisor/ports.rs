//! Finds out which program uses a port, and which port is free.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use crate::service_status::{PortUser, ServiceStatus};

/// The number of ports that are tried when searching for a free port.
const PORT_SEARCH_RANGE: u16 = 100;

/// Returns whether the service could listen on `port` now.
pub(super) fn is_port_free(port: u16) -> bool {
    let is_free = |address: IpAddr| {
        // Only `AddrInUse` means that the port is in use. If IPv6 is unavailable, binding fails with another error, and
        // no other program can listen there either.
        !TcpListener::bind((address, port)).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
    };
    is_free(Ipv4Addr::LOCALHOST.into()) && is_free(Ipv6Addr::LOCALHOST.into())
}

/// Describes a port that is in use: the program that uses it, and the next free port above it.
pub(super) async fn port_in_use_status(port: u16) -> ServiceStatus {
    let look =
        move || ServiceStatus::PortInUse { port, used_by: find_port_user(port), next_free: next_free_port(port) };
    let unknown = ServiceStatus::PortInUse { port, used_by: None, next_free: None };
    tokio::task::spawn_blocking(look).await.unwrap_or(unknown)
}

fn next_free_port(port: u16) -> Option<u16> {
    (port.saturating_add(1)..=port.saturating_add(PORT_SEARCH_RANGE)).find(|candidate| is_port_free(*candidate))
}

/// Returns the program that listens on `port`, or `None` if the program is unknown, for example because another user
/// runs it.
fn find_port_user(port: u16) -> Option<PortUser> {
    let process = listeners::get_process_by_port(port, listeners::Protocol::TCP).ok()?;
    Some(PortUser { name: process.name, pid: process.pid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_in_use_status_names_user_and_next_free_port() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = taken.local_addr().expect("bound").port();
        assert!(!is_port_free(port));
        let ServiceStatus::PortInUse { port: told, used_by, next_free } = port_in_use_status(port).await else {
            panic!("the port is not reported as in use");
        };
        assert_eq!(told, port);
        assert_eq!(used_by.map(|user| user.pid), Some(std::process::id()));
        assert!(next_free.is_some_and(|free| free > port && is_port_free(free)));
        drop(taken);
        assert!(is_port_free(port));
    }
}
