//! Accounts with clouds: what is read of them, and what cannot work.

use bulkhead_model::rows::DeploymentRow;

use crate::support::{World, assert_problems};

fn file(params: &str) -> World {
    let params = params.replace('\n', "\n      ");
    World::new(&format!("model_list:\n  - model_name: m\n    litellm_params:\n      {params}\n"))
}

fn said(row: &DeploymentRow) -> Vec<(&str, &str)> {
    row.cloud.iter().map(|said| (said.name.as_str(), said.value.expose())).collect()
}

fn warnings(world: &World) -> Vec<(String, String)> {
    world.declared().warnings.into_iter().map(|problem| (problem.path, problem.what)).collect()
}

#[test]
fn what_is_said_of_an_account_is_read_from_the_file_and_its_variables() {
    let keys = "model: bedrock/us.x\naws_region_name: eu-west-1\naws_access_key_id: AKIA\n\
                aws_secret_access_key: os.environ/SECRET";
    let row = file(keys).var("SECRET", "s3cret").declared().deployments.remove(0);
    assert_eq!(
        said(&row),
        [
            ("aws_access_key_id", "AKIA"),
            ("aws_secret_access_key", "s3cret"),
            ("aws_region_name", "eu-west-1")
        ]
    );
    let azure = "model: azure/gpt-4o\napi_base: https://a.openai.azure.com\napi_version: v1\ntenant_id: t\n\
                 client_id: c\nclient_secret: os.environ/SECRET";
    let row = file(azure).var("SECRET", "s").declared().deployments.remove(0);
    assert_eq!(said(&row), [("tenant_id", "t"), ("client_id", "c"), ("client_secret", "s")]);
}

#[test]
fn the_files_own_variables_stand_for_the_processs() {
    let yaml = "environment_variables: {AWS_ACCESS_KEY_ID: AKIA, AWS_SECRET_ACCESS_KEY: s, AWS_REGION: eu-west-3}\n\
                model_list: [{model_name: m, litellm_params: {model: bedrock/us.x}}]";
    // Those of the process are asked where requests are signed.
    let declared = World::new(yaml).var("AWS_SESSION_TOKEN", "of the process").declared();
    assert_eq!(
        said(&declared.deployments[0]),
        [("aws_access_key_id", "AKIA"), ("aws_secret_access_key", "s"), ("aws_region_name", "eu-west-3")]
    );
}

#[test]
fn keys_are_not_mixed_with_variables_of_others() {
    let yaml = "environment_variables: {AWS_SESSION_TOKEN: t, AWS_PROFILE: work, AWS_EXTERNAL_ID: x}\n\
                model_list: [{model_name: m, litellm_params: {model: bedrock/us.x, aws_region_name: r, \
                aws_access_key_id: AKIA, aws_secret_access_key: s, aws_role_name: arn}}]";
    let declared = World::new(yaml).declared();
    let names: Vec<_> = said(&declared.deployments[0]).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["aws_access_key_id", "aws_secret_access_key", "aws_role_name", "aws_external_id", "aws_region_name"]
    );
}

#[test]
fn what_cannot_work_is_told_with_its_remedy() {
    let params = "model: bedrock/us.x\napi_base: http://127.0.0.1:1\naws_access_key_id: AKIA\n\
                  aws_web_identity_token: /token\nazure_password: p\nvertex_credentials: \"{}\"";
    assert_problems(
        &file(params).problems(),
        &[
            (3, "model_list[0].litellm_params.aws_region_name", "signed for a region", "aws_region_name"),
            (
                6,
                "model_list[0].litellm_params.aws_access_key_id",
                "needs `aws_secret_access_key`",
                "aws_secret",
            ),
            (
                7,
                "model_list[0].litellm_params.aws_web_identity_token",
                "needs `aws_role_name`",
                "aws_role_name",
            ),
            (8, "model_list[0].litellm_params.azure_password", "password", "client_secret"),
            (9, "model_list[0].litellm_params.vertex_credentials", "JSON of Google's", "os.environ/"),
        ],
    );
}

#[test]
fn a_key_goes_before_an_account_and_another_clouds_has_no_effect() {
    let params = "model: bedrock/us.x\naws_region_name: r\napi_key: k\naws_role_name: arn\nclient_id: c";
    let world = file(params);
    let told = warnings(&world);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].0.ends_with("aws_role_name") && told[0].1.contains("that one counts"), "{told:?}");
    assert!(told[1].0.ends_with("client_id") && told[1].1.contains("for Azure"), "{told:?}");
    assert_eq!(said(&world.declared().deployments[0]), [("aws_region_name", "r")]);
}

#[test]
fn a_cloud_without_a_sign_of_an_account_is_warned_about() {
    let world = file("model: bedrock/us.x\naws_region_name: r");
    let told = warnings(&world);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].1.contains("AWS_PROFILE") && told[0].1.contains("machine's own"), "{told:?}");
    assert_eq!(warnings(&world.clone().var("AWS_PROFILE", "work")), []);
    let home = world.var("HOME", "/home/me").file("/home/me/.aws/credentials", "[default]");
    assert_eq!(warnings(&home), []);
}

#[test]
fn googles_credentials_are_a_path_a_text_or_a_mapping() {
    let of = |value: &str| {
        // No provider has an account with Google in this file, so they are only read.
        let world = file(&format!("model: openai/x\napi_key: k\nvertex_credentials: {value}"));
        warnings(&world).len()
    };
    for value in ["/run/google.json", "'{\"type\": \"service_account\"}'", "{type: service_account}"] {
        assert_eq!(of(value), 1, "{value}");
    }
    for value in ["'{\"no\": \"type\"}'", "'{'", "{a: b}", "\"two\\nlines\"", "[x]"] {
        let world = file(&format!("model: openai/x\napi_key: k\nvertex_credentials: {value}"));
        assert_eq!(world.problems().len(), 1, "{value}");
    }
}
