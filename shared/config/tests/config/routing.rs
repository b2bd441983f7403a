//! Routing, retries, fallbacks, cooldowns, timeouts and the listener: from declarations to rows, and their mistakes.

use std::time::Duration;

use bulkhead_config::Problem;
use bulkhead_model::rows::{
    AffinityRow, BetaRow, ByFailure, ChainRow, FallbackPolicy, ListenerRow, RoutingRow, SettingsRow, Strategy,
};

use crate::support::{World, assert_problems};

/// Lines 1 to 3.
const MODELS: &str = "model_list:
  - {model_name: gpt-4o, litellm_params: {model: openai/gpt-4o, api_key: k}}
  - {model_name: claude, litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: k}}
";

fn settings(yaml: &str) -> SettingsRow {
    World::new(&format!("{MODELS}{yaml}")).declared().settings
}

fn routing(yaml: &str) -> RoutingRow {
    settings(yaml).routing
}

fn warnings(yaml: &str) -> Vec<Problem> {
    World::new(&format!("{MODELS}{yaml}")).declared().warnings
}

fn chain(group: &str, targets: &[&str]) -> ChainRow {
    ChainRow { group: group.into(), targets: targets.iter().map(|target| (*target).to_owned()).collect() }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn everything_about_routing_arrives() {
    let yaml = r#"
router_settings:
  routing_strategy: latency-based-routing
  num_retries: 4
  retry_policy:
    BadRequestErrorRetries: 1
    AuthenticationErrorRetries: 2
    TimeoutErrorRetries: 3
    RateLimitErrorRetries: 4
    ContentPolicyViolationErrorRetries: 5
    InternalServerErrorRetries: 6
    ServiceUnavailableErrorRetries: 7
    NotFoundErrorRetries: 8
    DefaultRetries: 9
  model_group_retry_policy: {gpt-4o: {RateLimitErrorRetries: 0, TimeoutErrorRetries: }}
  retry_after: 0.5
  fallbacks: [{gpt-4o: [claude], claude: [gpt-4o]}, {"*": [gpt-4o]}]
  default_fallbacks: [claude]
  context_window_fallbacks: [{gpt-4o: [claude]}]
  content_policy_fallbacks: [{openai/gpt-4o: [claude]}]
  max_fallbacks: 2
  cooldown_time: 30
  allowed_fails: 7
  allowed_fails_policy: {RateLimitErrorAllowedFails: 100, DefaultAllowedFails: 3}
  disable_cooldowns: true
  enable_pre_call_checks: true
  default_max_parallel_requests: 50
  optional_pre_call_checks: [enforce_model_rate_limits, session_affinity, prompt_caching]
  deployment_affinity_ttl_seconds: 60
"#;
    let expected = RoutingRow {
        strategy: Strategy::LatencyBased,
        num_retries: Some(4),
        retry_policy: ByFailure {
            bad_request: Some(1),
            authentication: Some(2),
            timeout: Some(3),
            rate_limit: Some(4),
            content_policy: Some(5),
            internal: Some(6),
            unavailable: Some(7),
            not_found: Some(8),
            default: Some(9),
        },
        group_retry_policies: vec![(
            "gpt-4o".into(),
            ByFailure { rate_limit: Some(0), ..ByFailure::default() },
        )],
        retry_after: Duration::from_millis(500),
        fallbacks: vec![chain("gpt-4o", &["claude"]), chain("claude", &["gpt-4o"]), chain("*", &["gpt-4o"])],
        default_fallbacks: vec!["claude".into()],
        context_window_fallbacks: Some(vec![chain("gpt-4o", &["claude"])]),
        content_policy_fallbacks: Some(vec![chain("openai/gpt-4o", &["claude"])]),
        max_fallbacks: 2,
        overrides: Vec::new(),
        cooldown_time: seconds(30),
        allowed_fails: Some(7),
        allowed_fails_policy: ByFailure { rate_limit: Some(100), default: Some(3), ..ByFailure::default() },
        disable_cooldowns: true,
        default_max_parallel: Some(50),
        context_check: true,
        enforce_model_limits: true,
        affinity: AffinityRow { session: true, prompt_head: Some(4096), ttl: seconds(60) },
    };
    assert_eq!(routing(yaml), expected);
    assert_eq!(warnings(yaml), []);
    assert_eq!(routing(""), RoutingRow::default());
}

#[test]
fn every_strategy_that_is_served_is_honoured_and_the_others_are_told() {
    for (name, strategy) in [
        ("simple-shuffle", Strategy::SimpleShuffle),
        ("least-busy", Strategy::LeastBusy),
        ("latency-based-routing", Strategy::LatencyBased),
        ("usage-based-routing", Strategy::UsageBased),
        ("usage-based-routing-v2", Strategy::UsageBased),
        ("cost-based-routing", Strategy::CostBased),
    ] {
        let yaml = format!("router_settings: {{routing_strategy: {name}}}");
        assert_eq!((routing(&yaml).strategy, warnings(&yaml)), (strategy, Vec::new()), "{name}");
    }
    for name in ["lar1", "provider-budget-routing"] {
        let yaml = format!("router_settings: {{routing_strategy: {name}}}");
        assert_eq!(routing(&yaml).strategy, Strategy::SimpleShuffle);
        let told = (
            4,
            "router_settings.routing_strategy",
            "simple-shuffle is used",
            "routing_strategy: simple-shuffle",
        );
        assert_problems(&warnings(&yaml), &[told]);
    }
}

#[test]
fn what_litellm_settings_say_counts_unless_router_settings_say_it_too() {
    let litellm = "litellm_settings: {num_retries: 3, allowed_fails: 5, fallbacks: [{gpt-4o: [claude]}], \
                   default_fallbacks: [gpt-4o], context_window_fallbacks: [{claude: [gpt-4o]}], max_fallbacks: 1}\n";
    let alone = routing(litellm);
    assert_eq!((alone.num_retries, alone.allowed_fails, alone.max_fallbacks), (Some(3), Some(5), 1));
    assert_eq!(alone.fallbacks, [chain("gpt-4o", &["claude"])]);
    assert_eq!(alone.default_fallbacks, ["gpt-4o"]);
    assert_eq!(alone.context_window_fallbacks, Some(vec![chain("claude", &["gpt-4o"])]));

    let both = routing(&format!(
        "{litellm}router_settings: {{num_retries: 0, allowed_fails: 1, fallbacks: [{{claude: [gpt-4o]}}], \
         default_fallbacks: [claude], context_window_fallbacks: [], max_fallbacks: 4}}"
    ));
    assert_eq!((both.num_retries, both.allowed_fails, both.max_fallbacks), (Some(0), Some(1), 4));
    assert_eq!(both.fallbacks, [chain("claude", &["gpt-4o"])]);
    assert_eq!(both.default_fallbacks, ["claude"]);
    assert_eq!(
        both.context_window_fallbacks, alone.context_window_fallbacks,
        "an empty list says nothing, as in LiteLLM"
    );
}

#[test]
fn a_check_that_is_not_available_is_told_and_the_others_still_hold() {
    let yaml = "router_settings: {optional_pre_call_checks: [deployment_affinity, encrypted_content_affinity, other_check]}";
    assert!(routing(yaml).affinity.session);
    let told = (4, "router_settings.optional_pre_call_checks", "some are not available", "may stay");
    assert_problems(&warnings(yaml), &[told]);
}

#[test]
fn timeouts_affinity_and_the_access_log_have_keys_of_their_own() {
    let yaml = "router_settings: {optional_pre_call_checks: [prompt_caching]}\n\
                bulkhead_settings: {connect_timeout: 3, first_byte_timeout: 20, idle_timeout: 30, overall_timeout: 90, \
                session_affinity: true, prompt_affinity_bytes: 1000, access_log: true}";
    let row = settings(yaml);
    assert_eq!((row.connect_timeout, row.first_byte_timeout), (seconds(3), Some(seconds(20))));
    assert_eq!((row.idle_timeout, row.overall_timeout), (Some(seconds(30)), Some(seconds(90))));
    assert_eq!((row.routing.affinity.session, row.routing.affinity.prompt_head), (true, Some(1000)));
    assert!(row.listener.access_log);
    let row = settings("");
    assert_eq!((row.connect_timeout, row.first_byte_timeout), (seconds(10), None));
    assert_eq!((row.idle_timeout, row.overall_timeout), (None, None));
}

#[test]
fn betas_are_listed_by_provider_in_litellms_form() {
    let yaml = "bulkhead_settings: {anthropic_beta_headers: {bedrock: {old-1: new-2, other-3: null}}}";
    let row = |beta: &str, sent: Option<&str>| BetaRow {
        provider: "bedrock".into(),
        beta: beta.into(),
        sent: sent.map(Into::into),
    };
    assert_eq!(settings(yaml).betas, [row("old-1", Some("new-2")), row("other-3", None)]);
    let path = "bulkhead_settings.anthropic_beta_headers";
    for (yaml, at, what, remedy) in [
        ("{bedrok: {a: b}}", ".bedrok", "no provider of this version", "bedrock"),
        ("{bedrock: {a: \"b,c\"}}", ".bedrock.a", "not one value", "context-1m"),
    ] {
        let yaml = format!("{MODELS}bulkhead_settings: {{anthropic_beta_headers: {yaml}}}");
        assert_problems(&World::new(&yaml).problems(), &[(4, &format!("{path}{at}"), what, remedy)]);
    }
}

#[test]
fn litellms_metrics_are_asked_for_by_a_callback() {
    for (yaml, expected) in [
        ("litellm_settings: {callbacks: [prometheus]}", true),
        ("litellm_settings: {callbacks: prometheus}", true),
        ("litellm_settings: {success_callback: [prometheus]}", true),
    ] {
        assert_eq!((settings(yaml).litellm_metrics, warnings(yaml)), (expected, Vec::new()), "{yaml}");
    }
    for yaml in [
        "litellm_settings: {success_callback: [langfuse, prometheus]}",
        "litellm_settings: {callbacks: [otel]}",
    ] {
        assert_eq!(settings(yaml).litellm_metrics, yaml.contains("prometheus"));
        assert_eq!(warnings(yaml).len(), 1, "{yaml}");
    }
    assert!(!settings("").litellm_metrics);
}

#[test]
fn who_may_connect_arrives() {
    let yaml = "general_settings: {allowed_ips: [10.1.2.3, \"2001:db8::/32\"], use_x_forwarded_for: true, \
                trusted_proxy_ranges: [192.168.0.0/16], max_in_flight_requests_per_worker: 500, \
                global_max_parallel_requests: 200}";
    let expected = ListenerRow {
        allowed_ips: vec!["10.1.2.3/32".into(), "2001:db8::/32".into()],
        trusted_proxies: vec!["192.168.0.0/16".into()],
        max_in_flight: Some(200),
        access_log: false,
    };
    assert_eq!((settings(yaml).listener, warnings(yaml)), (expected, Vec::new()));
    assert_eq!(settings("general_settings: {allowed_ips: []}").listener, ListenerRow::default());
}

#[test]
fn a_header_that_anybody_can_write_is_not_believed() {
    let unlimited = "general_settings: {use_x_forwarded_for: true}";
    let told = (4, "general_settings.use_x_forwarded_for", "anybody can write", "trusted_proxy_ranges:");
    assert_problems(&warnings(unlimited), &[told]);
    let unused = "general_settings: {trusted_proxy_ranges: [10.0.0.0/8]}";
    let told = (4, "general_settings.trusted_proxy_ranges", "nothing of what", "use_x_forwarded_for: true");
    assert_problems(&warnings(unused), &[told]);
    for yaml in [unlimited, unused] {
        assert_eq!(settings(yaml).listener, ListenerRow::default());
    }
}

#[test]
fn a_deployments_own_numbers_arrive() {
    let yaml = "model_list: [{model_name: m, litellm_params: {model: openai/m, api_key: k, num_retries: 1, max_retries: 9, \
                max_parallel_requests: 8, cooldown_time: 0, connect_timeout: 1, first_byte_timeout: 2, idle_timeout: 3}, \
                model_info: {cooldown_time: 60, allowed_fails: 2, allowed_fails_policy: {TimeoutErrorAllowedFails: 5}}}]";
    let row = World::new(yaml).declared().deployments.remove(0);
    assert_eq!((row.num_retries, row.max_parallel), (Some(1), Some(8)));
    assert_eq!((row.cooldown_time, row.allowed_fails), (Some(Duration::ZERO), Some(2)));
    assert_eq!(row.allowed_fails_policy, ByFailure { timeout: Some(5), ..ByFailure::default() });
    assert_eq!((row.connect_timeout, row.first_byte_timeout), (Some(seconds(1)), Some(seconds(2))));
    assert_eq!((row.idle_timeout, row.call_params), (Some(seconds(3)), Vec::new()));

    let sdk = "model_list: [{model_name: m, litellm_params: {model: openai/m, api_key: k, max_retries: 3}}]";
    assert_eq!(World::new(sdk).declared().deployments[0].num_retries, Some(3));
}

#[test]
fn a_key_has_fallbacks_of_its_own_or_none() {
    let yaml = format!(
        "{MODELS}virtual_keys:\n  - {{key: sk-0123456789abcdef, router_settings: {{fallbacks: [{{gpt-4o: [claude]}}], \
         num_retries: 5, timeout: }}}}\n  - {{key: sk-0123456789abcdeg, metadata: {{disable_fallbacks: true}}}}\n  \
         - {{key: sk-0123456789abcdeh}}\n"
    );
    let declared = World::new(&yaml).declared();
    let fallbacks: Vec<_> = declared.keys.iter().map(|key| key.fallbacks.clone()).collect();
    let own = FallbackPolicy { disabled: false, chains: vec![chain("gpt-4o", &["claude"])] };
    let none = FallbackPolicy { disabled: true, chains: Vec::new() };
    assert_eq!(fallbacks, [own, none, FallbackPolicy::default()]);
    let told = (5, "virtual_keys[0].router_settings.num_retries", "`fallbacks` are read", "may stay");
    assert_problems(&declared.warnings, &[told]);
}

#[test]
fn fallbacks_go_where_something_is_served() {
    let yaml = format!(
        "{MODELS}{}",
        r#"router_settings:
  model_group_alias: {best: claude}
  fallbacks:
    - {gpt-4o: [gpt-4, claude, best], best: [gpt-4o], "*": [claud]}
    - {gpt-4o: [gpt-4o]}
    - gpt-4o
    - {claude: gpt-4o}
  default_fallbacks: [nothing-like-it]
  context_window_fallbacks: {gpt-4o: [claude]}
litellm_settings:
  content_policy_fallbacks: [{gpt-4o: [7]}]
virtual_keys:
  - {key: sk-0123456789abcdef, router_settings: {fallbacks: [{gpt-4o: [claudee]}]}}
"#
    );
    let expected = [
        (7, "router_settings.fallbacks[0].gpt-4o[0]", "is `gpt-4`; did you mean `gpt-4o`?", "gpt-4o"),
        (7, "router_settings.fallbacks[0].*[0]", "is `claud`; did you mean `claude`?", "claude"),
        (8, "router_settings.fallbacks[1].gpt-4o[0]", "goes on to itself", "another group"),
        (9, "router_settings.fallbacks[2]", "expected a mapping", "{gpt-4o: [claude-sonnet]}"),
        (10, "router_settings.fallbacks[3].claude", "expected a list", "[claude-sonnet]"),
        (11, "router_settings.default_fallbacks[0]", "no model_name is `nothing-like-it`", "one of `gpt-4o`"),
        (12, "router_settings.context_window_fallbacks", "expected a list", "[{gpt-4o: [claude-sonnet]}]"),
        (14, "litellm_settings.content_policy_fallbacks[0].gpt-4o[0]", "no model_name is `7`", "one of"),
        (16, "virtual_keys[0].router_settings.fallbacks[0].gpt-4o[0]", "did you mean `claude`", "claude"),
    ];
    assert_problems(&World::new(&yaml).problems(), &expected);
}

#[test]
fn a_chain_of_a_group_that_nobody_can_ask_for_is_a_warning() {
    let yaml = r#"model_list:
  - {model_name: openai/gpt-4o, litellm_params: {model: openai/gpt-4o, api_key: k}}
  - {model_name: "groq/*", litellm_params: {model: "groq/*", api_key: k}}
router_settings:
  fallbacks: [{openai/gpt-4o: [groq/x]}, {gpt-4o: [groq/x]}, {groq/y: [groq/x]}, {gpt-4: [groq/x]}]
  model_group_retry_policy: {gpt-4: {DefaultRetries: 1}, gpt-4o: {}}
"#;
    let told = [
        (5, "router_settings.fallbacks[3].gpt-4", "is `gpt-4`", "one of `openai/gpt-4o`"),
        (6, "router_settings.model_group_retry_policy.gpt-4", "is `gpt-4`", "one of `openai/gpt-4o`"),
    ];
    assert_problems(&World::new(yaml).declared().warnings, &told);
}

#[test]
fn numbers_that_mean_nothing_are_told() {
    let yaml = r#"router_settings:
  num_retries: 101
  retry_policy: {RateLimitErorRetries: 3, RateLimitErrorAllowedFails: 3, TimeoutErrorRetries: often}
  model_group_retry_policy: {gpt-4o: 3}
  retry_after: -1
  max_fallbacks: many
  cooldown_time: soon
  allowed_fails: 1.5
  allowed_fails_policy: [1]
  deployment_affinity_ttl_seconds: 0
  routing_strategy: least-bussy
bulkhead_settings:
  connect_timeout: 0
  prompt_affinity_bytes: 0
general_settings:
  max_in_flight_requests_per_worker: 0
  trusted_proxy_ranges: 10.0.0.0/8
"#;
    let expected = [
        (2, "router_settings.num_retries", "the number 101, expected a number of retries", "num_retries: 2"),
        (3, "router_settings.retry_policy.RateLimitErorRetries", "did you mean `RateLimitErrorRetries`", "3"),
        (3, "router_settings.retry_policy.RateLimitErrorAllowedFails", "no class of failures", "one of Bad"),
        (3, "router_settings.retry_policy.TimeoutErrorRetries", "expected a whole number", "3"),
        (4, "router_settings.model_group_retry_policy.gpt-4o", "expected a mapping", "RateLimitErrorRetries"),
        (5, "router_settings.retry_after", "the number -1, expected", "retry_after: 1"),
        (6, "router_settings.max_fallbacks", "expected a whole number", "max_fallbacks: 5"),
        (7, "router_settings.cooldown_time", "expected a number of seconds", "cooldown_time: 5"),
        (8, "router_settings.allowed_fails", "expected a whole number", "allowed_fails: 3"),
        (9, "router_settings.allowed_fails_policy", "expected a mapping", "RateLimitErrorAllowedFails"),
        (10, "router_settings.deployment_affinity_ttl_seconds", "above zero", "3600"),
        (11, "router_settings.routing_strategy", "did you mean `least-busy`?", "least-busy"),
        (13, "bulkhead_settings.connect_timeout", "above zero", "connect_timeout: 10"),
        (14, "bulkhead_settings.prompt_affinity_bytes", "from 1 to 65536", "4096"),
        (16, "general_settings.max_in_flight_requests_per_worker", "above zero", "1000"),
        (17, "general_settings.trusted_proxy_ranges", "expected a list", "[10.0.0.0/8]"),
    ];
    assert_problems(&World::new(yaml).problems(), &expected);
}
