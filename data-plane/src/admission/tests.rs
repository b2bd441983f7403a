//! Who is admitted and what the others hear, by every scope that a request has to pass.

use bulkhead_model::{Clock, WindowLength};
use http::{HeaderMap, HeaderValue};
use std::time::Duration;

use super::*;
use crate::identify::fixture::{Managed, now};
use crate::respond::{Facts, add_facts};

struct Rig {
    gate: Arc<Gate>,
    clock: Clock,
    _dir: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, _) = crate::admit::Ledger::open(dir.path()).unwrap();
        let clock = Clock::manual(now());
        Self { gate: Gate::new(clock.clone(), ledger), clock, _dir: dir }
    }

    async fn admit(&self, managed: &Managed, nano: i64) -> Outcome<Permit> {
        let (snapshot, caller) = (managed.snapshot(), managed.caller());
        let claims = claims(&snapshot, &caller);
        admit(&self.gate, &snapshot, &caller, &claims, cost(nano)).await
    }

    /// A request that costs what it was expected to.
    async fn spend(&self, managed: &Managed, nano: i64) {
        self.admit(managed, nano).await.unwrap().settle(cost(nano));
    }

    async fn refusal(&self, managed: &Managed) -> (ErrorKind, u16, String) {
        let fault = self.admit(managed, 1).await.err().unwrap();
        let body = fault.body();
        let body = body.as_error_body();
        (fault.kind, body.status, body.message.to_owned())
    }

    /// The gateway's own headers of an admitted request.
    async fn headers(&self, managed: &Managed) -> HeaderMap {
        let permit = self.admit(managed, 0).await.unwrap();
        let caller = managed.caller();
        let mut headers = HeaderMap::new();
        let facts = Facts {
            progress: Default::default(),
            call_id: &HeaderValue::from_static("c"),
            deployment: None,
            key: caller.key(),
            permit: Some(&permit),
            cost: None,
            total: Duration::ZERO,
            upstream: Duration::ZERO,
            timeout: None,
            dropped: &[],
        };
        add_facts(&mut headers, &facts);
        headers
    }

    fn spent(&self, id: &str) -> i64 {
        self.gate.holder(id).spent().0
    }
}

fn cost(nano: i64) -> Ask {
    Ask { tokens: 0, cost: NanoUsd(nano) }
}

#[expect(clippy::unnecessary_wraps, reason = "what a row holds")]
fn budget(nano: i64) -> Option<BudgetRow> {
    Some(BudgetRow { max: NanoUsd(nano), window: None })
}

fn rpm(rpm: u64) -> Limits {
    Limits { rpm: Some(rpm), ..Limits::default() }
}

/// A user's key that belongs to no team.
fn personal() -> Managed {
    let mut managed = Managed::in_team();
    managed.key.team_id = None;
    managed
}

#[tokio::test]
async fn a_spent_budget_is_refused_in_the_words_of_its_scope() {
    let dollar = || budget(1_000_000_000);
    let mut key = Managed::in_team();
    key.key.budget = dollar();
    let mut team = Managed::in_team();
    team.teams[0].budget = dollar();
    let mut user = personal();
    user.users[0].budget = dollar();
    let mut member = Managed::in_team();
    member.members[0].budget = dollar();
    let mut members = Managed::in_team();
    members.teams[0].member_budget = dollar();
    let mut undeclared = Managed::in_team();
    undeclared.members.clear();
    undeclared.teams[0].member_budget = dollar();
    let of_member = "Budget has been exceeded! User=u1 in Team=t1 Current cost: 1.0, Max budget: 1.0";
    for (managed, message) in [
        (key, "Budget has been exceeded! Key=None (sk-...6789) Current cost: 1.0, Max budget: 1.0"),
        (team, "Budget has been exceeded! Team=t1 Current cost: 1.0, Max budget: 1.0"),
        (user, "ExceededBudget: User=u1 over budget. Spend=1.0, Budget=1.0"),
        (member, of_member),
        (members, of_member),
        (undeclared, of_member),
    ] {
        let rig = Rig::new();
        rig.spend(&managed, 999_999_999).await;
        rig.spend(&managed, 1).await;
        assert_eq!(rig.refusal(&managed).await, (ErrorKind::BudgetExceeded, 422, message.to_owned()));
        assert_eq!(rig.gate.totals().1, 0, "all or nothing");
    }
}

#[tokio::test]
async fn a_limit_is_refused_in_the_words_of_its_scope() {
    let mut key = Managed::in_team();
    key.key.limits = rpm(1);
    let mut team = Managed::in_team();
    team.teams[0].limits = rpm(1);
    let mut user = personal();
    user.users[0].limits = rpm(1);
    let mut in_team = Managed::in_team();
    in_team.users[0].limits = rpm(1);
    let mut member = Managed::in_team();
    member.members[0].limits = rpm(1);
    let mut members = Managed::in_team();
    members.teams[0].member_limits = rpm(1);
    let hash = key.key.hash.to_string();
    for (managed, whose) in [
        (key, format!("api_key: {hash}")),
        (team, "team: t1".to_owned()),
        (user, "user: u1".to_owned()),
        (in_team, "user: u1".to_owned()),
        (member, "team_member: t1:u1".to_owned()),
        (members, "team_member: t1:u1".to_owned()),
    ] {
        let rig = Rig::new();
        rig.spend(&managed, 0).await;
        let message = format!(
            "Rate limit exceeded for {whose}. Limit type: requests. Current limit: 1, Remaining: 0. Limit resets at: \
             2026-11-21 09:31:00 UTC"
        );
        assert_eq!(rig.refusal(&managed).await, (ErrorKind::RateLimited, 429, message));
    }
}

#[tokio::test]
async fn a_members_own_limits_and_budget_go_before_the_teams_for_members() {
    let rig = Rig::new();
    let mut managed = Managed::in_team();
    managed.teams[0].member_limits = rpm(0);
    managed.members[0].limits = rpm(5);
    managed.teams[0].member_budget = budget(0);
    managed.members[0].budget = budget(10);
    rig.spend(&managed, 10).await;
    assert!(rig.refusal(&managed).await.2.contains("User=u1 in Team=t1"));
}

#[tokio::test]
async fn all_keys_of_a_team_share_what_it_has() {
    let rig = Rig::new();
    let mut managed = Managed::in_team();
    managed.teams[0].budget = budget(10);
    rig.spend(&managed, 6).await;
    managed.key.id = "k2".into();
    rig.spend(&managed, 4).await;
    assert!(rig.refusal(&managed).await.2.contains("Team=t1"));
    assert_eq!([rig.spent("key:k1"), rig.spent("key:k2"), rig.spent("team:t1")], [6, 4, 10]);
}

#[tokio::test]
async fn what_a_team_pays_for_is_not_on_its_users_bill() {
    let rig = Rig::new();
    let mut managed = Managed::in_team();
    managed.users[0].budget = budget(5);
    managed.users[0].limits = rpm(9);
    rig.spend(&managed, 7).await;
    rig.spend(&managed, 7).await;
    assert_eq!([rig.spent("team:t1"), rig.spent("member:t1\u{1f}u1"), rig.spent("user:u1")], [14, 14, 0]);
    managed.key.team_id = None;
    rig.spend(&managed, 5).await;
    assert_eq!(rig.refusal(&managed).await.0, ErrorKind::BudgetExceeded);
    assert_eq!([rig.spent("team:t1"), rig.spent("user:u1")], [14, 5]);
}

#[tokio::test]
async fn what_was_spent_before_counts_in_every_scope() {
    let spend = Spend { generation: 3, amount: NanoUsd(10) };
    let mut key = Managed::in_team();
    (key.key.budget, key.key.spend) = (budget(10), spend);
    let mut team = Managed::in_team();
    (team.teams[0].budget, team.teams[0].spend) = (budget(10), spend);
    let mut user = personal();
    (user.users[0].budget, user.users[0].spend) = (budget(10), spend);
    let mut member = Managed::in_team();
    (member.members[0].budget, member.members[0].spend) = (budget(10), spend);
    for managed in [key, team, user, member] {
        assert_eq!(Rig::new().refusal(&managed).await.0, ErrorKind::BudgetExceeded);
    }
    let mut managed = Managed::new();
    managed.key.spend = spend;
    let rig = Rig::new();
    let snapshot = managed.snapshot();
    let caller = managed.caller();
    assert_eq!(spent(&rig.gate, &snapshot, caller.key().unwrap()), NanoUsd(10), "before any request");
    assert_eq!(rig.headers(&managed).await["x-litellm-key-spend"], "0.00000001");
}

#[tokio::test]
async fn headers_tell_of_every_scope_that_has_limits() {
    let rig = Rig::new();
    let mut managed = Managed::in_team();
    managed.key.limits = Limits { max_parallel: Some(4), ..rpm(10) };
    managed.teams[0].limits = Limits { tpm: Some(500), ..rpm(20) };
    managed.teams[0].member_limits = rpm(30);
    managed.users[0].limits = rpm(40);
    let headers = rig.headers(&managed).await;
    for (name, value) in [
        ("x-ratelimit-api_key-limit-requests", "10"),
        ("x-ratelimit-api_key-remaining-requests", "9"),
        ("x-ratelimit-api_key-limit-max_parallel_requests", "4"),
        ("x-ratelimit-api_key-remaining-max_parallel_requests", "3"),
        ("x-ratelimit-team-limit-requests", "20"),
        ("x-ratelimit-team-remaining-requests", "19"),
        ("x-ratelimit-team-limit-tokens", "500"),
        ("x-ratelimit-team-remaining-tokens", "500"),
        ("x-ratelimit-team_member-limit-requests", "30"),
        ("x-ratelimit-team_member-remaining-requests", "29"),
        ("x-ratelimit-user-limit-requests", "40"),
        ("x-ratelimit-user-remaining-requests", "39"),
        ("x-litellm-key-rpm-limit", "10"),
    ] {
        assert_eq!(headers.get(name).map(|value| value.to_str().unwrap()), Some(value), "{name}");
    }
    let told = headers.keys().filter(|name| name.as_str().starts_with("x-ratelimit-")).count();
    assert_eq!(told, 12);
}

#[test]
fn a_request_is_expected_to_fit_the_tightest_token_limit() {
    let tpm = |tpm| Limits { tpm: Some(tpm), ..Limits::default() };
    let mut managed = Managed::in_team();
    let tightest = |managed: &Managed| token_limit(&claims(&managed.snapshot(), &managed.caller()));
    assert_eq!(tightest(&managed), u64::MAX);
    managed.key.limits = tpm(400);
    managed.teams[0].limits = tpm(300);
    assert_eq!(tightest(&managed), 300);
    managed.users[0].limits = tpm(200);
    assert_eq!(tightest(&managed), 200);
    managed.teams[0].member_limits = tpm(100);
    assert_eq!(tightest(&managed), 100);
}

#[tokio::test]
async fn a_budgets_window_is_that_of_its_scope() {
    let rig = Rig::new();
    let mut managed = Managed::in_team();
    managed.teams[0].budget = Some(BudgetRow { max: NanoUsd(5), window: Some(WindowLength::Seconds(3600)) });
    rig.spend(&managed, 5).await;
    assert!(rig.refusal(&managed).await.2.contains("Team=t1"));
    rig.clock.advance(Duration::from_secs(1800));
    rig.spend(&managed, 5).await;
}
