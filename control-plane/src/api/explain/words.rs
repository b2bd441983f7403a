//! A leg in a sentence.

use crate::store::spend::Log;

/// What happened in a leg, and where the request went then.
pub(super) fn sentence(leg: &Log, next: Option<&Log>) -> String {
    let what = match &leg.failure {
        None => answered(leg),
        Some(failure) => failed(leg, failure),
    };
    let then = match next {
        Some(next) if next.fallbacks > leg.fallbacks => {
            format!("; went on to model group {} at deployment {}", next.model_group, next.deployment)
        }
        Some(next) if next.deployment == leg.deployment => "; tried again there".to_owned(),
        Some(next) => format!("; tried again at deployment {}", next.deployment),
        None if leg.handed_on => "; what became of it then is not recorded yet".to_owned(),
        None => String::new(),
    };
    format!("deployment {}: {what}{then}", leg.deployment)
}

fn answered(leg: &Log) -> String {
    let first_token = match leg.first_token_ms {
        Some(millis) => format!("its first token was there after {millis} ms, "),
        None => String::new(),
    };
    match leg.upstream_ms {
        Some(millis) => {
            format!(
                "the provider answered after {millis} ms, {first_token}all was over after {} ms",
                leg.duration_ms
            )
        }
        None => format!("it was over after {} ms", leg.duration_ms),
    }
}

fn failed(leg: &Log, failure: &str) -> String {
    let after = leg.upstream_ms.unwrap_or(leg.duration_ms);
    if let Some(status) = leg.status {
        return format!("the provider answered {status} after {after} ms");
    }
    let total = leg.duration_ms;
    match failure {
        "upstream_timeout" => format!("the provider did not answer in time (after {total} ms)"),
        "upstream_connection" => format!("the connection to the provider failed after {after} ms"),
        "upstream_truncated" => format!("the provider's answer broke off after {total} ms"),
        "client_gone" => format!("the client left after {total} ms"),
        "crash" => "the gateway's process ended before the answer did".to_owned(),
        other => format!("it failed after {total} ms ({other})"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::requests::tests::log;
    use super::*;

    #[test]
    fn sentences_say_what_happened_and_what_came_next() {
        let first = Log { status: Some(503), ..log(1, 1, true) };
        let second = Log { failure: Some("upstream_timeout".to_owned()), ..log(2, 2, true) };
        let third = Log {
            fallbacks: 1,
            model_group: "other".to_owned(),
            first_token_ms: Some(15),
            ..log(3, 3, false)
        };
        assert_eq!(
            sentence(&first, Some(&second)),
            "deployment d1: the provider answered 503 after 12 ms; tried again at deployment d2"
        );
        assert_eq!(
            sentence(&second, Some(&third)),
            "deployment d2: the provider did not answer in time (after 20 ms); went on to model group other at \
             deployment d3"
        );
        assert_eq!(
            sentence(&third, None),
            "deployment d3: the provider answered after 12 ms, its first token was there after 15 ms, all was over \
             after 20 ms"
        );
        assert!(sentence(&second, None).ends_with("is not recorded yet"));
    }
}
