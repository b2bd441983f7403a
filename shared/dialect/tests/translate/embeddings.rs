//! Embeddings: requests as they leave, recorded answers as they arrive.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bulkhead_dialect::translate::embed::{Dialect, Plan, answer, request};
use bulkhead_dialect::translate::{AnswerOptions, RequestOptions, TranslateError};
use bulkhead_testkit::{Recording, corpus, recordings};
use serde_json::{Value, json};

use crate::cases::options;

pub(crate) const FAMILIES: [(&str, &str); 5] = [
    ("titan", "amazon.titan-embed-text-v1"),
    ("titan-2", "amazon.titan-embed-text-v2:0"),
    ("titan-image", "amazon.titan-embed-image-v1"),
    ("cohere-on-bedrock", "us.cohere.embed-v4:0"),
    ("nova", "amazon.nova-2-multimodal-embeddings-v1:0"),
];

/// Every upstream, with a model of each family.
pub(crate) fn upstreams() -> Vec<(&'static str, Dialect, &'static str)> {
    let plain = Dialect::UPSTREAMS.into_iter().filter(|to| *to != Dialect::Invoke);
    let plain = plain.map(|to| (to.name(), to, "the-model"));
    plain.chain(FAMILIES.map(|(name, model)| (name, Dialect::Invoke, model))).collect()
}

/// What leaves, a line for each body, then what was lost.
pub(crate) fn leaves(from: Dialect, to: Dialect, model: &str, body: &Value) -> String {
    let options = RequestOptions { model: Some(model), ..RequestOptions::default() };
    match request(from, to, body.to_string().as_bytes(), &options) {
        Err(error) => error.to_string(),
        Ok(done) => {
            let bodies = done.bodies.iter().map(|body| {
                serde_json::from_slice::<Value>(body).unwrap();
                String::from_utf8(body.to_vec()).unwrap()
            });
            let lost =
                done.losses.iter().map(|loss| format!("{:?}: {} {}", loss.weight, loss.name, loss.place));
            bodies.chain(lost).collect::<Vec<_>>().join("\n  ")
        }
    }
}

#[test]
fn requests_leave_as_they_did() {
    let picture = "data:image/png;base64,iVBORw0KGgo=";
    let google = |text: &str| {
        json!({"model": "models/m", "content": {"parts": [{"text": text}]}, "taskType": "RETRIEVAL_QUERY",
            "outputDimensionality": 256})
    };
    let requests = [
        ("text", Dialect::OpenAi, json!({"model": "m", "input": "One \"text\""})),
        (
            "full",
            Dialect::OpenAi,
            json!({"model": "m", "input": ["One", "Two"], "dimensions": 256, "encoding_format": "base64",
                "input_type": "search_query", "user": "u", "title": "A title", "truncate": "END",
                "auto_truncate": true, "normalize": false}),
        ),
        ("pictures", Dialect::OpenAi, json!({"model": "m", "input": [picture, picture]})),
        ("both", Dialect::OpenAi, json!({"model": "m", "input": [["A dog", picture], "A cat"]})),
        ("bytes", Dialect::OpenAi, json!({"model": "m", "input": ["x"], "encoding_format": "int8"})),
        (
            "file",
            Dialect::OpenAi,
            json!({"model": "m", "input": ["gs://b/a.pdf", {"type": "file", "file": {"file_id": "files/x"}}]}),
        ),
        ("one", Dialect::GeminiOne, google("One")),
        ("batch", Dialect::GeminiBatch, json!({"requests": [google("One"), google("Two")]})),
    ];
    for (name, from, body) in requests {
        let all = upstreams().into_iter();
        let all = all.map(|(to, dialect, model)| format!("{to}\n  {}", leaves(from, dialect, model, &body)));
        insta::assert_snapshot!(format!("embeddings-{name}"), all.collect::<Vec<_>>().join("\n"));
    }
}

fn answered(
    upstream: Dialect,
    client: Dialect,
    bodies: &[&[u8]],
    plan: Plan,
) -> Result<(Value, u64, bool), TranslateError> {
    let done = answer(upstream, client, bodies, plan, &AnswerOptions { input_tokens: None, ..options() })?;
    let usage = done.usage.unwrap();
    Ok((serde_json::from_slice(&done.body).unwrap(), usage.input, done.is_estimate))
}

/// The vectors of a recording, found without the code that is tested, and what it counted.
fn recorded(body: &Value) -> (Vec<Value>, Option<u64>) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let each = |value: &Value, pointer: &str| {
        list(value).iter().filter_map(|one| one.pointer(pointer).cloned()).collect()
    };
    let vectors: Vec<Value> = if body["data"].is_array() {
        each(&body["data"], "/embedding")
    } else if body["predictions"].is_array() {
        each(&body["predictions"], "/embeddings/values")
    } else if body["embedding"].is_array() {
        vec![body["embedding"].clone()]
    } else if body["embeddings"]["float"].is_array() {
        list(&body["embeddings"]["float"])
    } else if body["embeddings"][0].is_array() {
        list(&body["embeddings"])
    } else if body["embeddings"][0]["values"].is_array() {
        each(&body["embeddings"], "/values")
    } else {
        each(&body["embeddings"], "/embedding")
    };
    let billed = body["meta"]["billed_units"]["input_tokens"].as_u64();
    let counts = list(&body["predictions"]);
    let counts: Vec<u64> =
        counts.iter().filter_map(|one| one["embeddings"]["statistics"]["token_count"].as_u64()).collect();
    let counted = (!counts.is_empty()).then(|| counts.iter().sum());
    let said = ["prompt_tokens", "total_tokens"].iter().find_map(|name| body["usage"][name].as_u64());
    (vectors, said.or(billed).or(counted).or(body["inputTextTokenCount"].as_u64()))
}

fn cases() -> Vec<(Recording, Dialect, Vec<Value>, Option<u64>)> {
    let root = std::env::var_os("BULKHEAD_CORPUS").map_or_else(corpus, Into::into);
    let answers = recordings(&root).into_iter().filter(Recording::is_answer);
    let case = |recording: Recording| {
        let dialect = Dialect::of(recording.endpoint)?;
        let (vectors, tokens) = recorded(&serde_json::from_slice(&recording.body).unwrap());
        Some((recording, dialect, vectors, tokens))
    };
    let cases: Vec<_> = answers.filter_map(case).collect();
    assert!(cases.len() >= 17, "{}", cases.len());
    cases
}

/// The vectors that a client sees.
fn seen(client: Dialect, body: &Value) -> Vec<Value> {
    match client {
        Dialect::GeminiOne => vec![body["embedding"]["values"].clone()],
        Dialect::GeminiBatch => {
            body["embeddings"].as_array().unwrap().iter().map(|one| one["values"].clone()).collect()
        }
        _ => {
            let data = body["data"].as_array().unwrap();
            let indices: Vec<_> = data.iter().map(|one| one["index"].as_u64().unwrap()).collect();
            assert_eq!(indices, (0..data.len() as u64).collect::<Vec<_>>());
            data.iter().map(|one| one["embedding"].clone()).collect()
        }
    }
}

fn floats(vector: &Value) -> Vec<f32> {
    vector.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn bytes(base64: &Value) -> Vec<f32> {
    let bytes = STANDARD.decode(base64.as_str().unwrap()).unwrap();
    bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[test]
fn recorded_vectors_arrive_whole_and_in_order() {
    for (case, upstream, vectors, tokens) in cases() {
        let plan = Plan { inputs: vectors.len(), text_bytes: 40, base64: false };
        if vectors.iter().any(Value::is_string) {
            // It was asked for base64 by its client, and we ask for floats.
            assert_eq!(
                answered(upstream, Dialect::OpenAi, &[&case.body], plan),
                Err(TranslateError::NoAnswer)
            );
            continue;
        }
        for client in Dialect::CLIENTS {
            if client == Dialect::GeminiOne && vectors.len() > 1 {
                continue;
            }
            let (body, input, is_estimate) = answered(upstream, client, &[&case.body], plan).unwrap();
            assert_eq!(seen(client, &body), vectors, "{}", case.id);
            assert_eq!((input, is_estimate), (tokens.unwrap_or(10), tokens.is_none()), "{}", case.id);
            let told = match client {
                Dialect::OpenAi => body["usage"]["prompt_tokens"].as_u64(),
                _ => body["usageMetadata"]["promptTokenCount"].as_u64(),
            };
            // Google's clients are told what was counted; OpenAI's want a number in any case.
            assert_eq!(told, tokens.or((client == Dialect::OpenAi).then_some(10)), "{}", case.id);
        }
        let base64 = Plan { base64: true, ..plan };
        let (body, ..) = answered(upstream, Dialect::OpenAi, &[&case.body], base64).unwrap();
        let decoded: Vec<_> = seen(Dialect::OpenAi, &body).iter().map(bytes).collect();
        assert_eq!(decoded, vectors.iter().map(floats).collect::<Vec<_>>(), "{}", case.id);
    }
}

/// OpenAI's own base64, decoded and written as numbers, becomes the same base64.
#[test]
fn base64_is_what_openai_sends() {
    let mut count = 0;
    for (_, _, vectors, _) in cases() {
        for base64 in vectors.iter().filter(|vector| vector.is_string()) {
            let body = json!({"embeddings": [{"values": bytes(base64)}]}).to_string();
            let plan = Plan { base64: true, inputs: 1, text_bytes: 0 };
            let (body, ..) =
                answered(Dialect::GeminiBatch, Dialect::OpenAi, &[body.as_bytes()], plan).unwrap();
            assert_eq!(&seen(Dialect::OpenAi, &body)[0], base64);
            count += 1;
        }
    }
    assert!(count > 5, "{count}");
}

#[test]
fn answers_to_parts_are_put_together() {
    let (one, two) =
        (br#"{"embedding":[1],"inputTextTokenCount":3}"#, br#"{"embedding":[2],"inputTextTokenCount":4}"#);
    let plan = Plan { inputs: 2, ..Plan::default() };
    let (body, input, is_estimate) = answered(Dialect::Invoke, Dialect::OpenAi, &[one, two], plan).unwrap();
    assert_eq!((seen(Dialect::OpenAi, &body), input, is_estimate), (vec![json!([1]), json!([2])], 7, false));
    let too_few = answered(Dialect::Invoke, Dialect::OpenAi, &[one], plan);
    assert_eq!(too_few, Err(TranslateError::NoAnswer));
}

/// A provider may answer in any order, and says which is which.
#[test]
fn vectors_have_the_order_of_their_indices() {
    let body = br#"{"data":[{"index":1,"embedding":[1]},{"index":0,"embedding":[0]}]}"#;
    let plan = Plan { inputs: 2, ..Plan::default() };
    let (body, ..) = answered(Dialect::OpenAi, Dialect::GeminiBatch, &[body], plan).unwrap();
    assert_eq!(seen(Dialect::GeminiBatch, &body), [json!([0]), json!([1])]);
}

#[test]
fn what_is_no_answer_is_none() {
    let plan = |base64| Plan { inputs: 1, base64, text_bytes: 0 };
    for upstream in Dialect::UPSTREAMS {
        for text in ["{}", "[]", "7", "", "{\"data\":[", r#"{"embeddings":7}"#, r#"{"embeddings":["x"]}"#] {
            for client in Dialect::CLIENTS {
                let read = answered(upstream, client, &[text.as_bytes()], plan(true));
                assert!(read.is_err(), "{upstream:?} {client:?} {text}: {read:?}");
            }
        }
    }
    let text = br#"{"embeddings":[{"values":[1,"x"]}]}"#;
    let read = answered(Dialect::GeminiBatch, Dialect::OpenAi, &[text], plan(true));
    assert_eq!(read, Err(TranslateError::NoAnswer));
}

/// Wherever a recording is cut, there is an error and no panic.
#[test]
fn what_is_cut_is_no_answer() {
    for (case, upstream, vectors, _) in cases().into_iter().filter(|(case, ..)| case.body.len() < 10_000) {
        let plan = Plan { inputs: vectors.len(), ..Plan::default() };
        let whole = case.body.trim_ascii_end().len();
        for end in (0..whole).step_by(7) {
            let read = answered(upstream, Dialect::OpenAi, &[&case.body[..end]], plan);
            assert!(read.is_err(), "{} up to {end}", case.id);
        }
    }
}
