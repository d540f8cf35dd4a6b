//! What passes is not touched.

use reqwest::{Method, StatusCode};

use crate::gateway::Gateway;
use crate::site::Site;

pub async fn bodies_of_any_size_pass(gateway: Gateway) {
    const SIZE: usize = 48 << 20;
    let site = Site::start(gateway).await;
    let (_, key) = site.service.key("uploader", &["models"]).await.expect("made");
    for target in ["/api/models/a", "/predict/x"] {
        let answer = site.request(&key, Method::PUT, target).body(vec![7; SIZE]).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(site.upstream.take_one().body, SIZE);
    }
    // A client that is refused may still be sending, and see its connection end before it sees the answer.
    if let Ok(answer) = site.request("ul_x", Method::PUT, "/predict/x").body(vec![7; SIZE]).send().await {
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(site.upstream.take().len(), 0);
}

/// An error of the upstream's own is not taken for a refusal.
pub async fn the_upstreams_own_answers_pass(gateway: Gateway) {
    let site = Site::start(gateway).await;
    let (_, key) = site.service.key("key", &["models"]).await.expect("made");
    for status in [200, 202, 401, 403, 404, 429, 500, 503] {
        let target = format!("/api/models?status={status}");
        for method in [Method::GET, Method::PATCH] {
            let answer = site.request(&key, method, &target).send().await.expect("answered");
            assert_eq!(answer.status(), status);
            assert_eq!(answer.text().await.expect("a body"), "from the upstream");
        }
        let answer = site.request(&key, Method::HEAD, &target).send().await.expect("answered");
        assert_eq!(answer.status(), status);
        assert_eq!(site.upstream.take().len(), 3);
    }
}
