//! Helpers shared by the property tests of several crates.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::string::string_regex;

/// Returns a configuration with at least 2,500 cases, or more if `PROPTEST_CASES` is higher.
pub fn proptest_config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(2_500), ..default }
}

/// Generates test inputs from a valid string: the string itself; the string with one byte changed, inserted or removed;
/// and completely random bytes.
pub fn mutations_of(valid: &str) -> impl Strategy<Value = Vec<u8>> + Clone + use<> {
    let valid = valid.as_bytes().to_vec();
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"ul_key09afAFgz \n%".as_slice())];
    let near = (any::<Index>(), byte, 0..4_u8).prop_map(move |(at, byte, how)| {
        let mut bytes = valid.clone();
        let at = at.index(bytes.len());
        match how {
            0 => {}
            1 => bytes[at] = byte,
            2 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
        bytes
    });
    prop_oneof![3 => near, 1 => prop::collection::vec(any::<u8>(), 0..100)]
}

/// Whether `message` repeats eight or more consecutive bytes of `input`. Bytes that also occur in `words`, the fixed
/// parts of error messages, are ignored.
pub fn leaks_input(message: &str, input: &[u8], words: &[&str]) -> bool {
    let holds = |text: &str, part: &[u8]| text.as_bytes().windows(8).any(|window| window == part);
    input.windows(8).any(|part| holds(message, part) && !words.iter().any(|words| holds(words, part)))
}

/// Generates pairs of a method and a path. Paths consist of segments that have a special meaning, or of arbitrary text.
pub fn paths() -> impl Strategy<Value = (String, String)> {
    const URL_PATH_SEGMENTS: &str = "api|api-keys|account|summary|teams|members|billing|settings|datasets|images|training|start\
        |models|projects|exports|export|deployments|webhooks|upload|metrics|predict|batch|download|checkpoint|x|API\
        |\\.|\\.\\.|%61pi|a;b|é|";
    let of = |pattern: String| string_regex(&pattern).expect("a regular expression");
    let path = prop_oneof![
        8 => of(format!("/api(/({URL_PATH_SEGMENTS})){{0,5}}/?")),
        2 => of("/api/(models|datasets)(/(x|training|retraining|predict|exports?)){0,3}/?".to_owned()),
        2 => of(format!("/?({URL_PATH_SEGMENTS})(/({URL_PATH_SEGMENTS})){{0,5}}/?")),
        1 => ".{0,40}",
    ];
    (prop_oneof![4 => "GET|HEAD|POST|PUT|PATCH|DELETE", 1 => ".{0,8}"], path)
}
