//! Tokens that a provider does not count after all.

use http::{Response, StatusCode};

use super::leg::Reply;
use crate::counted;
use crate::fault::Fault;
use crate::respond::{self, Failed, OutBody};
use crate::settle::Settle;

impl Reply<'_> {
    /// An estimate in place of the refusal, which says nothing against the deployment.
    pub(super) fn estimate(
        self,
        mut settle: Box<Settle>,
        fault: Box<Fault>,
    ) -> Result<Response<OutBody>, Failed> {
        let Some((mut headers, body)) = counted::estimate(&self.journey.call) else {
            settle.refused_by(&fault);
            return Err(Failed { fault, settle });
        };
        let deployment = &settle.exchange.routed.deployment;
        tracing::debug!(deployment = %deployment.id, status = ?fault.provider_status, "its tokens are not counted");
        settle.answered();
        settle.report(None, true);
        settle.complete();
        self.tell(&mut headers, Some(&settle), settle.cost());
        drop(settle);
        Ok(respond::response(StatusCode::OK, headers, OutBody::full(body)))
    }
}
