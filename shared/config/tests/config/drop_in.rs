//! Configurations as LiteLLM's users write them load unchanged, but for the weak master key of the examples.

use crate::support::{MASTER_KEY, World};

/// A file of a team that has used LiteLLM for a while.
const REALISTIC: &str = r#"
# Models of the platform team. Questions to #ai-platform.
environment_variables:
  REGION: eu
  TIMEOUT: "45"

include:
  - models/embeddings.yaml

model_list:
  # OpenAI, two accounts behind one name
  - model_name: gpt-4o
    litellm_params: &openai
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
      rpm: 480
      timeout: os.environ/TIMEOUT
      stream_timeout: 20
      temperature: 0.2
      tags: ["paid"]
    model_info: &chat
      mode: chat
      access_groups: ["general"]
  - model_name: gpt-4o
    litellm_params:
      <<: *openai
      api_key: os.environ/OPENAI_API_KEY_2
      rpm: 120
    model_info:
      <<: *chat
      id: gpt-4o-second
  - model_name: gpt-4o-mini
    litellm_params:
      <<: *openai
      model: gpt-4o-mini
      max_tokens: 2048
    model_info: *chat

  # Azure
  - model_name: gpt-4o-eu
    litellm_params:
      model: azure/gpt-4o-swedencentral
      api_base: https://acme-sweden.openai.azure.com/
      api_key: "os.environ/AZURE_API_KEY_SWEDEN"
      api_version: "2024-10-21"
      weight: 2
      drop_params: true
    model_info:
      base_model: azure/gpt-4o
      supports_function_calling: true
      health_check_timeout: 10

  # Anthropic
  - model_name: claude-sonnet
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_key: os.environ/ANTHROPIC_API_KEY
      extra_headers:
        anthropic-beta: "context-1m-2025-08-07"
      additional_drop_params: ["logit_bias"]
      max_retries: 3
  - model_name: "claude-*"
    litellm_params:
      model: "anthropic/claude-*"
      api_key: os.environ/ANTHROPIC_API_KEY

  # Our own machines
  - model_name: llama
    litellm_params:
      model: hosted_vllm/meta-llama/Llama-3.3-70B-Instruct
      api_base: http://vllm.internal:8000/v1
      input_cost_per_token: 1e-7
      output_cost_per_token: 0.0000002
      extra_body: {guided_decoding_backend: xgrammar}
  - model_name: "groq/*"
    litellm_params:
      model: "groq/*"
      api_key: os.environ/GROQ_API_KEY

router_settings:
  routing_strategy: simple-shuffle
  model_group_alias:
    gpt-4: gpt-4o
    gpt-4-turbo: {model: gpt-4o, hidden: true}
  num_retries: 2
  timeout: 120
  allowed_fails: 3
  cooldown_time: 30
  fallbacks: [{"gpt-4o": ["claude-sonnet"]}]
  enable_pre_call_checks: true
  redis_host: os.environ/REDIS_HOST
  redis_port: 6379
  redis_password: os.environ/REDIS_PASSWORD

litellm_settings:
  drop_params: True
  set_verbose: False
  json_logs: true
  request_timeout: 600
  success_callback: ["langfuse", "s3_v2"]
  failure_callback: ["langfuse"]
  callbacks: ["prometheus"]
  cache: true
  cache_params:
    type: redis
    host: os.environ/REDIS_HOST
    ttl: 600
  context_window_fallbacks: [{"gpt-4o-mini": ["gpt-4o"]}]

general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  database_url: os.environ/DATABASE_URL
  database_connection_pool_limit: 20
  store_model_in_db: true
  proxy_batch_write_at: 60
  alerting: ["slack"]
  alerting_threshold: 300
  background_health_checks: true
  health_check_interval: 300
  litellm_key_header_name: X-Acme-Key

virtual_keys:
  - key: os.environ/CI_KEY
    key_alias: ci
    models: [general, "claude-*"]
    max_budget: 50
    budget_duration: 7d
"#;

const EMBEDDINGS: &str = r#"
model_list:
  - model_name: text-embedding-3-small
    litellm_params:
      model: text-embedding-3-small
      api_key: os.environ/OPENAI_API_KEY
    model_info:
      mode: embedding
"#;

#[test]
fn a_realistic_file_loads_to_the_expected_rows() {
    let mut world = World::new(REALISTIC).file("models/embeddings.yaml", EMBEDDINGS);
    for name in
        ["OPENAI_API_KEY", "OPENAI_API_KEY_2", "AZURE_API_KEY_SWEDEN", "ANTHROPIC_API_KEY", "GROQ_API_KEY"]
    {
        world = world.var(name, &format!("value-of-{name}"));
    }
    let declared = world.var("CI_KEY", "sk-ci-0123456789abcdef").declared();
    let rows: Vec<_> = declared
        .deployments
        .iter()
        .map(|row| (row.group.as_str(), row.provider.as_str(), row.model.as_str()))
        .collect();
    assert_eq!(
        rows,
        [
            ("gpt-4o", "openai", "gpt-4o"),
            ("gpt-4o", "openai", "gpt-4o"),
            ("gpt-4o-mini", "openai", "gpt-4o-mini"),
            ("gpt-4o-eu", "azure", "gpt-4o-swedencentral"),
            ("claude-sonnet", "anthropic", "claude-sonnet-4-5"),
            ("claude-*", "anthropic", "claude-*"),
            ("llama", "hosted_vllm", "meta-llama/Llama-3.3-70B-Instruct"),
            ("groq/*", "groq", "*"),
            ("text-embedding-3-small", "openai", "text-embedding-3-small"),
        ]
    );
    let [first, second, mini, azure, ..] = declared.deployments.as_slice() else {
        panic!("nine deployments")
    };
    assert_eq!((first.rpm, second.rpm, mini.rpm), (Some(480), Some(120), Some(480)));
    assert_eq!(second.id, "gpt-4o-second");
    assert_eq!(second.api_key.as_ref().unwrap().expose(), "value-of-OPENAI_API_KEY_2");
    assert_eq!(first.timeout.unwrap().as_secs(), 45);
    assert_eq!(second.access_groups, ["general"]);
    assert_eq!((azure.weight, azure.base_model.as_deref()), (Some(2000), Some("azure/gpt-4o")));
    assert_eq!(declared.settings.request_timeout.as_secs(), 120);
    assert_eq!(declared.settings.aliases.len(), 2);
    assert_eq!(declared.keys[0].id, "ci");
    let warned: Vec<_> = declared.warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert!(
        warned.contains(&"router_settings.redis_host") && warned.contains(&"general_settings.database_url")
    );
    assert!(!warned.iter().any(|path| path.contains("fallbacks") || path.contains("retries")));
    let routing = &declared.settings.routing;
    assert_eq!((routing.num_retries, routing.allowed_fails), (Some(2), Some(3)));
    assert_eq!(routing.fallbacks[0].targets, ["claude-sonnet"]);
    assert_eq!(routing.context_window_fallbacks.as_ref().unwrap()[0].group, "gpt-4o-mini");
    assert_eq!(declared.files.len(), 2);
}

/// Shapes that LiteLLM's documentation shows, in our own words.
const DOCUMENTED: &[&str] = &[
    // The first one that everybody writes
    "model_list:\n  - model_name: gpt-3.5-turbo\n    litellm_params:\n      model: azure/my-deployment\n      api_base: https://endpoint.openai.azure.com/\n      api_key: \"os.environ/KEY\"\n      api_version: \"2023-07-01-preview\"\n",
    // Proxy all models of a provider, and all models at all
    "model_list:\n  - model_name: \"anthropic/*\"\n    litellm_params:\n      model: \"anthropic/*\"\n      api_key: os.environ/KEY\n  - model_name: \"*\"\n    litellm_params:\n      model: \"*\"\n",
    "model_list:\n  - model_name: \"*\"\n    litellm_params:\n      model: openai/*\n      api_key: os.environ/KEY\n      api_base: http://localhost:8000/v1\n",
    // Load balancing with weights, rpm, tpm and order
    "model_list:\n  - {model_name: m, litellm_params: {model: openai/a, api_key: k, rpm: 900, weight: 9, order: 1}}\n  - {model_name: m, litellm_params: {model: openai/b, api_key: k, tpm: 10000, weight: 1, order: 2}}\nrouter_settings: {routing_strategy: usage-based-routing-v2, enable_pre_call_checks: true, redis_url: redis://h}\n",
    // Retries and fallbacks
    "litellm_settings:\n  num_retries: 3\n  request_timeout: 10\n  fallbacks: [{\"zephyr\": [\"gpt-4o\"]}]\n  default_fallbacks: [\"gpt-4o\"]\n  allowed_fails: 3\nrouter_settings:\n  retry_policy: {AuthenticationErrorRetries: 3, TimeoutErrorRetries: 3}\n  allowed_fails_policy: {RateLimitErrorAllowedFails: 100}\n",
    // Tags
    "model_list:\n  - {model_name: m, litellm_params: {model: openai/a, api_key: k, tags: [free]}}\n  - {model_name: m, litellm_params: {model: openai/b, api_key: k, tags: [default]}}\nrouter_settings: {enable_tag_filtering: True}\n",
    // Prices and provider information of one's own
    "model_list:\n  - model_name: m\n    litellm_params: {model: openai/m, api_base: http://h/v1, api_key: none}\n    model_info: {input_cost_per_token: 0.000421, output_cost_per_token: 0.000520, mode: completion, version: 2, supports_function_calling: false}\n",
    // Access groups, caching, logging, metrics
    "model_list:\n  - {model_name: m, litellm_params: {model: openai/m, api_key: k}, model_info: {access_groups: [\"beta-models\"]}}\nlitellm_settings:\n  cache: True\n  cache_params: {type: redis, namespace: litellm.caching, supported_call_types: [acompletion], mode: default_off}\n  success_callback: [\"lunary\"]\n  callbacks: [\"otel\"]\n  service_callbacks: [prometheus_system]\n  prometheus_initialize_budget_metrics: true\ncallback_settings: {otel: {message_logging: False}}\n",
    // Database, alerting, production settings
    "general_settings:\n  database_url: \"postgresql://llm:pw@db:5432/llm\"\n  proxy_batch_write_at: 60\n  database_connection_pool_limit: 10\n  disable_error_logs: True\n  allow_requests_on_db_unavailable: True\n  alerting: [\"slack\"]\n  alert_to_webhook_url: {budget_alerts: [https://hooks.example.com/x]}\n  alerting_args: {daily_report_frequency: 43200}\n  store_model_in_db: true\n  ui_access_mode: admin_only\n  user_api_key_cache_ttl: 60\nlitellm_settings: {set_verbose: False, json_logs: true}\n",
    // MCP, pass-through, agents: not served yet, but no reason not to start
    "mcp_servers:\n  deepwiki: {url: https://mcp.deepwiki.com/mcp}\ngeneral_settings:\n  pass_through_endpoints:\n    - {path: /v1/rerank, target: https://api.cohere.com/v1/rerank, headers: {Authorization: \"bearer os.environ/COHERE_API_KEY\"}}\n",
    // A credential that no deployment uses is not read
    "credential_list: [{credential_name: c, credential_values: {api_key: os.environ/NOT_SET}, credential_info: {description: x}}]\nmodel_list: [{model_name: m, litellm_params: {model: openai/m, api_key: k}}]\n",
];

#[test]
fn documented_files_load() {
    for yaml in DOCUMENTED {
        let world = World::new(yaml).var("KEY", "a-key").var("OPENAI_API_KEY", "a-key");
        if let Err(problems) = world.load() {
            panic!("{yaml}\n{problems}");
        }
    }
}

#[test]
fn the_master_key_of_the_examples_is_all_that_has_to_change() {
    let yaml = |key: &str| {
        format!(
            "model_list: [{{model_name: m, litellm_params: {{model: openai/m, api_key: k}}}}]\ngeneral_settings: {{master_key: {key}}}"
        )
    };
    assert_eq!(World::new(&yaml("sk-1234")).problems().len(), 1);
    World::new(&yaml(MASTER_KEY)).declared();
}
