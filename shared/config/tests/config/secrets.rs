//! No message holds a secret, whatever is wrong around it.

use crate::support::World;

/// Marks every planted secret.
const CANARY: &str = "CANARY";

/// Secrets in their own fields, in fields that expect something else, as names, behind aliases, from variables.
const PLANTED: &str = r#"
environment_variables: {DB: "postgres://u:CANARY-env-1@h/d", NUMBER: CANARY-env-2}
general_settings:
  master_key: CANARY-master-key-without-prefix
  database_url: postgresql://user:CANARY-database@db/x
  litellm_license: CANARY-license
  coordination_redis: {password: CANARY-redis}
litellm_settings:
  cache: true
  cache_params: {type: redis, password: CANARY-cache, url: "redis://:CANARY-redis-url@h"}
  openai_key: CANARY-openai-key
  request_timeout: os.environ/NUMBER
  sk-CANARY-as-a-name: 1
router_settings:
  redis_password: CANARY-router
  timeout: "https://u:CANARY-in-a-url@h/x"
  model_group_alias: {"sk-CANARY-alias-name": nothing}
model_list:
  - model_name: a
    litellm_params: &p
      model: openai/a
      api_key: &key sk-CANARY-provider-key
      rpm: *key
      tpm: os.environ/NUMBER
      api_base: https://user:CANARY-password@host/v1
      extra_headers: {authorization: "Bearer CANARY-header", x-y: "CANARY\nbroken"}
      aws_secret_access_key: CANARY-aws
      vertex_credentials: '{"private_key": "CANARY-vertex"}'
      api_kye: CANARY-slip
      weight: sk-CANARY-in-a-number
  - model_name: b
    litellm_params:
      <<: *p
      api_key: [CANARY-in-a-list]
      organization: {x: CANARY-in-a-mapping}
      base_url: "https://CANARY-token@h"
      model: [CANARY-not-shown]
virtual_keys:
  - key: CANARY-no-prefix-key
  - key: sk-CANARY
  - key_hash: CANARY-hash
    key_alias: a
  - key: sk-CANARY-virtual-key-1
    key_alias: a
    rpm_limit: sk-CANARY-virtual-key-1
  - key: sk-CANARY-virtual-key-1
  - sk-CANARY-as-an-element
  - {sk-CANARY-as-a-key: x}
"#;

#[test]
fn canaries_appear_in_no_problem_and_no_warning() {
    let problems = World::new(PLANTED).var("LITELLM_MASTER_KEY", "CANARY-from-the-environment").problems();
    assert!(problems.len() > 15, "{problems:?}");
    for problem in &problems {
        assert!(!problem.to_string().contains(CANARY), "{problem}");
    }
}

#[test]
fn canaries_appear_in_no_warning_of_a_good_file() {
    let good = r#"
general_settings: {database_url: "postgresql://user:CANARY-database@db/x", litellm_license: CANARY-license}
litellm_settings: {cache: true, cache_params: {password: CANARY-cache}, openai_key: CANARY-openai}
model_list:
  - model_name: a
    litellm_params: {model: openai/a, api_key: sk-CANARY-key, apy_key: sk-CANARY-slip, aws_secret_access_key: CANARY-a}
virtual_keys: [{key: sk-CANARY-virtual-key, models: [sk-CANARY-virtual-key], rpm_limit: 0}]
"#;
    let declared = World::new(good).declared();
    assert!(declared.warnings.len() >= 5, "{:?}", declared.warnings);
    for warning in &declared.warnings {
        assert!(!warning.to_string().contains(CANARY), "{warning}");
    }
}

#[test]
fn broken_yaml_shows_nothing_of_its_text() {
    for text in [
        "api_key: \"sk-CANARY-key",
        "api_key: sk-CANARY: x: y",
        "- CANARY\nx: CANARY",
        "? CANARY\n: [",
        "!CANARY x",
    ] {
        for problem in World::new(text).problems() {
            assert!(!problem.to_string().contains(CANARY) || text.starts_with('!'), "{problem}");
        }
    }
}
