//! How requests find a deployment, and what happens when one fails: the rows that say so.

use std::time::Duration;

use crate::UnixMillis;

/// How one of several deployments is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Strategy {
    /// At random by weight.
    #[default]
    SimpleShuffle,
    /// The one with the fewest requests in flight.
    LeastBusy,
    /// The one that answers soonest.
    LatencyBased,
    /// The one with the most room left under its `rpm` and `tpm`.
    UsageBased,
    /// The cheapest.
    CostBased,
}

impl Strategy {
    /// LiteLLM's name (litellm.md §3.2).
    pub const fn name(self) -> &'static str {
        match self {
            Self::SimpleShuffle => "simple-shuffle",
            Self::LeastBusy => "least-busy",
            Self::LatencyBased => "latency-based-routing",
            Self::UsageBased => "usage-based-routing",
            Self::CostBased => "cost-based-routing",
        }
    }
}

/// Retries, or failures that are borne, by class of failure. `None` is the general number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ByFailure {
    /// The provider called the request wrong.
    pub bad_request: Option<u32>,
    /// The provider refused the gateway's key.
    pub authentication: Option<u32>,
    /// No answer in time.
    pub timeout: Option<u32>,
    /// The provider's limit on rates.
    pub rate_limit: Option<u32>,
    /// The provider's rules about contents.
    pub content_policy: Option<u32>,
    /// The provider failed.
    pub internal: Option<u32>,
    /// The provider is overloaded or cannot be reached.
    pub unavailable: Option<u32>,
    /// The provider knows no such thing.
    pub not_found: Option<u32>,
    /// Any other class.
    pub default: Option<u32>,
}

/// Groups to go on to when one fails.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ChainRow {
    /// The group that failed; `*` is any that has no chain of its own.
    pub group: String,
    /// Where to go on, in this order.
    pub targets: Vec<String>,
}

/// An operator's chain in the place of the declared ones, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverrideRow {
    /// As [`ChainRow::group`].
    pub group: String,
    /// As [`ChainRow::targets`].
    pub targets: Vec<String>,
    /// From when it is over.
    pub expires: UnixMillis,
    /// It goes before the fallbacks of a request's body, too.
    pub force: bool,
}

/// Which requests stay with the deployment that served the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffinityRow {
    /// Those of one session.
    pub session: bool,
    /// Those whose bodies begin with the same bytes, so many of them.
    pub prompt_head: Option<u32>,
    /// For how long after the last one.
    pub ttl: Duration,
}

impl Default for AffinityRow {
    fn default() -> Self {
        Self { session: false, prompt_head: None, ttl: Duration::from_secs(3600) }
    }
}

/// What holds for routing in the whole gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingRow {
    /// How a deployment is picked.
    pub strategy: Strategy,
    /// How often a failed request is tried again in its group, where nothing more special says so.
    pub num_retries: Option<u32>,
    /// The same by class of failure.
    pub retry_policy: ByFailure,
    /// The same for one group; it takes the place of `retry_policy` as a whole.
    pub group_retry_policies: Vec<(String, ByFailure)>,
    /// The shortest wait before a retry on the same deployment.
    pub retry_after: Duration,
    /// Where to go on after a failure.
    pub fallbacks: Vec<ChainRow>,
    /// Where to go on from a group without a chain.
    pub default_fallbacks: Vec<String>,
    /// The same where the prompt does not fit the model. `None`: `fallbacks` hold.
    pub context_window_fallbacks: Option<Vec<ChainRow>>,
    /// The same where the provider's rules about contents refuse. `None`: `fallbacks` hold.
    pub content_policy_fallbacks: Option<Vec<ChainRow>>,
    /// To so many groups a request goes on at most.
    pub max_fallbacks: u32,
    /// Chains in the place of those above, for a while.
    pub overrides: Vec<OverrideRow>,
    /// How long a failing deployment is left alone.
    pub cooldown_time: Duration,
    /// So many failures are borne before that. `None`: by the share of failures.
    pub allowed_fails: Option<u32>,
    /// The same by class of failure.
    pub allowed_fails_policy: ByFailure,
    /// Failing deployments stay in use.
    pub disable_cooldowns: bool,
    /// As `DeploymentRow::max_parallel`, where the deployment says nothing.
    pub default_max_parallel: Option<u32>,
    /// Deployments whose context window a prompt does not fit are passed over.
    pub context_check: bool,
    /// `rpm` and `tpm` of deployments are limits, not hints.
    pub enforce_model_limits: bool,
    /// Which requests stay together.
    pub affinity: AffinityRow,
}

impl Default for RoutingRow {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            num_retries: None,
            retry_policy: ByFailure::default(),
            group_retry_policies: Vec::new(),
            retry_after: Duration::ZERO,
            fallbacks: Vec::new(),
            default_fallbacks: Vec::new(),
            context_window_fallbacks: None,
            content_policy_fallbacks: None,
            max_fallbacks: 5,
            overrides: Vec::new(),
            cooldown_time: Duration::from_secs(5),
            allowed_fails: None,
            allowed_fails_policy: ByFailure::default(),
            disable_cooldowns: false,
            default_max_parallel: None,
            context_check: false,
            enforce_model_limits: false,
            affinity: AffinityRow::default(),
        }
    }
}

/// What a key or a team says of fallbacks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FallbackPolicy {
    /// Its requests go on to no other group.
    pub disabled: bool,
    /// They go before those that are declared for everybody.
    pub chains: Vec<ChainRow>,
}

/// Who may connect, and how many at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListenerRow {
    /// Addresses and networks of clients; empty allows all.
    pub allowed_ips: Vec<String>,
    /// Addresses and networks of proxies that are believed when they say whose request they forward.
    pub trusted_proxies: Vec<String>,
    /// Requests in flight at once, in the whole process.
    pub max_in_flight: Option<u32>,
    /// A line for each request on standard output.
    pub access_log: bool,
}
