//! Who may talk to the service at all: programs on this computer, and no web page.
//!
//! A page in a browser on this computer also comes from a loopback address. It betrays itself by an `Origin` or
//! `Sec-Fetch-Site` header, and, where it reaches us through a DNS name that it rebinds, by a foreign `Host`.

use std::net::IpAddr;

use axum::extract::{FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;

use crate::error::ApiError;
use crate::state::AppState;

pub(crate) fn check(state: &AppState, peer: IpAddr, request: &Request) -> Result<(), ApiError> {
    let refused = |why: &str| Err(ApiError::NotServed(why.to_owned()));
    if !peer.to_canonical().is_loopback() {
        return refused("Only programs on this computer are served");
    }
    let headers = request.headers();
    // A target with an authority of its own counts instead of the header (RFC 9112, section 3.2.2).
    if host(headers).is_none() || request.uri().authority().is_some_and(|authority| !is_loopback(authority)) {
        let port = state.address.port();
        let why = format!("The Host header does not name this computer. Use http://127.0.0.1:{port}");
        return Err(ApiError::NotServed(why));
    }
    if comes_from_a_page(headers) {
        return refused("Web pages are not served");
    }
    Ok(())
}

/// The address under which the client reached the service. Its port may be another one than the service's own, where
/// something forwards it (`ssh -L`). A name that a page can rebind is none.
pub(crate) fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return None;
    };
    let host = host.to_str().ok()?;
    host.parse().is_ok_and(|authority| is_loopback(&authority)).then_some(host)
}

/// [`host`] of a request that was let through.
pub(crate) struct OwnHost(pub(crate) String);

impl FromRequestParts<AppState> for OwnHost {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        // `check` lets no request through without one.
        Ok(Self(host(&parts.headers).unwrap_or_default().to_owned()))
    }
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    // Neither a user nor a port that is no number.
    let is_plain = authority.as_str() == host
        || authority.port_u16().is_some_and(|port| authority.as_str() == format!("{host}:{port}"));
    is_plain && (host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback))
}

/// Fetch metadata is `none` where a person typed the address, and absent in programs that are no browser.
fn comes_from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.get("sec-fetch-site").is_some_and(|site| site != "none")
}
