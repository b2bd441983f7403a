//! When a deployment is left alone: `litellm_params` and `model_info` may both say so.

use std::time::Duration;

use bulkhead_model::rows::ByFailure;

use crate::failures::{self, What};
use crate::field::{Cx, Fields};

#[derive(Clone, Copy, Default)]
pub(super) struct Cooling {
    pub(super) time: Option<Duration>,
    pub(super) allowed_fails: Option<u32>,
    pub(super) policy: Option<ByFailure>,
}

impl Cooling {
    pub(super) fn read(fields: &Fields<'_>, cx: &mut Cx<'_>) -> Self {
        Self {
            time: fields.get("cooldown_time").and_then(|field| field.seconds_or_zero(cx, "5")),
            allowed_fails: fields.get("allowed_fails").and_then(|field| field.whole(cx, "3")),
            policy: fields
                .get("allowed_fails_policy")
                .map(|field| failures::read(&field, What::AllowedFails, cx)),
        }
    }

    /// What is said here, else there.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            time: self.time.or(other.time),
            allowed_fails: self.allowed_fails.or(other.allowed_fails),
            policy: self.policy.or(other.policy),
        }
    }
}
