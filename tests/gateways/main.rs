//! Real gateways, with the very files of `docs/gateways`, between real programs and an upstream that notes what reaches
//! it; and a real resource server that asks about the keys that it is shown.

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

/// What a test observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its claim holds.
    AsClaimed,
    /// The gateway itself differs, in these words.
    Difference(&'static str),
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::AsClaimed
    }
}

/// A row of the table in `docs/gateways`.
pub struct GatewayTest {
    function: &'static str,
    claim: &'static str,
    differences: &'static [(Gateway, &'static str)],
}

impl GatewayTest {
    /// What the table says about a gateway.
    fn expected_outcome(&self, gateway: Gateway) -> Outcome {
        let difference = self.differences.iter().find(|(differs, _)| *differs == gateway);
        difference.map_or(Outcome::AsClaimed, |(_, words)| Outcome::Difference(words))
    }
}

/// Compares what a test observed with what the table says.
fn check_outcome(function: &str, gateway: Gateway, observed: impl Into<Outcome>) {
    let test = GATEWAY_TESTS.iter().find(|test| test.function == function).expect("a story");
    assert_eq!(
        observed.into(),
        test.expected_outcome(gateway),
        "docs/gateways/stories.md says otherwise of {gateway:?}"
    );
}

/// Each test for each gateway, and the rows of the table. Tests that mostly wait run for all gateways
/// at the same time.
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
            "The program receives `X-Key-Id`, `X-Key-Name` and `X-Key-Scopes`, and not the key";
        identity::request_with_forged_identity_headers_arrives_without_them:
            "A client can neither write these headers nor have them dropped (`Connection: X-Key-Id`)";
        identity::request_with_unknown_identity_headers_arrives_without_them:
            "All of a client's `X-Key-*` headers are deleted"
            [Nginx: "only the three that UL Keys writes now; nginx cannot delete by pattern"];
        identity::request_with_unusual_header_names_arrives_without_them:
            "Headers such as `X_Key_Id`, `X.Key.Id` and `X!Key!Id` are deleted";
        identity::request_with_method_or_path_headers_is_authorized_by_request_line:
            "No header replaces the method or the path, in the decision or in the program";
        credentials::request_with_key_in_either_header_passes_without_key:
            "The key may be in `Authorization` or `X-API-Key`; the other header passes";
        credentials::request_with_two_keys_is_rejected:
            "Two keys in one request are rejected";
        credentials::preemptive_basic_credentials_pass:
            "HTTP Basic passes where a client sends it unasked (`curl --user`, `wget --auth-no-challenge`); nothing asks for it";
        credentials::preflight_passes_only_where_rule_allows_it:
            "CORS preflights pass without a key where the rule allows it (`/predict/`), and nowhere else";
        forwarded_headers::request_with_forged_forwarding_headers_arrives_without_them:
            "`Host` arrives with its port; `X-Forwarded-For`, `-Host` and `-Proto` are the gateway's own, and others are deleted";
        forwarded_headers::redirect_of_flask_app_points_to_gateway:
            "Redirects of a Flask program (ProxyFix) lead back to the gateway, whatever a client claims";
        forwarded_headers::request_passes_unchanged:
            "Method, target and all other headers arrive as they were sent, and no others"
            [Traefik: "asks for gzip where the client names no encoding, and unpacks it"];
        forwarded_headers::request_with_absolute_target_keeps_its_host:
            "In `GET http://two.example/`, the host of the target counts"
            [Nginx: "the `Host` header counts"];
        forwarded_headers::request_without_host_is_authorized:
            "An HTTP/1.0 request without a `Host` passes with a key, with the program's own address as `Host`"
            [Nginx: "the program receives no `Host`"];
        paths::unencoded_address_passes:
            "An address that is not percent-encoded (`größe`) passes as it came"
            [Caddy: "encodes its path", Traefik: "encodes its path"];
        paths::path_spelling_tricks_open_only_allowed_paths:
            "No spelling of a path (`..`, `//`, `%2f`, `;`, `\\`) opens what the key may not";
        paths::path_in_other_case_does_not_match:
            "Paths match with case: a rule for `/predict/` does not open `/PREDICT/`";
        framing::request_with_contradicting_lengths_smuggles_no_second_one:
            "No second request hides behind contradicting lengths, and each on a connection is decided about";
        framing::ambiguous_header_forges_nothing:
            "Folded lines, control characters and two `Host` headers forge nothing";
        framing::chunked_or_sized_body_passes:
            "Chunked bodies and `Expect: 100-continue` pass; who is rejected is not asked for the body"
            [Nginx: "before it rejects a request, it asks for the body too"];
        framing::trailers_of_request_are_dropped:
            "Trailers of a request are dropped";
        traffic::body_of_any_size_passes:
            "Bodies of any size pass, in both directions";
        traffic::upstream_response_passes:
            "The program's own answers pass: errors, `HEAD`, 304";
        responses::response_with_x_accel_headers_passes_unchanged:
            "`X-Accel-*` headers of the program's answer order nothing, and pass";
        responses::response_arrives_with_upstream_headers_only:
            "An answer arrives with the headers that the program sent, and no others"
            [Caddy: "adds its own `Server`, and guesses a `Content-Type` where there is none"];
        responses::response_after_early_hints_arrives:
            "An answer after early hints (103) arrives, and so does the next one on the connection"
            [Nginx: "the next one does not"];
        responses::response_with_trailers_keeps_them:
            "An answer keeps its trailers"
            [Nginx: "they are dropped"];
        traffic::request_with_many_headers_passes:
            "Requests with 300 headers pass";
        traffic::response_in_chunks_passes_unbuffered:
            "Each piece of an answer passes as it comes (event streams, NDJSON, others)";
        traffic::body_in_chunks_passes_unbuffered:
            "Each piece of an upload passes as it comes";
        traffic::client_disconnect_aborts_upstream_request:
            "The program notices that the client has left";
        traffic::long_heads_pass_and_too_long_ones_are_rejected:
            "Queries, cookies and heads of answers of 24 KiB pass; what is too long is answered with 4xx";
        traffic::key_check_has_no_body_and_no_cookies:
            "UL Keys is asked without the body, its length and the cookies";
        traffic::key_checks_share_connections:
            "UL Keys is asked on few connections";
        traffic::http_2_over_tls_passes:
            "HTTP/2 passes, with the lines for TLS";
        websockets::websocket_passes_only_where_rule_allows_it:
            "WebSockets pass where the rule allows it (`/predict/`), with the identity, and nowhere else";
        websockets::websocket_over_tls_passes_by_http_1:
            "Over TLS, WebSockets pass by HTTP/1.1; HTTP/2 offers none (RFC 8441), and opens none";
        websockets::upgrade_to_other_protocol_is_rejected:
            "No other protocol does (`Upgrade: h2c`, `CONNECT`)";
        rejections::rejected_client_receives_reason:
            "A rejected client receives 401 or 403, `WWW-Authenticate` and the reason";
        rejections::limited_client_receives_retry_time:
            "Beyond a limit, it receives 429, `Retry-After` and `X-RateLimit-*`";
        rejections::gateway_opens_nothing_else:
            "Nothing else is open: neither UL Keys itself nor an administration of the gateway";
        rejections::request_without_key_service_is_rejected:
            "Nothing passes while UL Keys does not run"
            [Nginx: "503", Caddy: "502", Traefik: "500"];
        revocation::request_after_revocation_is_rejected:
            "No request that starts after a revocation passes";
    }
    together {
        timeouts::pause_of_75_seconds_ends_no_request:
            "A pause of 75 seconds ends nothing: before an answer, or in a body, on either side";
        timeouts::request_is_rejected_within_35_seconds_if_key_service_hangs:
            "Nothing passes, and 5xx is answered within 35 seconds, while UL Keys does not answer";
    }
}
