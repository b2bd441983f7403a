//! Probabilities: Google's `logprobsResult` and OpenAI's `logprobs`.

use bytes::BytesMut;

use super::super::json::{get, get_text, items};
use super::super::write::{self, Fields};

/// Passes Google's probabilities on as OpenAI has them.
pub(super) fn with_logprobs(result: &[u8], pass: impl FnOnce(&[u8])) {
    let Some(chosen) = get(result, "chosenCandidates") else { return };
    let mut tops = get(result, "topCandidates").into_iter().flat_map(items);
    let mut out = BytesMut::new();
    write::object(&mut out, |logprobs| {
        logprobs.array("content", |tokens| {
            for token in items(chosen) {
                tokens.object(|fields| {
                    copy_known(token, fields);
                    fields.array("top_logprobs", |list| {
                        let others = tops.next().and_then(|top| get(top, "candidates"));
                        for other in others.into_iter().flat_map(items) {
                            list.object(|fields| copy_known(other, fields));
                        }
                    });
                });
            }
        });
    });
    pass(&out);
}

/// Writes OpenAI's probabilities as Google has them. Nothing where they are only those of a refusal.
pub(super) fn write_logprobs(candidate: &mut Fields<'_>, logprobs: &[u8]) {
    let Some(content) = get(logprobs, "content") else { return };
    candidate.object("logprobsResult", |result| {
        result.array("topCandidates", |list| {
            for token in items(content) {
                list.object(|top| {
                    top.array("candidates", |list| {
                        for other in get(token, "top_logprobs").into_iter().flat_map(items) {
                            list.object(|fields| copy(other, fields, ("logprob", "logProbability")));
                        }
                    });
                });
            }
        });
        result.array("chosenCandidates", |list| {
            items(content).for_each(|token| {
                list.object(|fields| copy(token, fields, ("logprob", "logProbability")));
            });
        });
    });
}

/// OpenAI's have the bytes of the token, too.
fn copy_known(token: &[u8], fields: &mut Fields<'_>) {
    copy(token, fields, ("logProbability", "logprob"));
    let text = get_text(token, "token").unwrap_or_default();
    fields.array("bytes", |list| text.bytes().for_each(|byte| write::number(list.value(), byte.into())));
}

fn copy(token: &[u8], fields: &mut Fields<'_>, (from, to): (&str, &str)) {
    if let Some(text) = get(token, "token") {
        fields.raw("token", text);
    }
    if let Some(probability) = get(token, from) {
        fields.raw(to, probability);
    }
}
