//! Real gateways, with the very files of `docs/gateways`, between real programs and an upstream that notes what reaches
//! it; and a real resource server that asks about the keys that it is shown.

mod credentials;
mod forwarded;
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
        identity::the_upstream_learns_whose_key_it_is:
            "The program receives `X-Key-Id`, `X-Key-Name` and `X-Key-Scopes`, and not the key";
        identity::no_client_names_itself:
            "A client can neither write these headers nor have them dropped (`Connection: X-Key-Id`)";
        identity::identity_headers_of_later_versions_are_the_gateways_too:
            "All of a client's `X-Key-*` headers are deleted"
            [Nginx: "only the three that UL Keys writes now; nginx cannot delete by pattern"];
        identity::names_of_headers_consist_of_letters_digits_and_hyphens:
            "Headers such as `X_Key_Id`, `X.Key.Id` and `X!Key!Id` are deleted";
        identity::no_header_makes_another_request_of_it:
            "No header replaces the method or the path, in the decision or in the program";
        credentials::the_key_may_be_in_either_header_and_ends_at_the_gateway:
            "The key may be in `Authorization` or `X-API-Key`; the other header passes";
        credentials::two_keys_are_none:
            "Two keys in one request are rejected";
        credentials::preflights_pass_where_the_rule_says_so:
            "CORS preflights pass without a key where the rule allows it (`/predict/`), and nowhere else";
        forwarded::only_the_gateway_names_the_way:
            "`Host` arrives with its port; `X-Forwarded-For`, `-Host` and `-Proto` are the gateway's own, and others are deleted";
        forwarded::redirects_of_a_flask_program_lead_back_to_the_gateway:
            "Redirects of a Flask program (ProxyFix) lead back to the gateway, whatever a client claims";
        forwarded::the_request_is_passed_on_as_it_is:
            "Method, target and all other headers arrive as they were sent, and no others"
            [Traefik: "asks for gzip where the client names no encoding, and unpacks it"];
        forwarded::the_host_of_a_full_target_counts:
            "In `GET http://two.example/`, the host of the target counts"
            [Nginx: "the `Host` header counts"];
        forwarded::a_request_without_a_host_is_decided_about_too:
            "An HTTP/1.0 request without a `Host` passes with a key, with the program's own address as `Host`"
            [Nginx: "the program receives no `Host`"];
        paths::no_path_opens_what_the_key_may_not:
            "No spelling of a path (`..`, `//`, `%2f`, `;`, `\\`) opens what the key may not";
        paths::paths_match_with_case:
            "Paths match with case: a rule for `/predict/` does not open `/PREDICT/`";
        framing::no_request_hides_in_another:
            "No second request hides behind contradicting lengths, and each on a connection is decided about";
        framing::a_header_of_two_readings_passes_in_one_or_not_at_all:
            "Folded lines, control characters and two `Host` headers forge nothing";
        framing::bodies_pass_as_clients_send_them:
            "Chunked bodies and `Expect: 100-continue` pass; who is rejected is not asked for the body"
            [Nginx: "before it rejects a request, it asks for the body too"];
        framing::trailers_say_nothing_about_a_client:
            "Trailers are dropped";
        traffic::bodies_of_any_size_pass:
            "Bodies of any size pass, in both directions";
        traffic::the_upstreams_own_answers_pass:
            "The program's own answers pass: errors, `HEAD`, 304";
        traffic::each_piece_of_an_answer_passes_as_it_comes:
            "Each piece of an answer passes as it comes (event streams, NDJSON, others)";
        traffic::each_piece_of_a_body_passes_as_it_comes:
            "Each piece of an upload passes as it comes";
        traffic::a_client_that_leaves_ends_its_request:
            "The program notices that the client has left";
        traffic::long_queries_cookies_and_heads_of_answers_pass:
            "Queries, cookies and heads of answers of 24 KiB pass; what is too long is answered with 4xx";
        traffic::questions_have_neither_a_body_nor_its_length:
            "UL Keys is asked without the body, its length and the cookies";
        traffic::questions_share_connections:
            "UL Keys is asked on few connections";
        traffic::http_2_passes_over_tls:
            "HTTP/2 passes, with the lines for TLS";
        websockets::websockets_pass_where_the_rule_says_so:
            "WebSockets pass where the rule allows it (`/predict/`), with the identity, and nowhere else";
        websockets::no_other_protocol_passes:
            "No other protocol does (`Upgrade: h2c`, `CONNECT`)";
        refusals::the_client_is_told_why:
            "A rejected client receives 401 or 403, `WWW-Authenticate` and the reason";
        refusals::the_client_is_told_when_to_come_back:
            "Beyond a limit, it receives 429, `Retry-After` and `X-RateLimit-*`";
        refusals::there_is_no_way_in_beside_the_question:
            "Nothing else is open: neither UL Keys itself nor an administration of the gateway";
        refusals::without_the_key_service_nothing_passes:
            "Nothing passes while UL Keys does not run"
            [Nginx: "503", Caddy: "502", Traefik: "500"];
        revocation::a_revoked_key_stops_at_once:
            "No request that starts after a revocation passes";
    }
    together {
        patience::a_pause_of_75_seconds_ends_nothing:
            "A pause of 75 seconds ends nothing: before an answer, or in a body, on either side";
        patience::a_key_service_that_does_not_answer_rejects_within_half_a_minute:
            "Nothing passes, and 5xx is answered within half a minute, while UL Keys does not answer";
    }
}
