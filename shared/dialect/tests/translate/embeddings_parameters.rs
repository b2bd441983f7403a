//! Parameters of embeddings, each with every kind of value, at every upstream.

use bulkhead_dialect::translate::embed::Dialect;
use serde_json::{Value, json};

use crate::embeddings::{leaves, upstreams};

/// What a client sends beside the input: absent, null, empty, valid, invalid.
fn rows() -> Vec<(&'static str, Vec<Option<Value>>)> {
    let all = |valid: Value, invalid: Value| {
        vec![None, Some(Value::Null), Some(json!("")), Some(valid), Some(invalid)]
    };
    vec![
        ("dimensions", all(json!(256), json!(0))),
        ("encoding_format", all(json!("float"), json!("hex"))),
        ("embedding_types", vec![Some(json!(["ubinary"])), Some(json!(["float", "int8"]))]),
        ("input_type", all(json!("clustering"), json!(7))),
        ("task_type", all(json!("SEMANTIC_SIMILARITY"), json!(["x"]))),
        ("title", all(json!("A title"), json!(7))),
        ("truncate", all(json!("NONE"), json!(true))),
        ("auto_truncate", all(json!(false), json!("no"))),
        ("normalize", all(json!(true), json!(1))),
        ("user", all(json!("u"), json!({}))),
        ("nobody_knows", all(json!(1), json!({}))),
    ]
}

#[test]
fn every_parameter_leaves_or_is_named() {
    for (to, dialect, model) in upstreams() {
        let mut text = String::new();
        for (name, values) in rows() {
            for value in values {
                let mut body = json!({"model": "m", "input": "x"});
                if let Some(value) = &value {
                    body[name] = value.clone();
                }
                let said = value.map_or("absent".to_owned(), |value| value.to_string());
                text += &format!("{name}: {said}\n  {}\n", leaves(Dialect::OpenAi, dialect, model, &body));
            }
        }
        insta::assert_snapshot!(format!("embeddings-parameters-{to}"), text);
    }
}

/// What is to be embedded cannot be left out, so what is none is refused by its name.
#[test]
fn inputs_that_are_none_are_refused() {
    let picture = "data:image/png;base64,AA==";
    let mut text = String::new();
    for input in [
        json!(null),
        json!(""),
        json!([]),
        json!([[]]),
        json!(7),
        json!([1, 2]),
        json!([[1, 2], [3]]),
        json!([{"type": "text"}]),
        json!([{"type": "file", "file": {"file_id": "files/x", "file_data": picture}}]),
        json!([{"type": "file", "file": {"file_data": "no URL"}}]),
        json!(["data:audio/wav;base64,AA=="]),
        json!(["data:;base64,AA==", "data:text/plain,x"]),
        json!([["x", picture, picture]]),
        json!([{"type": "file", "file": {"file_id": "gs://b/x"}}]),
    ] {
        text += &format!("{input}\n");
        for (to, dialect, model) in upstreams() {
            let body = json!({"model": "m", "input": input});
            text += &format!("  {to}: {}\n", leaves(Dialect::OpenAi, dialect, model, &body));
        }
    }
    insta::assert_snapshot!("embeddings-inputs", text);
}

#[test]
fn of_two_names_for_one_thing_the_last_counts_and_the_other_is_named() {
    let body = json!({"model": "m", "input": "x", "input_type": "clustering", "task_type": "CLASSIFICATION"});
    let said = leaves(Dialect::OpenAi, Dialect::Cohere, "m", &body);
    assert!(
        said.contains(r#""input_type":"classification""#) && said.ends_with("Aside: input_type "),
        "{said}"
    );
}

#[test]
fn more_than_a_model_takes_one_at_a_time_are_refused() {
    let body = json!({"model": "m", "input": vec!["x"; 129]});
    let said = leaves(Dialect::OpenAi, Dialect::Invoke, "amazon.titan-embed-text-v2:0", &body);
    assert!(said.starts_with("'input': this model takes one input at a time"), "{said}");
    let said = leaves(Dialect::OpenAi, Dialect::Invoke, "arn:aws:bedrock:x", &body);
    assert!(said.contains("model_info: base_model"), "{said}");
}

#[test]
fn googles_parameters_leave_or_are_named() {
    let one = |more: Value| {
        let mut body = json!({"content": {"parts": [{"text": "x"}]}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let mut text = String::new();
    for (from, body) in [
        (
            Dialect::GeminiOne,
            one(json!({"output_dimensionality": 3, "task_type": "CLUSTERING", "title": "t"})),
        ),
        (
            Dialect::GeminiOne,
            one(json!({"embedContentConfig": {"outputDimensionality": 3, "documentOcr": true}})),
        ),
        (Dialect::GeminiOne, one(json!({"taskType": null, "outputDimensionality": -1}))),
        (Dialect::GeminiOne, one(json!({"cachedContent": "c"}))),
        (Dialect::GeminiOne, json!({"content": {"parts": []}})),
        (Dialect::GeminiOne, json!({"content": {"parts": [{"text": "a"}, {"text": "b"}]}})),
        (Dialect::GeminiOne, json!({"content": {"parts": [{"functionCall": {}}]}})),
        (
            Dialect::GeminiOne,
            json!({"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA"}}]}}),
        ),
        (Dialect::GeminiBatch, json!({"requests": []})),
        (Dialect::GeminiBatch, json!({"requests": [one(json!({"taskType": "CLUSTERING"})), one(json!({}))]})),
    ] {
        text += &format!("{body}\n");
        for (to, dialect, model) in upstreams() {
            text += &format!("  {to}: {}\n", leaves(from, dialect, model, &body));
        }
    }
    insta::assert_snapshot!("embeddings-google", text);
}
