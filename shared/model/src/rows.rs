//! What an operator declares, as plain rows: the input of a snapshot.
//!
//! `gateway.yaml` produces them in a standalone gateway, PostgreSQL in a managed one. They hold what was said, not
//! what follows from it: aliases are not resolved, patterns not compiled, prices not looked up.

use std::time::Duration;

pub use crate::routing::{
    AffinityRow, ByFailure, ChainRow, FallbackPolicy, ListenerRow, OverrideRow, RoutingRow, Strategy,
};
use crate::{KeyHash, NanoUsd, PicoUsd, Secret, UnixMillis, WindowLength};

/// Limits that any holder (a key, later a team or a user) may carry. `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Limits {
    /// Requests per window of 60 s.
    pub rpm: Option<u64>,
    /// Tokens, input and output, per window of 60 s.
    pub tpm: Option<u64>,
    /// Requests in flight at once.
    pub max_parallel: Option<u32>,
}

/// What a holder may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BudgetRow {
    /// The most that may be spent in one window.
    pub max: NanoUsd,
    /// How often it starts anew; `None` is never.
    pub window: Option<WindowLength>,
}

/// What was spent before the node's own count began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spend {
    /// When the amount was said, in Unix milliseconds; it rises in any case. A new generation ends the count so far: the
    /// amount then holds alone, and ends with the budget's window that it was said in.
    pub generation: u64,
    /// What counts as spent in the window in force, besides what the node counts itself.
    pub amount: NanoUsd,
}

/// A virtual key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Names the key in ledgers and usage records; outlives a change of the secret.
    pub id: String,
    /// What the client's key hashes to.
    pub hash: KeyHash,
    /// `sk-...abcd`.
    pub name: String,
    /// The operator's name for it, unique.
    pub alias: Option<String>,
    /// Model names, wildcards and access groups it may use; empty allows all.
    pub models: Vec<String>,
    /// Model names that mean another model for this key.
    pub aliases: Vec<(String, String)>,
    /// Routes and route groups it may call; empty allows all inference routes.
    pub allowed_routes: Vec<String>,
    /// Rate and concurrency limits.
    pub limits: Limits,
    /// Its budget.
    pub budget: Option<BudgetRow>,
    /// From when it is refused.
    pub expires: Option<UnixMillis>,
    /// Refused while set.
    pub blocked: bool,
    /// The team it belongs to.
    pub team_id: Option<String>,
    /// The user it belongs to.
    pub user_id: Option<String>,
    /// Tags that go into its usage records and take part in tag routing.
    pub tags: Vec<String>,
    /// A JSON object that goes into its usage records.
    pub metadata: Option<String>,
    /// What it says of fallbacks; before its team's.
    pub fallbacks: FallbackPolicy,
    /// What it spent before.
    pub spend: Spend,
    /// Restrictions that whoever honours this row has to know; one that is not known denies.
    pub requires: Vec<String>,
}

impl KeyRow {
    /// A key that may do everything.
    pub fn of(hash: KeyHash) -> Self {
        Self {
            id: String::new(),
            hash,
            name: String::new(),
            alias: None,
            models: Vec::new(),
            aliases: Vec::new(),
            allowed_routes: Vec::new(),
            limits: Limits::default(),
            budget: None,
            expires: None,
            blocked: false,
            team_id: None,
            user_id: None,
            tags: Vec::new(),
            metadata: None,
            fallbacks: FallbackPolicy::default(),
            spend: Spend::default(),
            requires: Vec::new(),
        }
    }
}

/// A team: what its keys share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TeamRow {
    /// Its id.
    pub id: String,
    /// The operator's name for it.
    pub alias: Option<String>,
    /// As [`KeyRow::models`].
    pub models: Vec<String>,
    /// As [`KeyRow::aliases`]; the key's own go first.
    pub aliases: Vec<(String, String)>,
    /// Of all its keys together.
    pub limits: Limits,
    /// Of all its keys together.
    pub budget: Option<BudgetRow>,
    /// What it spent before.
    pub spend: Spend,
    /// All its keys are refused while set.
    pub blocked: bool,
    /// A JSON object that goes into usage records.
    pub metadata: Option<String>,
    /// What it says of fallbacks.
    pub fallbacks: FallbackPolicy,
    /// Limits of each member without limits of its own.
    pub member_limits: Limits,
    /// The budget of each member without one of its own.
    pub member_budget: Option<BudgetRow>,
    /// As [`KeyRow::requires`].
    pub requires: Vec<String>,
}

/// A user: what its keys share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserRow {
    /// Its id.
    pub id: String,
    /// As [`KeyRow::models`].
    pub models: Vec<String>,
    /// Of all its keys together.
    pub limits: Limits,
    /// Of its keys that belong to no team.
    pub budget: Option<BudgetRow>,
    /// What it spent before.
    pub spend: Spend,
    /// All its keys are refused while set.
    pub blocked: bool,
    /// As [`KeyRow::requires`].
    pub requires: Vec<String>,
}

/// A user in a team.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberRow {
    /// The team's id.
    pub team: String,
    /// The user's id.
    pub user: String,
    /// Its own limits; empty are the team's for members.
    pub limits: Limits,
    /// Its own budget; `None` is the team's for members.
    pub budget: Option<BudgetRow>,
    /// What it spent before.
    pub spend: Spend,
    /// As [`KeyRow::requires`].
    pub requires: Vec<String>,
}

/// What deployments may share: where a provider is and what it is told.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CredentialRow {
    /// Its name.
    pub name: String,
    /// As [`DeploymentRow::api_key`].
    pub api_key: Option<Secret>,
    /// As [`DeploymentRow::api_base`].
    pub api_base: Option<String>,
    /// As [`DeploymentRow::api_version`].
    pub api_version: Option<String>,
    /// As [`DeploymentRow::organization`].
    pub organization: Option<String>,
    /// As [`DeploymentRow::cloud`].
    pub cloud: Vec<CloudValue>,
}

/// What is said of an account with a cloud.
#[derive(Clone, PartialEq, Eq)]
pub struct CloudValue {
    /// LiteLLM's parameter, such as `aws_role_name`.
    pub name: String,
    /// Its value; not all are secrets, and none is printed.
    pub value: Secret,
}

/// A header that the gateway adds upstream. The value may be a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct ExtraHeader {
    /// The header's name, lower case.
    pub name: String,
    /// Its value.
    pub value: Secret,
}

/// A member that the gateway adds to request bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonMember {
    /// The member's name.
    pub name: String,
    /// Its value as JSON text.
    pub json: String,
}

/// One place where a model is served: an element of `model_list`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct DeploymentRow {
    /// `model_info.id`, else derived from the declaration without its secrets.
    pub id: String,
    /// `model_name`: the model group that clients ask for; may hold one or more `*`.
    pub group: String,
    /// The provider's name in the provider table.
    pub provider: String,
    /// The provider's own name of the model; may hold `*`.
    pub model: String,
    /// Where the provider is; `None` is the provider table's.
    pub api_base: Option<String>,
    /// The provider key.
    pub api_key: Option<Secret>,
    /// Whose signature or token stands in for the key: what is said of the account, each name once.
    pub cloud: Vec<CloudValue>,
    /// Azure's `api-version`.
    pub api_version: Option<String>,
    /// `OpenAI-Organization`.
    pub organization: Option<String>,
    /// Total time for a request that does not stream.
    pub timeout: Option<Duration>,
    /// Time to the first byte, and between bytes, of a stream.
    pub stream_timeout: Option<Duration>,
    /// Time to connect.
    pub connect_timeout: Option<Duration>,
    /// Time from sending to the first byte of the answer.
    pub first_byte_timeout: Option<Duration>,
    /// Time from one byte of the answer to the next.
    pub idle_timeout: Option<Duration>,
    /// Weight of `simple-shuffle`, in thousandths.
    pub weight: Option<u32>,
    /// Requests in flight at once.
    pub max_parallel: Option<u32>,
    /// A routing hint: requests per minute.
    pub rpm: Option<u64>,
    /// A routing hint: tokens per minute.
    pub tpm: Option<u64>,
    /// Lower orders are tried first.
    pub order: Option<i64>,
    /// As [`RoutingRow::num_retries`].
    pub num_retries: Option<u32>,
    /// As [`RoutingRow::cooldown_time`].
    pub cooldown_time: Option<Duration>,
    /// As [`RoutingRow::allowed_fails`].
    pub allowed_fails: Option<u32>,
    /// As [`RoutingRow::allowed_fails_policy`].
    pub allowed_fails_policy: ByFailure,
    /// Tags for tag routing.
    pub tags: Vec<String>,
    /// Headers added upstream.
    pub extra_headers: Vec<ExtraHeader>,
    /// Members merged into the body.
    pub extra_body: Vec<JsonMember>,
    /// Members added where the client sent none.
    pub call_params: Vec<JsonMember>,
    /// Drop what the provider does not know instead of refusing it.
    pub drop_params: Option<bool>,
    /// Top-level members that are always dropped.
    pub drop_always: Vec<String>,
    /// Prices that override the price book: field name of the price data and price per unit.
    pub prices: Vec<(String, PicoUsd)>,
    /// `model_info.mode`: chat, embedding, completion, responses.
    pub mode: Option<String>,
    /// The price book's name of the model, where the provider's differs.
    pub base_model: Option<String>,
    /// Access groups that this deployment's group belongs to.
    pub access_groups: Vec<String>,
    /// `model_info.max_input_tokens`.
    pub max_input_tokens: Option<u64>,
    /// `model_info.max_output_tokens`.
    pub max_output_tokens: Option<u64>,
    /// The credential whose values stand in for those that are absent here.
    pub credential: Option<String>,
    /// Not used while set.
    pub blocked: bool,
    /// As [`KeyRow::requires`].
    pub requires: Vec<String>,
}

/// `model_group_alias`: another name for a model group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasRow {
    /// The name clients use.
    pub name: String,
    /// The group it means.
    pub group: String,
    /// Left out of `/v1/models`.
    pub hidden: bool,
}

/// What becomes of a value of `anthropic-beta` at a provider, whatever the table that is part of the program says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BetaRow {
    /// The provider's name in the provider table.
    pub provider: String,
    /// The value as clients send it.
    pub beta: String,
    /// What the provider gets; `None`: it is left out.
    pub sent: Option<String>,
}

/// What holds for the whole gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsRow {
    /// Hash of the master key.
    pub master_key: Option<KeyHash>,
    /// A header that is looked at first for the key, lower case.
    pub key_header: Option<String>,
    /// The largest request body, in bytes.
    pub max_request_bytes: u64,
    /// Memory for request bodies of the whole process, in bytes.
    pub body_memory_bytes: u64,
    /// Total time of a request where the deployment says nothing.
    pub request_timeout: Duration,
    /// As `DeploymentRow::stream_timeout`, where the deployment says nothing.
    pub stream_timeout: Option<Duration>,
    /// As `DeploymentRow::connect_timeout`, where the deployment says nothing.
    pub connect_timeout: Duration,
    /// As `DeploymentRow::first_byte_timeout`, where the deployment says nothing.
    pub first_byte_timeout: Option<Duration>,
    /// As `DeploymentRow::idle_timeout`, where the deployment says nothing.
    pub idle_timeout: Option<Duration>,
    /// Time for all tries of a request together.
    pub overall_timeout: Option<Duration>,
    /// As `DeploymentRow::drop_params`, where the deployment says nothing.
    pub drop_params: bool,
    /// Route by tags.
    pub tag_filtering: bool,
    /// One common tag is enough (default), else all of the request's tags must be there.
    pub tag_match_any: bool,
    /// Other names for model groups.
    pub aliases: Vec<AliasRow>,
    /// The status of `budget_exceeded`.
    pub budget_exceeded_status: u16,
    /// Time without an upstream byte before a stream's head and a comment go out; zero is never.
    pub keepalive: Duration,
    /// Pass a provider's 401, 402, 403 on as LiteLLM does instead of answering 502.
    pub expose_upstream_auth: bool,
    /// Forward the client's `x-*` headers.
    pub forward_client_headers: bool,
    /// Pass on ids of responses that the gateway did not give out.
    pub unmanaged_response_ids: bool,
    /// Whoever has the id of a response may use it, whosever it is.
    pub shared_response_ids: bool,
    /// The zone that budget windows snap to, an IANA name.
    pub timezone: String,
    /// The file names a database whose keys this gateway cannot see.
    pub mentions_database: bool,
    /// Metrics have LiteLLM's names, too.
    pub litellm_metrics: bool,
    /// Values of `anthropic-beta`.
    pub betas: Vec<BetaRow>,
    /// How requests find a deployment.
    pub routing: RoutingRow,
    /// Who may connect.
    pub listener: ListenerRow,
}

impl Default for SettingsRow {
    fn default() -> Self {
        Self {
            master_key: None,
            key_header: None,
            max_request_bytes: 100 << 20,
            body_memory_bytes: 1 << 30,
            request_timeout: Duration::from_secs(6000),
            stream_timeout: None,
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: None,
            idle_timeout: None,
            overall_timeout: None,
            drop_params: false,
            tag_filtering: false,
            tag_match_any: true,
            aliases: Vec::new(),
            betas: Vec::new(),
            budget_exceeded_status: 422,
            keepalive: Duration::from_secs(15),
            expose_upstream_auth: false,
            forward_client_headers: false,
            unmanaged_response_ids: false,
            shared_response_ids: false,
            timezone: "UTC".to_owned(),
            mentions_database: false,
            litellm_metrics: false,
            routing: RoutingRow::default(),
            listener: ListenerRow::default(),
        }
    }
}
