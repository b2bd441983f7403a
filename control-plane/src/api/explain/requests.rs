//! Which legs belong together.

use time::OffsetDateTime;

use crate::store::spend::Log;

/// A request: its legs, in order.
pub(super) struct Request {
    pub(super) legs: Vec<Log>,
}

impl Request {
    pub(super) fn began(&self) -> Option<OffsetDateTime> {
        self.legs.first().map(|leg| leg.at)
    }

    /// It was handed on, and nothing was heard of that yet.
    pub(super) fn is_under_way(&self) -> bool {
        self.legs.last().is_some_and(|leg| leg.handed_on)
    }

    fn is_continued_by(&self, leg: &Log) -> bool {
        self.legs.last().is_some_and(|last| {
            last.handed_on && last.incarnation == leg.incarnation && last.leg.checked_add(1) == Some(leg.leg)
        })
    }
}

/// Puts legs together that have the same call id. Clients choose it, so there may be several requests; one's legs are
/// all of one process, and are recorded in their order.
pub(super) fn of(mut legs: Vec<Log>) -> Vec<Request> {
    legs.sort_by_key(|leg| (leg.incarnation, leg.seq));
    let mut requests: Vec<Request> = Vec::new();
    for leg in legs {
        match requests.iter_mut().find(|request| request.is_continued_by(&leg)) {
            Some(request) => request.legs.push(leg),
            None => requests.push(Request { legs: vec![leg] }),
        }
    }
    requests
}

#[cfg(test)]
pub(super) mod tests {
    use sqlx::types::Uuid;

    use super::*;

    pub(in super::super) fn log(seq: i64, leg: i32, handed_on: bool) -> Log {
        Log {
            incarnation: Uuid::nil(),
            seq,
            node: "n".to_owned(),
            at: OffsetDateTime::UNIX_EPOCH,
            call_id: "c".to_owned(),
            call_type: "acompletion".to_owned(),
            endpoint: "/v1/chat/completions".to_owned(),
            stream: false,
            failure: handed_on.then(|| "upstream_overloaded".to_owned()),
            model: "m".to_owned(),
            model_group: "m".to_owned(),
            provider: "openai".to_owned(),
            provider_model: "m".to_owned(),
            deployment: format!("d{leg}"),
            key_id: "k".to_owned(),
            key_hash: None,
            key_alias: None,
            team_id: None,
            user_id: None,
            organization_id: None,
            end_user: None,
            tags: Vec::new(),
            source: 1,
            requests: i64::from(!handed_on),
            failures: 0,
            input_tokens: 0,
            output_tokens: 0,
            cache_read_tokens: 0,
            cache_write_tokens: 0,
            cache_write_1h_tokens: 0,
            reasoning_tokens: 0,
            input_audio_tokens: 0,
            output_audio_tokens: 0,
            service_tier: String::new(),
            cost: Some(0),
            bound: None,
            duration_ms: 20,
            first_byte_ms: None,
            leg,
            handed_on,
            retries: 0,
            fallbacks: 0,
            first_token_ms: None,
            upstream_ms: Some(12),
            overhead_us: 0,
            rule: String::new(),
            status: None,
        }
    }

    #[test]
    fn legs_of_requests_with_the_same_id_are_told_apart() {
        let legs = vec![
            log(9, 1, false),
            log(1, 1, true),
            log(2, 1, true),
            log(3, 2, false),
            log(4, 2, true),
            Log { incarnation: Uuid::max(), ..log(5, 3, false) },
        ];
        let seqs: Vec<Vec<i64>> =
            of(legs).iter().map(|request| request.legs.iter().map(|leg| leg.seq).collect()).collect();
        assert_eq!(seqs, [vec![1, 3], vec![2, 4], vec![9], vec![5]]);
    }
}
