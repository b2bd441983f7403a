//! Deployments at clouds, whose addresses are made of what a deployment says of itself.

use bulkhead_model::rows::DeploymentRow;

use crate::support::{World, assert_problems};

/// The row of one deployment.
fn row(params: &str, variables: &[(&str, &str)]) -> DeploymentRow {
    let yaml = format!("model_list: [{{model_name: m, litellm_params: {{{params}}}}}]");
    let world = variables.iter().fold(World::new(&yaml), |world, (name, value)| world.var(name, value));
    world.declared().deployments.remove(0)
}

#[test]
fn vertex_is_reached_in_its_location_and_project() {
    let regional = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1";
    let unnamed = "https://us-central1-aiplatform.googleapis.com/v1/projects/{project}/locations/us-central1";
    let own = "https://proxy/v1/projects/p/locations/eu";
    let model = "https://proxy/x/publishers/google/models/gemini-2.5-pro";
    for (more, variables, base) in [
        (", vertex_project: p", &[][..], regional),
        ("", &[("VERTEXAI_PROJECT", "p"), ("GOOGLE_CLOUD_PROJECT", "q")], regional),
        ("", &[("GOOGLE_CLOUD_PROJECT", "p")], regional),
        (
            ", vertex_ai_project: p, vertex_ai_location: europe-west4",
            &[("VERTEXAI_LOCATION", "us-east5")],
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4",
        ),
        (
            ", vertex_project: p",
            &[("VERTEX_LOCATION", "us-east5")],
            "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5",
        ),
        (
            ", vertex_project: p, vertex_location: global",
            &[],
            "https://aiplatform.googleapis.com/v1/projects/p/locations/global",
        ),
        (
            ", vertex_project: p, vertex_location: eu, api_version: v1beta1",
            &[],
            "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/p/locations/eu",
        ),
        ("", &[], unnamed),
        (", vertex_credentials: /c.json", &[("GOOGLE_CLOUD_PROJECT", "q")], unnamed),
        (", vertex_credentials: /c.json", &[("VERTEXAI_PROJECT", "p")], regional),
        (", api_key: AQ.x", &[], "https://aiplatform.googleapis.com/v1"),
        (", vertex_project: p, vertex_location: eu, api_base: \"https://proxy\"", &[], own),
        (", vertex_project: p, vertex_location: eu, api_base: \"https://proxy/v1\"", &[], own),
        (", vertex_project: p, vertex_location: eu", &[("VERTEXAI_API_BASE", "https://proxy/v1/")], own),
        (", api_base: \"https://proxy/v1/projects/p/locations/eu\"", &[], own),
        (", api_base: \"https://proxy/x/publishers/google/models/gemini-2.5-pro\"", &[], model),
    ] {
        let row = row(&format!("model: vertex_ai/gemini-2.5-pro{more}"), variables);
        assert_eq!(row.api_base.as_deref(), Some(base), "{more}");
        assert_eq!((row.provider.as_str(), row.api_version), ("vertex_ai", None), "{more}");
    }
}

#[test]
fn an_address_that_cannot_be_made_is_told() {
    let yaml = "model_list:
  - model_name: a
    litellm_params: {model: vertex_ai/gemini-2.5-pro, api_key: token}
  - model_name: b
    litellm_params:
      model: vertex_ai/gemini-2.5-pro
      vertex_project: p/../q
      vertex_location: us-east5
  - model_name: c
    litellm_params: {model: bedrock/agent/x, aws_region_name: us-east-1, api_key: k}
";
    assert_problems(
        &World::new(yaml).problems(),
        &[
            (
                3,
                "model_list[0].litellm_params.vertex_project",
                "an address in each project",
                "vertex_project: my-project",
            ),
            (
                7,
                "model_list[1].litellm_params.vertex_project",
                "part of an address",
                "vertex_project: my-project",
            ),
            (10, "model_list[2].litellm_params.model", "another service of Bedrock's", "model: bedrock/"),
        ],
    );
}

#[test]
fn names_of_bedrocks_models_say_more_than_the_model() {
    let arn = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/x";
    let params = format!("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0\", model_id: \"{arn}");
    for (model, own, base, region) in [
        ("bedrock/us.anthropic.claude-x", "us.anthropic.claude-x", None, "ca-central-1"),
        ("bedrock/invoke/us.anthropic.claude-x", "invoke/us.anthropic.claude-x", None, "ca-central-1"),
        ("bedrock/converse/us.anthropic.claude-x", "converse/us.anthropic.claude-x", None, "ca-central-1"),
        (
            "bedrock/nova/arn:aws:bedrock:us-east-1:1:x",
            "converse/arn:aws:bedrock:us-east-1:1:x",
            None,
            "us-east-1",
        ),
        (
            "bedrock/us-gov-west-1/anthropic.claude-x",
            "anthropic.claude-x",
            Some("us-gov-west-1/anthropic.claude-x"),
            "us-gov-west-1",
        ),
        (
            "bedrock/invoke/us-west-2/anthropic.claude-x",
            "invoke/anthropic.claude-x",
            Some("us-west-2/anthropic.claude-x"),
            "us-west-2",
        ),
        (&format!("bedrock/{arn}"), arn, None, "eu-west-1"),
        (&params, arn, Some("anthropic.claude-sonnet-4-5-20250929-v1:0"), "eu-west-1"),
    ] {
        let row = row(&format!("api_key: k, model: \"{model}\""), &[("AWS_REGION", "ca-central-1")]);
        assert_eq!((row.model.as_str(), row.base_model.as_deref()), (own, base), "{model}");
        let address = format!("https://bedrock-runtime.{region}.amazonaws.com");
        assert_eq!(row.api_base, Some(address), "{model}");
    }
    let said = row("api_key: k, model: bedrock/us-west-2/x, base_model: y, aws_region_name: us-east-1", &[]);
    assert_eq!(said.base_model.as_deref(), Some("y"));
    assert_eq!(said.api_base.as_deref(), Some("https://bedrock-runtime.us-east-1.amazonaws.com"));
}

/// As in LiteLLM: what is declared, what the name says, what the variables say.
#[test]
fn requests_to_an_address_of_ones_own_are_signed_for_the_region_of_the_model() {
    let arn = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/x";
    let with_arn = format!("anthropic.claude-x, model_id: \"{arn}\"");
    for (model, more, region) in [
        ("us-west-2/anthropic.claude-x", "", "us-west-2"),
        ("invoke/us-gov-west-1/anthropic.claude-x", "", "us-gov-west-1"),
        (arn, "", "eu-west-1"),
        (&with_arn, "", "eu-west-1"),
        ("us-west-2/anthropic.claude-x", ", aws_region_name: ap-south-1", "ap-south-1"),
        ("anthropic.claude-x", "", "ca-central-1"),
    ] {
        let keys = "aws_access_key_id: AKIA, aws_secret_access_key: s, api_base: \"http://127.0.0.1:1\"";
        let variables = [("AWS_REGION", "ca-central-1")];
        let row = row(&format!("{keys}, model: bedrock/{model}{more}"), &variables);
        let said = row.cloud.iter().find(|said| said.name == "aws_region_name");
        assert_eq!(said.map(|said| said.value.expose()), Some(region), "{model}{more}");
    }
}

#[test]
fn addresses_of_azure_may_say_their_version() {
    let base = "https://x.services.ai.azure.com/models/chat/completions";
    for (model, more, own, version) in [
        ("azure_ai/grok-3", "", "grok-3", Some("2024-05-01-preview")),
        ("azure_ai/grok-3", ", api_version: \"2025-01-01\"", "grok-3", Some("2025-01-01")),
        ("azure_ai/model_router/mine", "", "mine", Some("2024-05-01-preview")),
    ] {
        let params =
            format!("model: {model}, api_key: k, api_base: \"{base}?api-version=2024-05-01-preview\"{more}");
        let row = row(&params, &[]);
        assert_eq!((row.model.as_str(), row.api_version.as_deref()), (own, version));
        assert_eq!(row.api_base.as_deref(), Some(base));
    }
    let row =
        row("model: azure_ai/claude-opus-4-1", &[("AZURE_AI_API_BASE", base), ("AZURE_AI_API_KEY", "k")]);
    assert_eq!((row.api_base.as_deref(), row.api_version), (Some(base), None));
}
