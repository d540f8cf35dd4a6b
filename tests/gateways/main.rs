//! Runs real gateways, with the configuration files of `docs/gateways`, between real clients and an upstream that
//! records each request it receives. Also runs a real resource server that validates its clients' keys by
//! introspection.

mod comparison_table;
mod credentials;
mod forwarded_headers;
mod framing;
mod gateway;
mod gateway_fixture;
mod identity;
mod introspection;
mod paths;
mod port_forwarding;
mod rejections;
mod responses;
mod revocation;
mod timeouts;
mod traffic;
mod upstream;
mod websockets;

use gateway::Gateway;

/// The behavior that a test observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The gateway behaves as the test's `claim` states.
    AsClaimed,
    /// The gateway behaves differently, as this text describes.
    Difference(&'static str),
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::AsClaimed
    }
}

/// A test and its row of the comparison table in `docs/gateways`.
pub struct GatewayTest {
    function: &'static str,
    claim: &'static str,
    differences: &'static [(Gateway, &'static str)],
}

impl GatewayTest {
    /// Returns the outcome that the comparison table states for a gateway.
    fn expected_outcome(&self, gateway: Gateway) -> Outcome {
        let difference = self.differences.iter().find(|(differs, _)| *differs == gateway);
        difference.map_or(Outcome::AsClaimed, |(_, words)| Outcome::Difference(words))
    }
}

/// Asserts that the observed outcome of a test matches the comparison table.
fn check_outcome(function: &str, gateway: Gateway, observed: impl Into<Outcome>) {
    let test = GATEWAY_TESTS.iter().find(|test| test.function == function).expect("a test of the table");
    assert_eq!(
        observed.into(),
        test.expected_outcome(gateway),
        "docs/gateways/stories.md states another outcome for {gateway:?}"
    );
}

/// Generates the rows of the comparison table and a test function for each combination of a test and a gateway. Tests
/// that mostly wait (`together`) run for all gateways at the same time.
macro_rules! gateway_tests {
    (
        each { $($file:ident::$test:ident: $claim:literal $([$($differs:ident: $words:literal),*])?;)* }
        together { $($slow_file:ident::$slow:ident: $slow_claim:literal;)* }
    ) => {
        const GATEWAY_TESTS: &[GatewayTest] = &[
            $(GatewayTest {
                function: stringify!($test),
                claim: $claim,
                differences: &[$($((Gateway::$differs, $words)),*)?],
            },)*
            $(GatewayTest { function: stringify!($slow), claim: $slow_claim, differences: &[] },)*
        ];
        gateway_tests!(@ nginx Nginx $($file::$test)*);
        gateway_tests!(@ caddy Caddy $($file::$test)*);
        gateway_tests!(@ traefik Traefik $($file::$test)*);
        mod together {
            use crate::gateway::Gateway;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $slow() {
                use crate::$slow_file::$slow as test;
                tokio::join!(test(Gateway::Nginx), test(Gateway::Caddy), test(Gateway::Traefik));
            })*
        }
    };
    (@ $name:ident $gateway:ident $($file:ident::$test:ident)*) => {
        mod $name {
            use crate::gateway::Gateway;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                let observed = crate::$file::$test(Gateway::$gateway).await;
                crate::check_outcome(stringify!($test), Gateway::$gateway, observed);
            })*
        }
    };
}

gateway_tests! {
    each {
        identity::request_with_key_reaches_upstream_with_identity:
            "The service receives `X-Key-Id`, `X-Key-Name` and `X-Key-Scopes`, but not the key";
        identity::request_with_forged_identity_headers_arrives_without_them:
            "A client can neither set these headers nor have them dropped (`Connection: X-Key-Id`)";
        identity::request_with_unknown_identity_headers_arrives_without_them:
            "All of a client's `X-Key-*` headers are deleted"
            [Nginx: "only the three that UL Keys sets; nginx cannot delete headers by pattern"];
        identity::request_with_unusual_header_names_arrives_without_them:
            "Headers such as `X_Key_Id`, `X.Key.Id` and `X!Key!Id` are deleted";
        identity::request_with_method_or_path_headers_is_authorized_by_request_line:
            "No header overrides the method or path, neither for the authorization nor for the service";
        credentials::request_with_key_in_either_header_passes_without_key:
            "The key may be in `Authorization` or `X-API-Key`; the other header is forwarded";
        credentials::request_with_two_keys_is_rejected:
            "Requests with two keys are rejected";
        credentials::preemptive_basic_credentials_pass:
            "Preemptive HTTP Basic is accepted (`curl --user`, `wget --auth-no-challenge`), and no response requests it";
        credentials::preflight_passes_only_where_rule_allows_it:
            "CORS preflights without a key are allowed only where the rule permits them (`/predict/`)";
        forwarded_headers::request_with_forged_forwarding_headers_arrives_without_them:
            "`Host` keeps its port; the gateway sets `X-Forwarded-For`, `-Host` and `-Proto`, and deletes similar headers";
        forwarded_headers::redirect_of_flask_app_points_to_gateway:
            "Redirects of a Flask app (ProxyFix) lead back to the gateway, whatever headers the client sends";
        forwarded_headers::request_passes_unchanged:
            "The method, target and all other headers are forwarded unchanged, and none are added"
            [Traefik: "requests gzip if the client names no encoding, and decompresses it"];
        forwarded_headers::request_with_absolute_target_keeps_its_host:
            "In `GET http://two.example/`, the host of the target is used"
            [Nginx: "the `Host` header is used"];
        forwarded_headers::request_without_host_is_authorized:
            "An HTTP/1.0 request without `Host` is allowed with a key; `Host` becomes the service's own address"
            [Nginx: "the service receives no `Host`"];
        paths::unencoded_address_passes:
            "A URL that is not percent-encoded (`größe`) is forwarded unchanged"
            [Caddy: "encodes the path", Traefik: "encodes the path"];
        paths::path_spelling_tricks_open_only_allowed_paths:
            "No spelling of a path (`..`, `//`, `%2f`, `;`, `\\`) opens a path that the key must not access";
        paths::path_in_other_case_does_not_match:
            "Paths are case-sensitive: a rule for `/predict/` does not open `/PREDICT/`";
        framing::request_with_contradicting_lengths_smuggles_no_second_one:
            "Contradictory lengths cannot smuggle a second request, and each request on a connection is authorized";
        framing::ambiguous_header_forges_nothing:
            "Folded lines, control characters and duplicate `Host` headers cannot forge a header";
        framing::chunked_or_sized_body_passes:
            "Chunked bodies and `Expect: 100-continue` work; the body of a rejected request is not requested"
            [Nginx: "requests the body before it rejects the request"];
        framing::trailers_of_request_are_dropped:
            "Request trailers are dropped";
        traffic::body_of_any_size_passes:
            "Bodies of any size are forwarded in both directions";
        traffic::upstream_response_passes:
            "The service's own responses are forwarded: errors, `HEAD`, 304";
        responses::response_with_x_accel_headers_passes_unchanged:
            "`X-Accel-*` headers in the service's response have no effect, and are forwarded";
        responses::response_arrives_with_upstream_headers_only:
            "A response has exactly the headers that the service sent"
            [Caddy: "adds its own `Server`, and guesses a missing `Content-Type`"];
        responses::response_after_early_hints_arrives:
            "A response after early hints (103) arrives, and so does the next one on the connection"
            [Nginx: "the next one does not"];
        responses::response_with_trailers_keeps_them:
            "A response keeps its trailers"
            [Nginx: "they are dropped"];
        traffic::request_with_many_headers_passes:
            "Requests with 300 headers are forwarded";
        traffic::response_in_chunks_passes_unbuffered:
            "Responses are streamed without buffering (event streams, NDJSON, others)";
        traffic::body_in_chunks_passes_unbuffered:
            "Uploads are streamed without buffering";
        traffic::client_disconnect_aborts_upstream_request:
            "The service notices when the client disconnects";
        traffic::long_heads_pass_and_too_long_ones_are_rejected:
            "Queries, cookies and response headers of 24 KiB are forwarded; longer requests are rejected with 4xx";
        traffic::key_check_has_no_body_and_no_cookies:
            "The authorization request has no body, no body length and no cookies";
        traffic::key_checks_share_connections:
            "Authorization requests share a few connections";
        traffic::http_2_over_tls_passes:
            "HTTP/2 works if the lines for TLS are enabled";
        websockets::websocket_passes_only_where_rule_allows_it:
            "WebSockets are allowed only where the rule permits them (`/predict/`), and have the identity headers";
        websockets::websocket_over_tls_passes_by_http_1:
            "Over TLS, WebSockets work with HTTP/1.1; HTTP/2 neither offers nor opens any (RFC 8441)";
        websockets::upgrade_to_other_protocol_is_rejected:
            "No other protocol is allowed (`Upgrade: h2c`, `CONNECT`)";
        rejections::rejected_client_receives_reason:
            "A rejected client receives 401 or 403, `WWW-Authenticate` and the reason";
        rejections::limited_client_receives_retry_time:
            "A client that exceeds a rate limit receives 429, `Retry-After` and `X-RateLimit-*`";
        rejections::gateway_opens_nothing_else:
            "Nothing else is reachable: neither UL Keys itself nor an admin interface of the gateway";
        rejections::request_without_key_service_is_rejected:
            "All requests are rejected while UL Keys is not running"
            [Nginx: "503", Caddy: "502", Traefik: "500"];
        revocation::request_after_revocation_is_rejected:
            "Requests that start after a revocation are rejected";
    }
    together {
        timeouts::pause_of_75_seconds_ends_no_request:
            "A pause of 75 seconds ends no request, whether before a response or within a body, on either side";
        timeouts::request_is_rejected_within_35_seconds_if_key_service_hangs:
            "While UL Keys does not respond, requests are rejected with 5xx within 35 seconds";
    }
}
