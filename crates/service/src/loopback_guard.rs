//! Restricts the service to programs on this computer, and rejects requests that a web page makes.
//!
//! A page in a browser on this computer also connects from a loopback address. Its requests have an `Origin` or
//! `Sec-Fetch-Site` header and, if the page uses DNS rebinding to reach the service, a foreign `Host` header.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Version};

use crate::error::ApiError;
use crate::state::ServiceState;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The values of the `Host` header that most clients send: the address of the service, by name and by number.
pub(crate) struct UsualHosts([String; 2]);

impl UsualHosts {
    pub(crate) fn new(service: SocketAddr) -> Self {
        Self(["127.0.0.1", "localhost"].map(|host| format!("{host}:{}", service.port())))
    }

    /// Returns whether a request has one of these values and no other host. Comparing costs much less than parsing.
    fn are_sent_in(&self, request: &Request) -> bool {
        let mut sent = request.headers().get_all(HOST).iter();
        let is_usual = sent.next().is_some_and(|sent| self.0.iter().any(|usual| sent == usual));
        is_usual && sent.next().is_none() && request.uri().authority().is_none()
    }
}

pub(crate) fn reject_foreign_request(
    state: &ServiceState,
    usual_hosts: &UsualHosts,
    peer: IpAddr,
    request: &Request,
) -> Result<(), ApiError> {
    let reject = |why: &str| Err(ApiError::Forbidden(why.to_owned()));
    if !peer.to_canonical().is_loopback() {
        return reject("Only programs on this computer may use this service");
    }
    if !usual_hosts.are_sent_in(request) {
        reject_foreign_host(state, request)?;
    }
    if is_browser_request(request.headers()) {
        return reject("Requests from web pages are not allowed");
    }
    Ok(())
}

fn reject_foreign_host(state: &ServiceState, request: &Request) -> Result<(), ApiError> {
    let header = read_host(request).map_err(|why| ApiError::Invalid(format!("Host: {why}")))?;
    // By RFC 9112, section 3.2.2, the authority in the request target overrides the `Host` header. This check is
    // stricter and requires both to name this computer, because no legitimate client sends different names.
    let target = request.uri().authority();
    if (target.is_none() && header.is_none())
        || ![target, header.as_ref()].into_iter().flatten().all(is_loopback_authority)
    {
        let port = state.address.port();
        let why = format!("The Host header does not name this computer. Use http://127.0.0.1:{port}");
        return Err(ApiError::Forbidden(why));
    }
    Ok(())
}

/// Parses the `Host` header. Returns `None` if the header is empty, or absent in HTTP/1.0.
///
/// # Errors
/// Returns an error if the request is invalid according to RFC 9112, section 3.2, because the header is malformed,
/// repeated, or absent in HTTP/1.1.
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

/// The host and port that the client used to reach the service: the authority of the request target, or else the `Host`
/// header. [`reject_foreign_request`] has already rejected hosts that do not name this computer. The port differs from
/// the service's own if the connection is forwarded (`ssh -L`).
pub(crate) struct RequestHost(pub(crate) String);

impl FromRequestParts<Arc<ServiceState>> for RequestHost {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<ServiceState>) -> Result<Self, ApiError> {
        let target = parts.uri.authority().map(Authority::as_str);
        let header = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        // `reject_foreign_request` rejects a request that has neither an authority nor a `Host` header, so the default
        // (an empty host) is never used.
        Ok(Self(target.or_else(header).unwrap_or_default().to_owned()))
    }
}

fn is_loopback_authority(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    // The authority must contain neither user information nor an invalid port.
    let is_plain = authority.as_str() == host
        || authority.port_u16().is_some_and(|port| authority.as_str() == format!("{host}:{port}"));
    is_plain && (host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback))
}

/// Returns whether a web page made the request. Browsers send `Sec-Fetch-Site: none` if a person entered the address;
/// other programs do not send this header.
fn is_browser_request(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "none")
}
