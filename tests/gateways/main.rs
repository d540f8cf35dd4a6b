//! Real gateways, with the very files of `docs/gateways`, between real programs and an upstream that notes what reaches
//! it; and a real resource server that asks about the keys that it is shown.

mod gateway;
mod identity;
mod introspection;
mod paths;
mod refusals;
mod revocation;
mod site;
mod traffic;
mod upstream;

/// One test of each story for each gateway.
macro_rules! each_gateway {
    ($($file:ident::$story:ident),* $(,)?) => {
        each_gateway!(@ nginx Nginx $($file::$story)*);
        each_gateway!(@ caddy Caddy $($file::$story)*);
        each_gateway!(@ traefik Traefik $($file::$story)*);
    };
    (@ $name:ident $gateway:ident $($file:ident::$story:ident)*) => {
        mod $name {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                crate::$file::$story(crate::gateway::Gateway::$gateway).await;
            })*
        }
    };
}

each_gateway!(
    identity::the_upstream_learns_whose_key_it_is,
    identity::no_client_names_itself,
    identity::no_header_makes_another_request_of_it,
    paths::no_path_opens_what_the_key_may_not,
    refusals::the_client_is_told_why,
    refusals::the_client_is_told_when_to_come_back,
    refusals::there_is_no_way_in_beside_the_question,
    refusals::without_the_key_service_nothing_passes,
    revocation::a_revoked_key_stops_at_once,
    traffic::bodies_of_any_size_pass,
    traffic::the_upstreams_own_answers_pass,
);
