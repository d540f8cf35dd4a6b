//! Who may talk to the service at all: programs on this computer, and no web page.
//!
//! A page in a browser on this computer also comes from a loopback address. It betrays itself by an `Origin` or
//! `Sec-Fetch-Site` header, and, where it reaches us through a DNS name that it rebinds, by a foreign `Host`.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

use crate::error::ApiError;
use crate::state::AppState;

pub(crate) fn check(state: &AppState, peer: IpAddr, headers: &HeaderMap) -> Result<(), ApiError> {
    if !peer.to_canonical().is_loopback() {
        return Err(ApiError::NotServed("Only programs on this computer are served"));
    }
    if !names_this_host(headers, state.address.port()) {
        return Err(ApiError::NotServed("The Host header does not name this service"));
    }
    if comes_from_a_page(headers) {
        return Err(ApiError::NotServed("Web pages are not served"));
    }
    Ok(())
}

fn names_this_host(headers: &HeaderMap, port: u16) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Some((name, host_port)) = host.to_str().ok().and_then(|host| host.rsplit_once(':')) else {
        return false;
    };
    let is_local = name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost");
    is_local && host_port == port.to_string()
}

/// Fetch metadata is `none` where a person typed the address, and absent in programs that are no browser.
fn comes_from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.get("sec-fetch-site").is_some_and(|site| site != "none")
}
