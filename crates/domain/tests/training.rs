//! Tests the parser for reports from training processes: with a recorded run, with each validation rule, and with
//! arbitrary input.

use proptest::prelude::*;
use serde_json::{Value, json};
use ulkeys_domain::secret;
use ulkeys_domain::training::{Event, EventReport, ModelRef, RunUpdate, UploadRequest};

/// All requests of a real run of three epochs (client version 8.4.190), one JSON object per line.
const RECORDED_RUN: &str = include_str!("../../../tests/fixtures/yolo-train-3-epochs.ndjson");
const SAMPLE_KEY: &str = "ul_a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0";

fn parse(body: &Value) -> Result<EventReport, String> {
    EventReport::parse(&serde_json::to_vec(body).expect("can be serialized")).map_err(|error| error.to_string())
}

fn event(event: &str, data: Value) -> Result<Event, String> {
    parse(&json!({ "modelId": "m", "event": event, "data": data })).map(|report| report.event)
}

#[test]
fn parse_recorded_run_returns_each_event() {
    let mut names = Vec::new();
    for line in RECORDED_RUN.lines() {
        let line: Value = serde_json::from_str(line).expect("the line is JSON");
        let body = serde_json::to_vec(&line["body"]).expect("can be serialized");
        match line["path"].as_str() {
            Some("/api/webhooks/training/metrics") => {
                let report = EventReport::parse(&body).expect("the body is valid");
                names.push(report.event.name());
                if let Event::Update(RunUpdate::Epoch(epoch)) = report.event {
                    let sent = line["body"]["data"]["metrics"].as_object().expect("metrics are an object");
                    assert_eq!(epoch.metrics.len(), sent.len());
                    assert!(
                        epoch.metrics.iter().all(|(name, value)| value.map_or(Value::Null, Value::from) == sent[name])
                    );
                }
            }
            Some("/api/webhooks/models/upload") => {
                let request = UploadRequest::parse(&body).expect("the body is valid");
                assert_eq!((request.filename.as_str(), request.run.map(|run| run.get())), ("best.pt", Some(1)));
            }
            _ => assert_eq!(line["method"], "PUT"),
        }
    }
    let count = |name| names.iter().filter(|other| **other == name).count();
    assert_eq!((count("training_started"), count("epoch_end"), count("training_complete")), (1, 4, 1));
}

#[test]
fn parse_model_reference_accepts_each_form_of_the_clients() {
    let target = |body: Value| {
        let mut body = body;
        body["event"] = json!("training_progress");
        body["data"] = json!({});
        parse(&body).map(|report| match report.target {
            ModelRef::Model(id) => id.as_str().to_owned(),
            ModelRef::Named { project, name } => format!("{project}/{name}"),
        })
    };
    assert_eq!(target(json!({"project": "username/project", "name": "exp1"})), Ok("project/exp1".into()));
    assert_eq!(target(json!({"project": "My Project"})), Ok("my-project/train".into()));
    assert_eq!(target(json!({"project": "学習", "name": null})), Ok("project/train".into()));
    assert_eq!(target(json!({"modelId": "m1", "project": 7})), Ok("m1".into()));
    assert_eq!(target(json!({"modelId": null})), Err("project: is required without a modelId".into()));
    assert_eq!(target(json!({"project": SAMPLE_KEY})), Err("project: must not contain an API key".into()));
    assert_eq!(
        target(json!({"project": "p", "name": "x".repeat(257)})),
        Err("name: must have at most 256 bytes".into())
    );
    assert_eq!(target(json!({"modelId": "m".repeat(65)})), Err("modelId: must have at most 64 bytes".into()));
}

#[test]
fn parse_wrong_field_is_named_and_not_quoted() {
    for (name, data, error) in [
        ("training_started", json!({"epochs": -1}), "data.epochs: must be a whole number from 0 to 20000"),
        ("training_started", json!({"device": 3}), "data.device: must be a text"),
        ("training_started", json!({"trainArgs": "x".repeat(70_000)}), "data.trainArgs: is too large"),
        ("epoch_end", json!({}), "data.epoch: is required"),
        ("epoch_end", json!({"epoch": 1.5}), "data.epoch: must be a whole number from 0 to 20000"),
        ("epoch_end", json!({"epoch": 20_001}), "data.epoch: must be a whole number from 0 to 20000"),
        ("epoch_end", json!({"epoch": 0, "metrics": [1]}), "data.metrics: must be an object"),
        (
            "epoch_end",
            json!({"epoch": 0, "metrics": {"hidden": "hidden"}}),
            "data.metrics: must contain only numbers or null",
        ),
        ("epoch_end", json!({"epoch": 0, "fitness": "hidden"}), "data.fitness: must be a number or null"),
        ("epoch_end", json!({"epoch": 0, "system": "x".repeat(8_200)}), "data.system: is too large"),
        ("console_output", json!({"chunkId": 1}), "data.content: is required"),
        ("console_output", json!({"content": "x".repeat(262_145)}), "data.content: must have at most 262144 bytes"),
        ("checkpoint_saved", json!({"runId": 1}), "data.modelPath: is required"),
        (
            "checkpoint_saved",
            json!({"runId": "hidden"}),
            "data.runId: must be a whole number from 0 to 9007199254740991",
        ),
        ("training_complete", json!({"classNames": "hidden"}), "data.classNames: must be a list"),
        (
            "training_complete",
            json!({"classNames": [1]}),
            "data.classNames: must contain only texts of at most 256 bytes",
        ),
        ("training_complete", json!({"plots": {}}), "data.plots: must be a list"),
    ] {
        assert_eq!(event(name, data).map(|_| ()), Err(error.to_owned()));
    }
    let many: serde_json::Map<_, _> = (0..129).map(|number| (number.to_string(), json!(0))).collect();
    let error = event("epoch_end", json!({"epoch": 0, "metrics": many})).err();
    assert_eq!(error.as_deref(), Some("data.metrics: must have at most 128 entries"));
    let error = event("epoch_end", json!({"epoch": 0, "metrics": {"m".repeat(65): 0}})).err();
    assert_eq!(error.as_deref(), Some("data.metrics: must have names of at most 64 bytes"));
    let unknown = event("hidden", json!({})).expect_err("the body is invalid");
    assert!(unknown.starts_with("event: must be training_started, ") && !unknown.contains("hidden"), "{unknown}");
    for body in
        [json!({"modelId": "m", "event": "epoch_end"}), json!({"modelId": "m", "event": "epoch_end", "data": []})]
    {
        assert!(parse(&body).expect_err("the body is invalid").starts_with("data: "));
    }
    assert_eq!(parse(&json!([])), Err("body: must be a JSON object".into()));
}

/// Stored JSON can be longer than received JSON: a number of three bytes can take 24 bytes, and a control character
/// takes six bytes.
#[test]
fn parse_value_is_measured_as_it_is_stored() {
    for value in [json!("x".repeat(8_190)), json!(vec![0.123_456_789_012_345_67; 400]), json!("\u{1}".repeat(1_365))] {
        let Ok(Event::Update(RunUpdate::Epoch(epoch))) = event("epoch_end", json!({"epoch": 0, "system": value}))
        else {
            panic!("the event is rejected")
        };
        assert!(epoch.system.is_some_and(|system| system.to_string().len() <= 8_192));
    }
    for value in [json!("x".repeat(8_191)), json!(vec![-1e-300; 1_200]), json!("\u{1}".repeat(1_366))] {
        let error = event("epoch_end", json!({"epoch": 0, "system": value})).err();
        assert_eq!(error.as_deref(), Some("data.system: is too large"));
    }
    let grows = format!("[{}]", vec!["1e15"; 1_000].join(","));
    let body = format!(r#"{{"modelId": "m", "event": "epoch_end", "data": {{"epoch": 0, "system": {grows}}}}}"#);
    assert!(EventReport::parse(body.as_bytes()).is_err(), "each number takes 18 bytes when stored");
}

#[test]
fn parse_rejects_deep_nesting() {
    let nested = |depth: usize| (0..depth).fold(json!(0), |inner, _| json!([inner]));
    assert!(event("training_complete", json!({"results": nested(16)})).is_ok());
    let error = event("training_complete", json!({"results": nested(17)})).err();
    assert_eq!(error.as_deref(), Some("data.results: must be nested at most 16 levels deep"));
    let deepest = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(EventReport::parse(deepest.as_bytes()).is_err());
}

#[test]
fn parse_non_finite_metric_is_null() {
    let data = json!({"epoch": 3, "metrics": {"a": null, "b": 0.1}, "fitness": null, "new_field": {"ignored": true}});
    let Ok(Event::Update(RunUpdate::Epoch(epoch))) = event("epoch_end", data) else { panic!("the event is rejected") };
    assert_eq!(epoch.epoch, 3);
    assert_eq!((epoch.metrics["a"], epoch.metrics["b"], epoch.fitness), (None, Some(0.1), None));
}

#[test]
fn parse_redacts_keys_in_texts() {
    let data = json!({ "trainArgs": {"note": format!("key {SAMPLE_KEY}!")}, "environment": {SAMPLE_KEY: [SAMPLE_KEY]}, "device": SAMPLE_KEY });
    let Ok(Event::Started(start)) = event("training_started", data) else { panic!("the event is rejected") };
    assert_eq!(start.train_args, Some(json!({"note": "key ul_…!"})));
    assert!(!secret::contains_key(&format!("{start:?}")));
    let Ok(Event::Update(RunUpdate::Console(part))) =
        event("console_output", json!({"content": format!("{SAMPLE_KEY}\0")}))
    else {
        panic!("the event is rejected")
    };
    assert_eq!(part.content, "ul_…\u{FFFD}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(Value::from(SAMPLE_KEY)),
    ];
    let name = prop_oneof![
        "(event|data|modelId|runId|project|name|epoch|metrics|content|chunkId|results|plots|classNames|filename)",
        ".{0,6}"
    ];
    leaf.prop_recursive(6, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn parse_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (EventReport::parse(&bytes), UploadRequest::parse(&bytes));
    }

    #[test]
    fn parse_any_json_never_panics(body in any_json()) {
        let bytes = serde_json::to_vec(&body).expect("can be serialized");
        let _ = (EventReport::parse(&bytes), UploadRequest::parse(&bytes));
    }

    #[test]
    fn parse_any_event_leaves_no_key(data in any_json(), name in "training_started|training_progress|epoch_end|\
        system_metrics|console_output|checkpoint_saved|training_complete|training_failed") {
        if let Ok(event) = event(&name, data) {
            let text = format!("{event:?}");
            prop_assert_eq!(event.name(), name);
            prop_assert!(!secret::contains_key(&text));
        }
    }
}
