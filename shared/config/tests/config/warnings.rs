//! What has no effect is said once; what restricts without being enforced stops, unless it is accepted by name.

use crate::support::{World, assert_problems};

const MODEL: &str =
    "model_list:\n  - model_name: gpt-4o\n    litellm_params: {model: openai/gpt-4o, api_key: k}\n";

fn warnings(yaml: &str) -> Vec<bulkhead_config::Problem> {
    World::new(&format!("{MODEL}{yaml}")).declared().warnings
}

#[test]
fn keys_without_effect_are_warned_about_with_what_is_not_done() {
    let yaml = r#"
litellm_settings:
  set_verbose: true
  json_logs: true
  success_callback: [langfuse]
  callbacks: [prometheus, otel]
  fallbacks: [{gpt-4: [gpt-4o]}]
  cache: true
  turn_off_message_logging: true
router_settings:
  max_retries: 3
  routing_strategy_args: {ttl: 5}
  redis_host: h
  routing_strategy: lar1
general_settings:
  proxy_batch_write_at: 10
  database_connection_pool_limit: 10
  alerting: [slack]
  ui_access_mode: all
  store_model_in_db: false
  pass_through_endpoints: []
  database_url: os.environ/DATABASE_URL
mcp_servers: {x: {url: http://h}}
"#;
    let expected = [
        (6, "litellm_settings.set_verbose", "no effect", "may stay"),
        (7, "litellm_settings.json_logs", "no effect", "may stay"),
        (8, "litellm_settings.success_callback", "logging callbacks", "may stay"),
        (9, "litellm_settings.callbacks", "logging callbacks", "may stay"),
        (10, "litellm_settings.fallbacks[0].gpt-4", "no model_name is `gpt-4`", "gpt-4o"),
        (11, "litellm_settings.cache", "no answer is cached", "may stay"),
        (14, "router_settings.max_retries", "write `num_retries`", "may stay"),
        (15, "router_settings.routing_strategy_args", "one strategy", "may stay"),
        (16, "router_settings.redis_host", "Redis is not used", "may stay"),
        (17, "router_settings.routing_strategy", "simple-shuffle is used", "simple-shuffle"),
        (19, "general_settings.proxy_batch_write_at", "the database", "may stay"),
        (20, "general_settings.database_connection_pool_limit", "the database", "may stay"),
        (21, "general_settings.alerting", "alerts", "may stay"),
        (22, "general_settings.ui_access_mode", "dashboard", "may stay"),
        (25, "general_settings.database_url", "not visible to a standalone gateway", "virtual_keys"),
        (26, "mcp_servers", "answer 404", "may stay"),
    ];
    assert_problems(&warnings(yaml), &expected);
}

#[test]
fn a_key_of_many_deployments_is_warned_about_once() {
    let element = "  - {model_name: a, litellm_params: {model: openai/a, api_key: k, tag_regex: [a]}}\n";
    let declared = World::new(&format!("model_list:\n{element}{element}{element}")).declared();
    assert_problems(
        &declared.warnings,
        &[(2, "model_list[0].litellm_params.tag_regex", "take part in routing", "may stay")],
    );
}

#[test]
fn accepted_restrictions_become_warnings() {
    let yaml = "litellm_settings: {max_budget: 10}\ngeneral_settings: {public_routes: [/x]}\n\
                bulkhead_settings: {accept_unenforced: [litellm_settings.max_budget, public_routes]}\n";
    let expected = [
        (4, "litellm_settings.max_budget", "restricts, and is not enforced", "accept_unenforced names it"),
        (5, "general_settings.public_routes", "restricts, and is not enforced", "accept_unenforced names it"),
    ];
    assert_problems(&warnings(yaml), &expected);
}

#[test]
fn what_is_enforced_needs_no_acceptance() {
    let yaml = "general_settings: {allowed_ips: [10.0.0.1]}\nbulkhead_settings: {accept_unenforced: [allowed_ips]}\n";
    let path = "bulkhead_settings.accept_unenforced[0]";
    assert_problems(
        &World::new(yaml).problems(),
        &[(2, path, "enforced by this version", "without this name")],
    );
}

#[test]
fn a_qualified_name_accepts_in_its_section_only() {
    let yaml = "litellm_settings: {max_budget: 10}\nbulkhead_settings: {accept_unenforced: [litellm_params.max_budget]}\n";
    let problems = World::new(yaml).problems();
    assert_problems(
        &problems,
        &[
            (1, "litellm_settings.max_budget", "restricts", "accept_unenforced"),
            (2, "bulkhead_settings.accept_unenforced[0]", "nothing in the file sets", "without this name"),
        ],
    );
}

#[test]
fn restrictions_that_are_switched_off_restrict_nothing() {
    let yaml = "general_settings: {enable_jwt_auth: false, allowed_ips: [], custom_auth: null, public_routes: }\n\
                litellm_settings: {callbacks: [], max_budget: ~, guardrails: {}}\n";
    assert_problems(&warnings(yaml), &[]);
}

#[test]
fn code_of_ones_own_counts_as_a_restriction() {
    let problems = World::new("litellm_settings: {callbacks: my_hooks.handler}").problems();
    assert_problems(
        &problems,
        &[(1, "litellm_settings.callbacks", "`my_hooks.handler`", "accept_unenforced: [callbacks]")],
    );
}

#[test]
fn what_looks_like_a_slip_is_told() {
    let yaml = r#"model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: k
      api_bse: http://h/v1
      temprature: 0.2
      top_p: 0.5
      input_cost_per_token: 2.5
      search_context_cost_per_query: {search_context_size_low: 0.03}
    model_info: {mode: image_generation, flavour: sweet}
  - model_name: no-key
    litellm_params: {model: openai/gpt-4o}
router_settings: {model_group_alias: {gpt-4o: no-key}}
virtual_keys:
  - key_alias: a
    key: sk-0123456789abcdef
    models: [gpt-4, "gpt-*", no-default-models, gpt-4oo]
    aliases: {x: nothing-like-it}
    rpm_limit: 0
    max_budget: 0
    budget_duration: 1mo
  - key: sk-0123456789abcdeg
    budget_duration: 1mo
"#;
    let expected = [
        (6, "model_list[0].litellm_params.api_bse", "call parameter; did you mean `api_base`?", "api_base"),
        (7, "model_list[0].litellm_params.temprature", "did you mean `temperature`?", "temperature"),
        (9, "model_list[0].litellm_params.input_cost_per_token", "more than a cent per token", "per million"),
        (
            10,
            "model_list[0].litellm_params.search_context_cost_per_query",
            "structure of their own",
            "may stay",
        ),
        (11, "model_list[0].model_info.mode", "`image_generation` are not served", "`chat`"),
        (11, "model_list[0].model_info.flavour", "no meaning", "free-form"),
        (
            13,
            "model_list[1].litellm_params.api_key",
            "neither here nor in OPENAI_API_KEY",
            "os.environ/OPENAI_API_KEY",
        ),
        (14, "router_settings.model_group_alias.gpt-4o", "hides the model group", "no model_name"),
        (18, "virtual_keys[0].models[0]", "did you mean `gpt-4o`?", "gpt-4o"),
        (18, "virtual_keys[0].models[3]", "did you mean `gpt-4o`?", "gpt-4o"),
        (19, "virtual_keys[0].aliases.x", "no model is `nothing-like-it`", "x: one of `gpt-4o`"),
        (20, "virtual_keys[0].rpm_limit", "zero allows nothing", "rpm_limit: 60"),
        (21, "virtual_keys[0].max_budget", "zero allows nothing", "max_budget: 10.0"),
        (24, "virtual_keys[1].budget_duration", "no max_budget", "max_budget: 10.0"),
    ];
    assert_problems(&World::new(yaml).declared().warnings, &expected);
}

#[test]
fn a_key_of_the_environment_that_goes_elsewhere_is_told() {
    let yaml = "model_list:\n  - model_name: m\n    litellm_params: {model: openai/m, api_base: \"http://vllm:8000/v1\"}\n";
    let declared = World::new(yaml).declared();
    assert_eq!(declared.warnings, [], "a server of one's own may need no key");
    let declared = World::new(yaml).var("OPENAI_API_KEY", "sk-from-the-environment").declared();
    let path = "model_list[0].litellm_params.api_key";
    let told = (3, path, "the one in OPENAI_API_KEY is sent to this api_base", "api_key: os.environ/");
    assert_problems(&declared.warnings, &[told]);
}

#[test]
fn a_file_without_models_is_warned_about() {
    let declared = World::new("").declared();
    assert_problems(&declared.warnings, &[(1, "model_list", "no model is declared", "model_list: [")]);
}
