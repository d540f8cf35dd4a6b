//! Real gateways, with the very files of `docs/gateways`, between real programs and an upstream that notes what reaches
//! it; and a real resource server that asks about the keys that it is shown.

mod answers;
mod credentials;
mod forwarded;
mod forwarders;
mod framing;
mod gateway;
mod identity;
mod introspection;
mod paths;
mod patience;
mod refusals;
mod revocation;
mod site;
mod table;
mod traffic;
mod upstream;
mod websockets;

use gateway::Gateway;

/// What a story observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// Its claim holds.
    AsClaimed,
    /// The gateway itself differs, in these words.
    Difference(&'static str),
}

impl From<()> for Observed {
    fn from((): ()) -> Self {
        Self::AsClaimed
    }
}

/// A row of the table in `docs/gateways`.
pub struct Story {
    function: &'static str,
    claim: &'static str,
    differences: &'static [(Gateway, &'static str)],
}

impl Story {
    /// What the table says about a gateway.
    fn expected(&self, gateway: Gateway) -> Observed {
        let difference = self.differences.iter().find(|(differs, _)| *differs == gateway);
        difference.map_or(Observed::AsClaimed, |(_, words)| Observed::Difference(words))
    }
}

/// Compares what a story observed with what the table says.
fn check(function: &str, gateway: Gateway, observed: impl Into<Observed>) {
    let story = STORIES.iter().find(|story| story.function == function).expect("a story");
    assert_eq!(observed.into(), story.expected(gateway), "docs/gateways/stories.md says otherwise of {gateway:?}");
}

/// One test of each story for each gateway, and the rows of the table. Stories that mostly wait run for all gateways
/// at the same time.
macro_rules! stories {
    (
        each { $($file:ident::$story:ident: $claim:literal $([$($differs:ident: $words:literal),*])?;)* }
        together { $($slow_file:ident::$slow:ident: $slow_claim:literal;)* }
    ) => {
        const STORIES: &[Story] = &[
            $(Story {
                function: stringify!($story),
                claim: $claim,
                differences: &[$($((Gateway::$differs, $words)),*)?],
            },)*
            $(Story { function: stringify!($slow), claim: $slow_claim, differences: &[] },)*
        ];
        stories!(@ nginx Nginx $($file::$story)*);
        stories!(@ caddy Caddy $($file::$story)*);
        stories!(@ traefik Traefik $($file::$story)*);
        mod together {
            use crate::gateway::Gateway;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $slow() {
                use crate::$slow_file::$slow as story;
                tokio::join!(story(Gateway::Nginx), story(Gateway::Caddy), story(Gateway::Traefik));
            })*
        }
    };
    (@ $name:ident $gateway:ident $($file:ident::$story:ident)*) => {
        mod $name {
            use crate::gateway::Gateway;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                let observed = crate::$file::$story(Gateway::$gateway).await;
                crate::check(stringify!($story), Gateway::$gateway, observed);
            })*
        }
    };
}

stories! {
    each {
        identity::request_with_key_reaches_program_with_identity:
            "The program receives `X-Key-Id`, `X-Key-Name` and `X-Key-Scopes`, and not the key";
        identity::request_with_forged_identity_headers_arrives_without_them:
            "A client can neither write these headers nor have them dropped (`Connection: X-Key-Id`)";
        identity::request_with_unknown_identity_headers_arrives_without_them:
            "All of a client's `X-Key-*` headers are deleted"
            [Nginx: "only the three that UL Keys writes now; nginx cannot delete by pattern"];
        identity::request_with_odd_header_names_arrives_without_them:
            "Headers such as `X_Key_Id`, `X.Key.Id` and `X!Key!Id` are deleted";
        identity::request_with_method_or_path_headers_is_decided_by_its_own:
            "No header replaces the method or the path, in the decision or in the program";
        credentials::request_with_key_in_either_header_passes_without_key:
            "The key may be in `Authorization` or `X-API-Key`; the other header passes";
        credentials::request_with_two_keys_is_rejected:
            "Two keys in one request are rejected";
        credentials::basic_passes_where_it_is_sent_unasked:
            "HTTP Basic passes where a client sends it unasked (`curl --user`, `wget --auth-no-challenge`); nothing asks for it";
        credentials::preflight_passes_only_where_rule_allows_it:
            "CORS preflights pass without a key where the rule allows it (`/predict/`), and nowhere else";
        forwarded::request_with_forged_forwarding_headers_arrives_without_them:
            "`Host` arrives with its port; `X-Forwarded-For`, `-Host` and `-Proto` are the gateway's own, and others are deleted";
        forwarded::redirect_of_flask_program_leads_back_to_gateway:
            "Redirects of a Flask program (ProxyFix) lead back to the gateway, whatever a client claims";
        forwarded::request_passes_unchanged:
            "Method, target and all other headers arrive as they were sent, and no others"
            [Traefik: "asks for gzip where the client names no encoding, and unpacks it"];
        forwarded::request_with_absolute_target_keeps_its_host:
            "In `GET http://two.example/`, the host of the target counts"
            [Nginx: "the `Host` header counts"];
        forwarded::request_without_host_is_decided:
            "An HTTP/1.0 request without a `Host` passes with a key, with the program's own address as `Host`"
            [Nginx: "the program receives no `Host`"];
        paths::address_that_is_not_percent_encoded_passes:
            "An address that is not percent-encoded (`größe`) passes as it came"
            [Caddy: "encodes its path", Traefik: "encodes its path"];
        paths::path_in_any_spelling_opens_only_what_key_may:
            "No spelling of a path (`..`, `//`, `%2f`, `;`, `\\`) opens what the key may not";
        paths::path_in_other_case_does_not_match:
            "Paths match with case: a rule for `/predict/` does not open `/PREDICT/`";
        framing::request_with_contradicting_lengths_hides_no_second_one:
            "No second request hides behind contradicting lengths, and each on a connection is decided about";
        framing::header_with_two_readings_forges_nothing:
            "Folded lines, control characters and two `Host` headers forge nothing";
        framing::body_chunked_or_announced_passes:
            "Chunked bodies and `Expect: 100-continue` pass; who is rejected is not asked for the body"
            [Nginx: "before it rejects a request, it asks for the body too"];
        framing::trailers_of_request_are_dropped:
            "Trailers of a request are dropped";
        traffic::body_of_any_size_passes:
            "Bodies of any size pass, in both directions";
        traffic::answer_of_program_passes:
            "The program's own answers pass: errors, `HEAD`, 304";
        answers::answer_with_x_accel_headers_passes_unchanged:
            "`X-Accel-*` headers of the program's answer order nothing, and pass";
        answers::answer_arrives_with_its_own_headers_only:
            "An answer arrives with the headers that the program sent, and no others"
            [Caddy: "adds its own `Server`, and guesses a `Content-Type` where there is none"];
        answers::answer_after_early_hints_arrives:
            "An answer after early hints (103) arrives, and so does the next one on the connection"
            [Nginx: "the next one does not"];
        answers::answer_with_trailers_keeps_them:
            "An answer keeps its trailers"
            [Nginx: "they are dropped"];
        traffic::request_with_many_headers_passes:
            "Requests with 300 headers pass";
        traffic::answer_in_pieces_passes_unbuffered:
            "Each piece of an answer passes as it comes (event streams, NDJSON, others)";
        traffic::body_in_pieces_passes_unbuffered:
            "Each piece of an upload passes as it comes";
        traffic::client_that_disconnects_ends_its_request:
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
        refusals::rejected_client_receives_reason:
            "A rejected client receives 401 or 403, `WWW-Authenticate` and the reason";
        refusals::limited_client_receives_retry_time:
            "Beyond a limit, it receives 429, `Retry-After` and `X-RateLimit-*`";
        refusals::gateway_opens_nothing_else:
            "Nothing else is open: neither UL Keys itself nor an administration of the gateway";
        refusals::request_without_key_service_is_rejected:
            "Nothing passes while UL Keys does not run"
            [Nginx: "503", Caddy: "502", Traefik: "500"];
        revocation::request_after_revocation_is_rejected:
            "No request that starts after a revocation passes";
    }
    together {
        patience::pause_of_75_seconds_ends_nothing:
            "A pause of 75 seconds ends nothing: before an answer, or in a body, on either side";
        patience::request_is_rejected_within_35_seconds_if_key_service_hangs:
            "Nothing passes, and 5xx is answered within 35 seconds, while UL Keys does not answer";
    }
}
