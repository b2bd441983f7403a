//! `credential_list`: what deployments share.

use bulkhead_model::Secret;

use crate::support::{World, assert_problems};

const SHARED: &str = "credential_list:
  - credential_name: azure-prod
    credential_values:
      api_key: os.environ/AZURE_PROD
      api_base: https://prod.openai.azure.com
      api_version: \"2024-10-21\"
    credential_info: {description: production, custom_llm_provider: azure}
  - credential_name: aws
    credential_values: {aws_access_key_id: AKIA, aws_secret_access_key: os.environ/AWS_SECRET, aws_region_name: eu-west-1}
  - credential_name: unused
    credential_values: {api_key: os.environ/NOT_SET}
model_list:
  - {model_name: a, litellm_params: {model: azure/gpt-4o, litellm_credential_name: azure-prod}}
  - {model_name: b, litellm_params: {model: azure/gpt-4o, litellm_credential_name: azure-prod, api_base: https://own.openai.azure.com, api_version: null}}
  - {model_name: c, litellm_params: {model: bedrock/us.amazon.nova-lite-v1:0, litellm_credential_name: aws}}
";

fn shared() -> World {
    World::new(SHARED).var("AZURE_PROD", "a-key-of-azure").var("AWS_SECRET", "a-secret-of-aws")
}

#[test]
fn deployments_take_what_they_do_not_say_from_their_credential() {
    let declared = shared().declared();
    assert_eq!(declared.warnings.len(), 0, "{:?}", declared.warnings);
    let [a, b, c] = &declared.deployments[..] else { panic!("{}", declared.deployments.len()) };
    for (row, base) in [(a, "https://prod.openai.azure.com"), (b, "https://own.openai.azure.com")] {
        assert_eq!(row.api_key.as_ref().map(Secret::expose), Some("a-key-of-azure"));
        assert_eq!((row.api_base.as_deref(), row.api_version.as_deref()), (Some(base), Some("2024-10-21")));
        assert!(row.call_params.is_empty() && row.credential.is_none());
    }
    let said: Vec<_> = c.cloud.iter().map(|said| (said.name.as_str(), said.value.expose())).collect();
    let keys = [("aws_access_key_id", "AKIA"), ("aws_secret_access_key", "a-secret-of-aws")];
    assert_eq!(said, [keys[0], keys[1], ("aws_region_name", "eu-west-1")]);
    assert_eq!(c.api_base.as_deref(), Some("https://bedrock-runtime.eu-west-1.amazonaws.com"));
}

/// What requests are counted under is not another after a change of the key.
#[test]
fn another_key_leaves_the_ids_as_they_are() {
    let ids = |world: World| world.declared().deployments.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let before = ids(shared());
    assert_eq!(ids(shared().var("AZURE_PROD", "another-key")), before);
    let renamed = SHARED.replace("azure-prod", "azure-next");
    let renamed = World::new(&renamed).var("AZURE_PROD", "k").var("AWS_SECRET", "s");
    assert_ne!(ids(renamed), before);
}

#[test]
fn what_is_wrong_with_a_credential_is_told_without_its_values() {
    let yaml = "credential_list:
  - {credential_name: azure-prod, credential_values: {api_key: os.environ/NOT_SET}}
  - {credential_name: azure-prod, credential_values: {api_key: a-plain-secret-1}}
  - {credential_values: {api_key: a-plain-secret-2}}
  - {credential_name: none}
  - {credential_name: odd, credential_values: {api_key: k, api_version: {a: a-plain-secret-3}}}
model_list:
  - {model_name: a, litellm_params: {model: azure/x, api_base: https://h, api_version: v1, litellm_credential_name: azure-prod}}
  - {model_name: b, litellm_params: {model: openai/x, litellm_credential_name: azure-prd}}
  - {model_name: c, litellm_params: {model: openai/x, litellm_credential_name: odd}}
";
    let problems = World::new(yaml).problems();
    assert_problems(
        &problems,
        &[
            (2, "model_list[0].litellm_params.api_key", "NOT_SET", "NOT_SET"),
            (3, "credential_list[1].credential_name", "the credential in line 2", "another"),
            (4, "credential_list[2].credential_name", "is missing", "credential_name"),
            (5, "credential_list[3].credential_values", "is missing", "api_key"),
            (6, "model_list[2].litellm_params.api_version", "a mapping", "api_version"),
            (
                9,
                "model_list[1].litellm_params.litellm_credential_name",
                "did you mean `azure-prod`",
                "azure-prod",
            ),
        ],
    );
    let told = problems.iter().map(ToString::to_string).collect::<String>();
    assert!(!told.contains("a-plain-secret"), "{told}");
}

/// A name that no deployment knows would put a secret into the bodies of requests.
#[test]
fn a_value_that_no_deployment_takes_is_left_out() {
    let yaml =
        "credential_list: [{credential_name: c, credential_values: {api_key: k, apikey: a-plain-secret}}]
model_list: [{model_name: m, litellm_params: {model: openai/m, litellm_credential_name: c}}]";
    let declared = World::new(yaml).declared();
    assert!(declared.deployments[0].call_params.is_empty());
    let told: Vec<_> = declared.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("`apikey` is nothing") && !told[0].contains("a-plain-secret"), "{told:?}");
}
