//! A request that goes to its provider in parts: one whose model takes one input at a time.

use bulkhead_model::Usage;
use bytes::Bytes;
use http::Response;

use super::Journey;
use crate::attempt::{self, Prepared, Waits};
use crate::fault::Outcome;
use crate::respond::{self, Earlier};
use crate::settle::Settle;
use crate::upstream::AnswerBody;

impl Journey {
    /// Sends the parts one after the other, within the time that the whole leg has; the answer to the last one is the
    /// leg's. What the earlier ones used is counted also where a later one fails.
    pub(super) async fn in_parts(
        &self,
        prepared: Prepared<'_>,
        more: Vec<Bytes>,
        settle: &mut Settle,
        waits: &Waits,
    ) -> Outcome<(Response<AnswerBody>, Earlier)> {
        let mut earlier = Earlier::default();
        let mut answer = attempt::run(&self.worker, prepared.clone()).await?;
        for body in more {
            earlier.add_input(answer.headers());
            let usage = |input| Usage { input, ..Usage::default() };
            settle.report(earlier.input_tokens.map(usage), false);
            earlier.bodies.push(respond::whole(answer, settle, waits).await?);
            answer = attempt::run(&self.worker, prepared.with_body(body)).await?;
        }
        Ok((answer, earlier))
    }
}
