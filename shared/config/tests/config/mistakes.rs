//! Mistakes in a configuration file: each is told with its line, its field and a remedy, and all at once.

use crate::support::{Expected, World, assert_problems};

/// A part of the file and what is wrong with it.
struct Case(&'static str, &'static [Expected<'static>]);

/// Lines are numbered within the case, from 1.
const CASES: &[Case] = &[
    Case(
        r#"
router_settings:
  routing_stratgy: simple-shuffle
  timeout: soon
  model_group_alias:
    gpt-4: gpt-4oo
    ring: rang
    rang: ring
    shy: {model: gpt-4o, hiden: true}
    empty: {hidden: true}
  enable_tag_filtering: perhaps
  provider_budget_config: {openai: {budget_limit: 1, time_period: 1d}}
  optional_pre_call_checks: [prompt_caching, router_budget_limiting]
"#,
        &[
            (
                2,
                "router_settings.routing_stratgy",
                "no key `routing_stratgy`; did you mean",
                "routing_strategy",
            ),
            (3, "router_settings.timeout", "text \"soon\", expected a number of seconds", "timeout: 600"),
            (
                5,
                "router_settings.model_group_alias.gpt-4",
                "no model_name is `gpt-4oo`; did you mean `gpt-4o`",
                "`gpt-4o`",
            ),
            (
                6,
                "router_settings.model_group_alias.ring",
                "leads back to itself",
                "ring: the name of a model group",
            ),
            (7, "router_settings.model_group_alias.rang", "leads back to itself", "model group"),
            (8, "router_settings.model_group_alias.shy.hiden", "no key `hiden`", "hidden: true"),
            (9, "router_settings.model_group_alias.empty.model", "`model` is missing", "model: gpt-4o"),
            (
                10,
                "router_settings.enable_tag_filtering",
                "expected true or false",
                "enable_tag_filtering: true",
            ),
            (
                11,
                "router_settings.provider_budget_config",
                "budgets of providers",
                "accept_unenforced: [provider_budget_config]",
            ),
            (
                12,
                "router_settings.optional_pre_call_checks",
                "with `router_budget_limiting`",
                "accept_unenforced",
            ),
        ],
    ),
    Case(
        r#"
litellm_settings:
  drop_parms: true
  request_timeout: 0
  budget_exceeded_status_code: 200
  timezone: Europe/Berln
  max_budget: 100
  callbacks: [prometheus, hide_secrets]
  master_key: os.environ/LITELLM_MASTER_KEY
"#,
        &[
            (2, "litellm_settings.drop_parms", "did you mean `drop_params`", "drop_params"),
            (3, "litellm_settings.request_timeout", "the number 0, expected", "request_timeout: 600"),
            (4, "litellm_settings.budget_exceeded_status_code", "a status from 400 to 599", "429"),
            (5, "litellm_settings.timezone", "an IANA time zone", "Europe/Berlin"),
            (
                6,
                "litellm_settings.max_budget",
                "no budget for the gateway as a whole",
                "accept_unenforced: [max_budget]",
            ),
            (
                7,
                "litellm_settings.callbacks",
                "`callbacks` with `hide_secrets`",
                "accept_unenforced: [callbacks]",
            ),
            (8, "litellm_settings.master_key", "no key `master_key`", "under `general_settings`"),
        ],
    ),
    Case(
        r#"
general_settings:
  master_key: sk-1234
  litellm_key_header_name: "x key"
  max_request_size_mb: lots
  forward_client_headers_to_llm_api: 3
  allowed_ips: [10.0.0.1, 10.0.0/8]
  enable_jwt_auth: true
  custom_auth: auth.user_api_key_auth
  master_kye: x
"#,
        &[
            (2, "general_settings.master_key", "default or example", "echo \"sk-$(openssl rand -hex 24)\""),
            (3, "general_settings.litellm_key_header_name", "expected the name of a header", "x-litellm-key"),
            (4, "general_settings.max_request_size_mb", "text \"lots\"", "max_request_size_mb: 100"),
            (5, "general_settings.forward_client_headers_to_llm_api", "the number 3, expected true", "true"),
            (6, "general_settings.allowed_ips[1]", "expected an address or a network", "10.0.0.0/8"),
            (7, "general_settings.enable_jwt_auth", "restricts", "accept_unenforced: [enable_jwt_auth]"),
            (8, "general_settings.custom_auth", "custom authentication", "accept_unenforced"),
            (9, "general_settings.master_kye", "did you mean `master_key`", "master_key"),
        ],
    ),
    Case(
        r#"
bulkhead_settings:
  accept_unenforced: [json_logs, max_bugdet, policies]
  keepalive_seconds: -1
  body_memory_mb: 0
  upstream_auth_errors: 401
  keepalive: 5
"#,
        &[
            (
                2,
                "bulkhead_settings.accept_unenforced[0]",
                "`json_logs` is no restriction",
                "without this name",
            ),
            (2, "bulkhead_settings.accept_unenforced[1]", "did you mean `max_budget`", "restriction"),
            (
                2,
                "bulkhead_settings.accept_unenforced[2]",
                "nothing in the file sets `policies`",
                "without this name",
            ),
            (3, "bulkhead_settings.keepalive_seconds", "the number -1", "keepalive_seconds: 15"),
            (4, "bulkhead_settings.body_memory_mb", "megabytes above zero", "body_memory_mb"),
            (5, "bulkhead_settings.upstream_auth_errors", "the number 401", "\"502\""),
            (6, "bulkhead_settings.keepalive", "no key `keepalive`", "the section without"),
        ],
    ),
    Case(
        r#"
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY_NOT_SET
      rpm: many
      tpm: -5
      weight: heavy
      order: first
      timeout: -1
      input_cost_per_token: cheap
      output_cost_per_token: -1
      input_cost_per_tokens: 1e-6
      extra_headers: {"bad name": x, content-length: 5}
      additional_drop_params: ["tools[*].strict"]
      drop_params: maybe
      temperature: .5
      max_parallel_requests: lots
  - litellm_params: {model: openai/gpt-4o}
  - model_name: no-params
  - model_name: no-model
    litellm_params: {api_key: sk-abcdefgh}
  - model_name: nobody
    litellm_params: {model: llama-3}
  - model_name: slip
    litellm_params: {model: opnai/gpt-4o}
  - model_name: fixed
    litellm_params: {model: openai/*}
  - model_name: az
    litellm_params: {model: azure/dep, api_base: "https://me:pw@x.openai.azure.com"}
  - model_name: az2
    litellm_params: {model: azure/dep, api_key: abcdefgh}
  - model_name: own
    litellm_params: {model: hosted_vllm/m}
  - model_name: url
    litellm_params: {model: openai/m, api_base: localhost:8000/v1}
  - model_name: query
    litellm_params: {model: openai/m, api_base: "http://h/v1?key=x"}
  - model_name: unknown
    litellm_params: {model: m, custom_llm_provider: opena}
  - model_name: info
    litellm_params: {model: openai/m}
    model_info: {id: one, mode: chatt, access_group: [a], blocked: true}
  - model_name: info
    litellm_params: {model: openai/m2}
    model_info: {id: one, max_input_tokens: 128k}
  - model_name: text
    litellm_params: gpt-4o
    model_infos: {}
  - gpt-4o
"#,
        &[
            (
                5,
                "model_list[0].litellm_params.api_key",
                "OPENAI_API_KEY_NOT_SET is not set",
                "export OPENAI_API_KEY_NOT_SET=",
            ),
            (
                6,
                "model_list[0].litellm_params.rpm",
                "text \"many\", expected a whole number such as 60",
                "rpm: 60",
            ),
            (7, "model_list[0].litellm_params.tpm", "the number -5", "tpm: 100000"),
            (8, "model_list[0].litellm_params.weight", "text \"heavy\"", "weight: 1"),
            (9, "model_list[0].litellm_params.order", "text \"first\"", "order: 1"),
            (10, "model_list[0].litellm_params.timeout", "the number -1", "timeout: 60"),
            (11, "model_list[0].litellm_params.input_cost_per_token", "text \"cheap\"", "2.5e-06"),
            (12, "model_list[0].litellm_params.output_cost_per_token", "must not be negative", "2.5e-06"),
            (
                13,
                "model_list[0].litellm_params.input_cost_per_tokens",
                "no price; did you mean `input_cost_per_token`",
                "input_cost_per_token",
            ),
            (14, "model_list[0].litellm_params.extra_headers.bad name", "no header name", "x-name"),
            (
                14,
                "model_list[0].litellm_params.extra_headers.content-length",
                "the gateway writes",
                "without it",
            ),
            (
                15,
                "model_list[0].litellm_params.additional_drop_params[0]",
                "a path inside a parameter",
                "tools",
            ),
            (16, "model_list[0].litellm_params.drop_params", "text \"maybe\"", "drop_params: true"),
            (
                18,
                "model_list[0].litellm_params.max_parallel_requests",
                "text \"lots\"",
                "max_parallel_requests: 100",
            ),
            (19, "model_list[1].model_name", "`model_name` is missing", "model_name: gpt-4o"),
            (20, "model_list[2].litellm_params", "`litellm_params` is missing", "model: openai/gpt-4o"),
            (22, "model_list[3].litellm_params.model", "`model` is missing", "model: openai/gpt-4o"),
            (
                24,
                "model_list[4].litellm_params.model",
                "`llama-3` does not say which provider",
                "PROVIDER/llama-3",
            ),
            (26, "model_list[5].litellm_params.model", "did you mean `openai`", "openai/gpt-4o"),
            (
                28,
                "model_list[6].litellm_params.model",
                "holds a `*` and the model_name `fixed` none",
                "model_name: \"openai/*\"",
            ),
            (30, "model_list[7].litellm_params.api_version", "needs an api_version", "AZURE_API_VERSION"),
            (
                30,
                "model_list[7].litellm_params.api_base",
                "user name and password",
                "https://api.example.com/v1",
            ),
            (32, "model_list[8].litellm_params.api_base", "`azure` has no address", "api_base: https://"),
            (
                32,
                "model_list[8].litellm_params.api_version",
                "needs an api_version",
                "api_version: \"2024-10-21\"",
            ),
            (
                34,
                "model_list[9].litellm_params.api_base",
                "`hosted_vllm` has no address",
                "https://hosted-vllm.example.com/v1",
            ),
            (36, "model_list[10].litellm_params.api_base", "not a URL", "https://"),
            (38, "model_list[11].litellm_params.api_base", "`?` and `#`", "https://"),
            (
                40,
                "model_list[12].litellm_params.custom_llm_provider",
                "did you mean `openai`",
                "custom_llm_provider: one of",
            ),
            (43, "model_list[13].model_info.mode", "no mode `chatt`; did you mean `chat`", "mode: one of"),
            (43, "model_list[13].model_info.access_group", "did you mean `access_groups`", "access_groups"),
            (43, "model_list[13].model_info.blocked", "served all the same", "accept_unenforced: [blocked]"),
            (
                46,
                "model_list[14].model_info.id",
                "the id `one` is taken by the deployment in line",
                "id: one-2",
            ),
            (46, "model_list[14].model_info.max_input_tokens", "text \"128k\"", "128000"),
            (
                48,
                "model_list[15].litellm_params",
                "text \"gpt-4o\", expected a mapping",
                "model: openai/gpt-4o",
            ),
            (49, "model_list[15].model_infos", "did you mean `model_info`", "model_info"),
            (50, "model_list[16]", "expected a mapping", "model_name: gpt-4o"),
        ],
    ),
    Case(
        r#"
virtual_keys:
  - key_alias: alice
    key: os.environ/ALICE_KEY_NOT_SET
    max_budget: -1
    budget_duration: monthly
    rpm_limit: ten
    allowed_routes: [llm_api_route]
    duration: 30d
    guardrails: [pii]
  - key_alias: alice
    key: sk-bobs-key-0123456789
    expires: tomorrow
    max_parallel_requests: 1.5
    model_rpm_limit: {gpt-4o: 1}
    key_tpye: default
  - key: sk-bobs-key-0123456789
  - key_hash: abc
  - {}
  - key: sk-short
  - key: not-a-key-at-all
  - key: sk-both-0123456789
    key_hash: 88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b
  - key_hash: 88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b
    key_type: admin
    models: gpt-4o
    metadata: {guardrails: [x]}
"#,
        &[
            (3, "virtual_keys[0].key", "ALICE_KEY_NOT_SET is not set", "export ALICE_KEY_NOT_SET="),
            (4, "virtual_keys[0].max_budget", "must not be negative", "max_budget: 12.50"),
            (
                5,
                "virtual_keys[0].budget_duration",
                "text \"monthly\", expected a length of time",
                "budget_duration: 30d",
            ),
            (6, "virtual_keys[0].rpm_limit", "text \"ten\"", "rpm_limit: 60"),
            (7, "virtual_keys[0].allowed_routes[0]", "did you mean `llm_api_routes`", "llm_api_routes"),
            (8, "virtual_keys[0].duration", "counts from when a key is made", "expires: 2027"),
            (9, "virtual_keys[0].guardrails", "restricts", "accept_unenforced: [guardrails]"),
            (10, "virtual_keys[1].key_alias", "`alice` is taken in line", "alice-2"),
            (12, "virtual_keys[1].expires", "a date and time", "expires: 2027-01-31T00:00:00Z"),
            (13, "virtual_keys[1].max_parallel_requests", "the number 1.5", "max_parallel_requests: 10"),
            (14, "virtual_keys[1].model_rpm_limit", "limits per model", "accept_unenforced"),
            (15, "virtual_keys[1].key_tpye", "did you mean `key_type`", "key_type"),
            (16, "virtual_keys[2].key", "the same key is declared in line", "one of the two"),
            (17, "virtual_keys[3].key_hash", "64 hexadecimal digits", "sha256sum"),
            (18, "virtual_keys[4].key", "neither `key` nor `key_hash`", "key: os.environ/"),
            (19, "virtual_keys[5].key", "at least 16 characters", "openssl rand -hex 24"),
            (20, "virtual_keys[6].key", "begins with `sk-`", "openssl rand -hex 24"),
            (22, "virtual_keys[7].key_hash", "the same thing twice", "one of the two"),
            (24, "virtual_keys[8].key_type", "one of default, llm_api", "key_type: llm_api"),
            (25, "virtual_keys[8].models", "text \"gpt-4o\", expected a list", "models: [gpt-4o]"),
            (26, "virtual_keys[8].metadata.guardrails", "restricts", "accept_unenforced"),
        ],
    ),
    Case(
        r#"
environment_variables:
  A: [1]
  B: os.environ/NOT_SET_EITHER
modle_list: []
guardrails: [{guardrail_name: pii}]
"#,
        &[
            (2, "environment_variables.A", "a variable must be a single text", "A: some-text"),
            (3, "environment_variables.B", "NOT_SET_EITHER is not set", "export NOT_SET_EITHER="),
            (4, "modle_list", "no key `modle_list`; did you mean `model_list`", "model_list"),
            (5, "guardrails", "`guardrails` restricts", "accept_unenforced: [guardrails]"),
        ],
    ),
];

#[test]
fn all_mistakes_of_one_file_are_told_at_once() {
    let (mut yaml, mut expected, mut lines) = (String::new(), Vec::new(), 0);
    for Case(text, problems) in CASES {
        let text = text.trim_start();
        expected
            .extend(problems.iter().map(|(line, path, what, remedy)| (line + lines, *path, *what, *remedy)));
        yaml.push_str(text);
        lines += u32::try_from(text.lines().count()).unwrap();
    }
    assert!(expected.len() >= 35);
    let problems = World::new(&yaml).problems();
    assert_problems(&problems, &expected);
}
