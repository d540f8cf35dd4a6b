//! Who may talk to the service at all: programs on this computer, and no web page.
//!
//! A page in a browser on this computer also comes from a loopback address. It betrays itself by an `AuditContext` or
//! `Sec-Fetch-Site` header, and, where it reaches us through a DNS name that it rebinds, by a foreign `Host`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Version};

use crate::error::ApiError;
use crate::state::ServiceState;

pub(crate) fn reject_foreign_request(state: &ServiceState, peer: IpAddr, request: &Request) -> Result<(), ApiError> {
    let reject = |why: &str| Err(ApiError::Forbidden(why.to_owned()));
    if !peer.to_canonical().is_loopback() {
        return reject("Only programs on this computer are served");
    }
    let header = read_host(request).map_err(|why| ApiError::Invalid(format!("Host: {why}")))?;
    // A target with an authority of its own counts instead of the header (RFC 9112, section 3.2.2), but no client of
    // this computer sends another name in the header then.
    let target = request.uri().authority();
    if (target.is_none() && header.is_none())
        || ![target, header.as_ref()].into_iter().flatten().all(is_loopback_authority)
    {
        let port = state.address.port();
        let why = format!("The Host header does not name this computer. Use http://127.0.0.1:{port}");
        return Err(ApiError::Forbidden(why));
    }
    if is_browser_request(request.headers()) {
        return reject("Web pages are not served");
    }
    Ok(())
}

/// Reads the `Host` header; `None` where it is empty, or where HTTP/1.0 has none.
///
/// # Errors
/// The request is a bad one by RFC 9112, section 3.2.
fn read_host(request: &Request) -> Result<Option<Authority>, &'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if host.is_empty() => Ok(None),
        (Some(host), None) => Authority::try_from(host.as_bytes()).map(Some).map_err(|_| "is not a host and a port"),
        (Some(_), Some(_)) => Err("was sent more than once"),
        (None, _) if request.version() == Version::HTTP_10 => Ok(None),
        (None, _) => Err("is required"),
    }
}

/// The address under which the client reached the service, of a request that [`reject_foreign_request`] accepted: the
/// authority of the target, or the `Host` header. Its port differs from the service's own where something forwards it
/// (`ssh -L`).
pub(crate) struct RequestHost(pub(crate) String);

impl FromRequestParts<Arc<ServiceState>> for RequestHost {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<ServiceState>) -> Result<Self, ApiError> {
        let target = parts.uri.authority().map(Authority::as_str);
        let header = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        // `reject_foreign_request` accepts no request without one of them.
        Ok(Self(target.or_else(header).unwrap_or_default().to_owned()))
    }
}

fn is_loopback_authority(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    // Neither a user nor a port that is no number.
    let is_plain = authority.as_str() == host
        || authority.port_u16().is_some_and(|port| authority.as_str() == format!("{host}:{port}"));
    is_plain && (host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback))
}

/// Fetch metadata is `none` where a person typed the address, and absent in programs that are no browser.
fn is_browser_request(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.get("sec-fetch-site").is_some_and(|site| site != "none")
}
