//! From declarations to rows.

use std::time::Duration;

use bulkhead_model::rows::{AliasRow, DeploymentRow, SettingsRow};
use bulkhead_model::{KeyHash, NanoUsd, PicoUsd, UnixMillis, WindowLength};

use crate::support::World;

fn deployments(yaml: &str) -> Vec<DeploymentRow> {
    World::new(yaml).declared().deployments
}

/// The deployment that these `litellm_params` make.
fn deployment(params: &str) -> DeploymentRow {
    deployments(&format!("model_list: [{{model_name: m, litellm_params: {{{params}}}}}]")).remove(0)
}

#[test]
fn every_parameter_of_a_deployment_arrives() {
    let yaml = r#"
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o-2024-11-20
      api_key: "  sk-openai  "
      base_url: https://eu.example.com/v1/
      api_version: 2024-10-21
      organization: org-1
      timeout: 30.5
      stream_timeout: "12"
      rpm: 1_000
      tpm: 60.0
      weight: 0.25
      order: -1
      tags: [free, 7]
      extra_headers: {X-Team: red, x-number: 5, x-none: }
      extra_body: {seed: 7, nested: {a: [1, 2.50, null, yes, "no"]}}
      drop_params: yes
      additional_drop_params: [response_format, stop]
      temperature: 0.70
      top_p: .5
      user: "1"
      stop: [a, b]
      max_tokens: null
      input_cost_per_token: 1e-6
      cache_read_input_token_cost: 0.0000000025
    model_info:
      id: eu-1
      mode: chat
      base_model: gpt-4o
      access_groups: [beta]
      max_input_tokens: 128000
      max_output_tokens: 16384
      supports_vision: true
      input_cost_per_token: 9
      output_cost_per_token: 0
"#;
    let row = deployments(yaml).remove(0);
    assert_eq!((row.id.as_str(), row.group.as_str(), row.provider.as_str()), ("eu-1", "gpt-4o", "openai"));
    assert_eq!(row.model, "gpt-4o-2024-11-20");
    assert_eq!(row.api_key.as_ref().map(|key| key.expose()), Some("sk-openai"));
    assert_eq!(row.api_base.as_deref(), Some("https://eu.example.com/v1"));
    assert_eq!(
        (row.api_version.as_deref(), row.organization.as_deref()),
        (Some("2024-10-21"), Some("org-1"))
    );
    assert_eq!(row.timeout, Some(Duration::from_millis(30_500)));
    assert_eq!(row.stream_timeout, Some(Duration::from_secs(12)));
    assert_eq!((row.rpm, row.tpm, row.weight, row.order), (Some(1000), Some(60), Some(250), Some(-1)));
    assert_eq!(row.tags, ["free", "7"]);
    let headers: Vec<_> = row.extra_headers.iter().map(|h| (h.name.as_str(), h.value.expose())).collect();
    assert_eq!(headers, [("x-team", "red"), ("x-number", "5")]);
    let body: Vec<_> = row.extra_body.iter().map(|m| (m.name.as_str(), m.json.as_str())).collect();
    assert_eq!(body, [("seed", "7"), ("nested", r#"{"a":[1,2.50,null,true,"no"]}"#)]);
    let params: Vec<_> = row.call_params.iter().map(|m| (m.name.as_str(), m.json.as_str())).collect();
    assert_eq!(
        params,
        [("temperature", "0.70"), ("top_p", "0.5"), ("user", "\"1\""), ("stop", r#"["a","b"]"#)]
    );
    assert_eq!(
        (row.drop_params, row.drop_always),
        (Some(true), vec!["response_format".into(), "stop".into()])
    );
    let price = |name: &str| row.prices.iter().find(|(known, _)| known == name).map(|(_, price)| *price);
    assert_eq!(price("input_cost_per_token"), Some(PicoUsd(1_000_000)), "litellm_params win over model_info");
    assert_eq!(price("cache_read_input_token_cost"), Some(PicoUsd(2_500)));
    assert_eq!(price("output_cost_per_token"), Some(PicoUsd(0)));
    assert_eq!((row.mode.as_deref(), row.base_model.as_deref()), (Some("chat"), Some("gpt-4o")));
    assert_eq!(
        (row.access_groups, row.max_input_tokens, row.max_output_tokens),
        (vec!["beta".into()], Some(128_000), Some(16_384))
    );
}

#[test]
fn the_provider_is_named_prefixed_or_well_known() {
    for (params, provider, model) in [
        ("model: openai/gpt-4o", "openai", "gpt-4o"),
        ("model: openrouter/anthropic/claude-sonnet-4", "openrouter", "anthropic/claude-sonnet-4"),
        ("model: gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("model: o3-mini", "openai", "o3-mini"),
        ("model: text-embedding-3-small", "openai", "text-embedding-3-small"),
        ("model: claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("model: meta/llama, custom_llm_provider: openai", "openai", "meta/llama"),
        ("model: openai/x, custom_llm_provider: openai", "openai", "x"),
        ("model: anthropic/x, custom_llm_provider: openai", "openai", "anthropic/x"),
    ] {
        let row = deployment(params);
        assert_eq!((row.provider.as_str(), row.model.as_str()), (provider, model), "{params}");
    }
}

#[test]
fn keys_addresses_and_versions_come_from_the_providers_variables() {
    let yaml = "model_list: [{model_name: m, litellm_params: {model: azure/dep}}]";
    let world = World::new(yaml)
        .var("AZURE_API_KEY", "azure-key\n")
        .var("AZURE_API_BASE", "https://x.openai.azure.com/")
        .var("AZURE_API_VERSION", "2024-10-21");
    let row = world.declared().deployments.remove(0);
    assert_eq!(row.api_key.unwrap().expose(), "azure-key");
    assert_eq!(row.api_base.as_deref(), Some("https://x.openai.azure.com"));
    assert_eq!(row.api_version.as_deref(), Some("2024-10-21"));
    let declared = World::new(
        "environment_variables: {OPENAI_API_KEY: from-file}\nmodel_list: [{model_name: m, litellm_params: {model: openai/m}}]",
    );
    let row = declared.var("OPENAI_API_KEY", "from-process").declared().deployments.remove(0);
    assert_eq!(row.api_key.unwrap().expose(), "from-file");
    assert_eq!(row.api_base, None, "the provider table has it");
    let unversioned =
        deployment("model: azure/dep, api_base: https://x.openai.azure.com/openai/v1/, api_key: k");
    assert_eq!(unversioned.api_version, None);
}

#[test]
fn ollama_is_reached_where_it_is_declared() {
    let row = deployment("model: ollama/llama3.3, api_base: \"http://gpu:11434\"");
    assert_eq!((row.api_base.as_deref(), row.api_key.is_none()), (Some("http://gpu:11434"), true));
}

#[test]
fn an_id_outlives_its_key_and_changes_with_anything_else() {
    let id = |params: &str| deployment(params).id;
    let first = id("model: openai/gpt-4o, api_key: one, rpm: 5, extra_headers: {authorization: one}");
    assert_eq!(first.len(), 32);
    assert_eq!(
        first,
        id("rpm: 5, extra_headers: {authorization: two}, api_key: two, tpm: , model: openai/gpt-4o")
    );
    assert_ne!(first, id("model: openai/gpt-4o, api_key: one, rpm: 6, extra_headers: {authorization: one}"));
    let twins = "[{model_name: m, litellm_params: {model: openai/m, api_key: a}}, {model_name: m, litellm_params: {model: openai/m, api_key: b}}]";
    let ids: Vec<_> = deployments(&format!("model_list: {twins}")).into_iter().map(|row| row.id).collect();
    assert_eq!(format!("{}-2", ids[0]), ids[1]);
}

#[test]
fn wildcards_keep_their_stars() {
    let yaml = r#"
model_list:
  - {model_name: "openai/*", litellm_params: {model: "openai/*", api_key: k}}
  - {model_name: "claude-*", litellm_params: {model: "anthropic/claude-*", api_key: k}}
  - {model_name: "*", litellm_params: {model: openai/gpt-4o, api_key: k}}
  - {model_name: "a/*/b/*", litellm_params: {model: "openai/*-*", api_key: k}}
"#;
    let rows = deployments(yaml);
    let seen: Vec<_> = rows.iter().map(|row| (row.group.as_str(), row.model.as_str())).collect();
    assert_eq!(seen, [("openai/*", "*"), ("claude-*", "claude-*"), ("*", "gpt-4o"), ("a/*/b/*", "*-*")]);
}

#[test]
fn a_star_for_every_provider_becomes_the_providers_with_keys() {
    let yaml = "model_list: [{model_name: \"*\", litellm_params: {model: \"*\", rpm: 5}}]";
    let world = World::new(yaml).var("OPENAI_API_KEY", "o").var("GROQ_API_KEY", "g");
    let rows = world.declared().deployments;
    let find = |group: &str| rows.iter().find(|row| row.group == group);
    let openai = find("openai/*").unwrap();
    assert_eq!((openai.provider.as_str(), openai.model.as_str(), openai.rpm), ("openai", "*", Some(5)));
    assert_eq!(find("groq/*").unwrap().api_key.as_ref().unwrap().expose(), "g");
    assert_eq!(find("gpt-*").unwrap().model, "gpt-*");
    assert!(find("anthropic/*").is_none() && find("claude-*").is_none());
    let ids: std::collections::HashSet<_> = rows.iter().map(|row| &row.id).collect();
    assert_eq!(ids.len(), rows.len());
    let problems = World::new(yaml).problems();
    assert!(problems[0].what.contains("every provider whose key"), "{}", problems[0]);
    let keyed = "model_list: [{model_name: \"*\", litellm_params: {model: \"*\", api_key: k}}]";
    assert!(World::new(keyed).problems()[0].what.contains("belongs to one provider"));
}

#[test]
fn settings_arrive() {
    let yaml = r#"
model_list: [{model_name: gpt-4o, litellm_params: {model: openai/gpt-4o, api_key: k}}]
litellm_settings: {drop_params: on, request_timeout: 600, budget_exceeded_status_code: 429, timezone: europe/berlin}
router_settings:
  routing_strategy: simple-shuffle
  enable_tag_filtering: true
  tag_filtering_match_any: false
  stream_timeout: 60
  model_group_alias: {gpt-4: gpt-4o, old: gpt-4, shy: {model: gpt-4o, hidden: true}}
general_settings:
  litellm_key_header_name: X-My-Key
  max_request_size_mb: 0.5
  forward_client_headers_to_llm_api: true
  allow_unmanaged_response_ids: true
  disable_responses_id_security: true
  database_url: os.environ/NOT_SET
bulkhead_settings: {keepalive_seconds: 0, body_memory_mb: 64, upstream_auth_errors: litellm}
"#;
    let settings = World::new(yaml).declared().settings;
    let alias = |name: &str, hidden| AliasRow { name: name.into(), group: "gpt-4o".into(), hidden };
    let expected = SettingsRow {
        master_key: Some(KeyHash::of(crate::support::MASTER_KEY)),
        key_header: Some("x-my-key".into()),
        max_request_bytes: 512 << 10,
        body_memory_bytes: 64 << 20,
        request_timeout: Duration::from_secs(600),
        stream_timeout: Some(Duration::from_secs(60)),
        drop_params: true,
        tag_filtering: true,
        tag_match_any: false,
        aliases: vec![alias("gpt-4", false), alias("old", false), alias("shy", true)],
        budget_exceeded_status: 429,
        keepalive: Duration::ZERO,
        expose_upstream_auth: true,
        forward_client_headers: true,
        unmanaged_response_ids: true,
        shared_response_ids: true,
        timezone: "Europe/Berlin".into(),
        mentions_database: true,
        ..SettingsRow::default()
    };
    assert_eq!(settings, expected);
}

#[test]
fn the_routers_timeout_wins() {
    let yaml = "litellm_settings: {request_timeout: 600}\nrouter_settings: {timeout: 20}";
    assert_eq!(World::new(yaml).declared().settings.request_timeout, Duration::from_secs(20));
}

#[test]
fn a_body_must_fit_into_the_memory_for_bodies() {
    let problems = World::new("general_settings: {max_request_size_mb: 2048}").problems();
    assert_eq!(problems[0].path, "general_settings.max_request_size_mb");
    assert!(problems[0].remedy.contains("body_memory_mb: 20480"));
}

#[test]
fn virtual_keys_arrive() {
    let yaml = r#"
virtual_keys:
  - key: os.environ/ALICE_KEY
    key_alias: alice
    models: [all-proxy-models]
    aliases: {fast: gpt-4o-mini}
    allowed_routes: [openai_routes, /v1/messages, "/v1/*"]
    max_budget: 12.5
    budget_duration: 30d
    rpm_limit: 60
    tpm_limit: "1000"
    max_parallel_requests: 4
    expires: 2027-01-31T01:00:00+01:00
    blocked: no
    team_id: red
    user_id: 7
    tags: [a]
    metadata: {cost_center: 42, tags: [b]}
  - key_hash: 88DC28D0F030C55ED4AB77ED8FAF098196CB1C05DF778539800C9F1243FE6B4B
    key_type: read_only
    blocked: true
    max_budget: ~
"#;
    let keys = World::new(yaml).var("ALICE_KEY", "sk-alice-0123456789").declared().keys;
    let [alice, hashed] = keys.as_slice() else { panic!("two keys") };
    assert_eq!(
        (alice.id.as_str(), alice.alias.as_deref(), alice.name.as_str()),
        ("alice", Some("alice"), "sk-...6789")
    );
    assert_eq!(alice.hash, KeyHash::of("sk-alice-0123456789"));
    assert_eq!(alice.models, ["all-proxy-models"]);
    assert_eq!(alice.aliases, [("fast".to_owned(), "gpt-4o-mini".to_owned())]);
    assert_eq!(alice.allowed_routes, ["openai_routes", "/v1/messages", "/v1/*"]);
    let budget = alice.budget.unwrap();
    assert_eq!((budget.max, budget.window), (NanoUsd(12_500_000_000), Some(WindowLength::Days(30))));
    let limits = alice.limits;
    assert_eq!((limits.rpm, limits.tpm, limits.max_parallel), (Some(60), Some(1000), Some(4)));
    assert_eq!(alice.expires, UnixMillis::parse("2027-01-31T00:00:00Z"));
    assert_eq!(
        (alice.blocked, alice.team_id.as_deref(), alice.user_id.as_deref()),
        (false, Some("red"), Some("7"))
    );
    assert_eq!(alice.tags, ["a", "b"]);
    assert_eq!(alice.metadata.as_deref(), Some(r#"{"cost_center":42,"tags":["b"]}"#));
    assert_eq!(hashed.hash, KeyHash::of("sk-1234"));
    assert_eq!((hashed.id.clone(), hashed.name.as_str()), (hashed.hash.to_string(), "sha256:88dc28d0"));
    assert_eq!(
        (hashed.allowed_routes.clone(), hashed.blocked, hashed.budget),
        (vec!["info_routes".into()], true, None)
    );
}

#[test]
fn models_of_a_key_may_be_anything_that_is_served() {
    let yaml = r#"
model_list:
  - {model_name: gpt-4o, litellm_params: {model: openai/gpt-4o, api_key: k}, model_info: {access_groups: [beta]}}
  - {model_name: "groq/*", litellm_params: {model: "groq/*", api_key: k}}
router_settings: {model_group_alias: {best: gpt-4o}}
virtual_keys:
  - key: sk-0123456789abcdef
    models: [gpt-4o, beta, best, "openai/*", "gpt-*", groq/llama, "groq/l*", "*", all-team-models]
    aliases: {a: best, b: groq/x}
"#;
    let declared = World::new(yaml).declared();
    assert_eq!(declared.warnings, []);
}

#[test]
fn bedrock_is_reached_in_its_region() {
    for (more, base) in [
        ("", "https://bedrock-runtime.eu-central-1.amazonaws.com"),
        (", aws_region_name: us-east-1", "https://bedrock-runtime.us-east-1.amazonaws.com"),
        (", aws_bedrock_runtime_endpoint: \"http://127.0.0.1:1\"", "http://127.0.0.1:1"),
    ] {
        let yaml = format!(
            "model_list: [{{model_name: m, litellm_params: {{model: bedrock/us.x, api_key: k{more}}}}}]"
        );
        let row = World::new(&yaml).var("AWS_REGION", "eu-central-1").declared().deployments.remove(0);
        assert_eq!((row.provider.as_str(), row.api_base.as_deref()), ("bedrock", Some(base)), "{more}");
    }
}
