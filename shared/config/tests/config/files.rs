//! `NAME_FILE`: variables whose values are in files.

use crate::support::{MASTER_KEY, World, assert_problems};

const MODEL: &str = "
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/PROVIDER_KEY
";

const ELEMENT: &str = "model_list[0].litellm_params.api_key";

fn provider_key(world: &World) -> String {
    let declared = world.declared();
    declared.deployments[0].api_key.as_ref().unwrap().expose().to_owned()
}

#[test]
fn a_variable_that_is_not_set_is_what_its_file_holds() {
    let mounted = World::new(MODEL).var("PROVIDER_KEY_FILE", "/run/key");
    for held in ["sk-mounted", "sk-mounted\n", "sk-mounted\r\n"] {
        assert_eq!(provider_key(&mounted.clone().file("/run/key", held)), "sk-mounted", "{held:?}");
    }
    let empty = mounted.file("/run/key", "sk-mounted").var("PROVIDER_KEY", " ");
    assert_eq!(provider_key(&empty), "sk-mounted");
}

#[test]
fn only_one_line_break_at_the_end_is_no_part_of_the_value() {
    let yaml = "
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: sk-plain, user: os.environ/WORDS}
";
    let world = World::new(yaml).var("WORDS_FILE", "/run/words").file("/run/words", " two\nlines\n\n");
    let declared = world.declared();
    let user = declared.deployments[0].call_params.iter().find(|member| member.name == "user").unwrap();
    assert_eq!(user.json, r#"" two\nlines\n""#);
}

#[test]
fn defaults_and_the_master_key_may_be_in_files_too() {
    let yaml = "
model_list:
  - {model_name: gpt-4o, litellm_params: {model: openai/gpt-4o}}
environment_variables: {OPENAI_API_KEY_FILE: /run/openai}
";
    let world = World::new(yaml)
        .without("LITELLM_MASTER_KEY")
        .var("LITELLM_MASTER_KEY_FILE", "/run/master")
        .file("/run/master", &format!("{MASTER_KEY}\n"))
        .file("/run/openai", "sk-of-the-file\n");
    assert_eq!(provider_key(&world), "sk-of-the-file");
    assert_eq!(world.declared().master_key.unwrap().expose(), MASTER_KEY);
    // The file's own variables come first, whichever of the two names they use.
    let both = world.var("OPENAI_API_KEY", "sk-of-the-process");
    assert_eq!(provider_key(&both), "sk-of-the-file");
}

#[test]
fn a_file_without_a_value_is_told_with_the_line_that_asks_for_it() {
    let mounted = World::new(MODEL).var("PROVIDER_KEY_FILE", "/run/sk-not-shown");
    let large = "k".repeat((64 << 10) + 1);
    for (held, wrong) in [
        (None, "PROVIDER_KEY_FILE names cannot be read: entity not found"),
        (Some(""), "PROVIDER_KEY_FILE names is empty"),
        (Some(" \n"), "PROVIDER_KEY_FILE names is empty"),
        (Some(large.as_str()), "PROVIDER_KEY_FILE names is larger than 64 KiB"),
    ] {
        let world = match held {
            Some(held) => mounted.clone().file("/run/sk-not-shown", held),
            None => mounted.clone(),
        };
        let problems = world.problems();
        assert_problems(&problems, &[(6, ELEMENT, wrong, "PROVIDER_KEY_FILE=/path")]);
        assert!(!problems[0].to_string().contains("sk-not-shown"), "{}", problems[0]);
    }
}

#[test]
fn a_default_in_a_broken_file_is_an_error_and_told_once() {
    let yaml = "
model_list:
  - {model_name: one, litellm_params: {model: openai/gpt-4o}}
  - {model_name: two, litellm_params: {model: openai/gpt-4o}}
  - {model_name: three, litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY}}
";
    let world = World::new(yaml).var("OPENAI_API_KEY_FILE", "/nowhere");
    let wrong = "OPENAI_API_KEY_FILE names cannot be read";
    assert_problems(&world.problems(), &[(3, ELEMENT, wrong, "OPENAI_API_KEY_FILE=")]);
    let master = World::new("").without("LITELLM_MASTER_KEY").var("LITELLM_MASTER_KEY_FILE", "/nowhere");
    let wrong = "LITELLM_MASTER_KEY_FILE names cannot be read";
    let path = "general_settings.master_key";
    assert_problems(&master.problems(), &[(1, path, wrong, "LITELLM_MASTER_KEY_FILE=")]);
}

#[test]
fn a_variable_and_its_file_are_not_both_set() {
    let world = World::new(MODEL).var("PROVIDER_KEY", "sk-plain").var("PROVIDER_KEY_FILE", "/run/key");
    let wrong = "PROVIDER_KEY and PROVIDER_KEY_FILE are both set";
    assert_problems(
        &world.file("/run/key", "sk-mounted").problems(),
        &[(6, ELEMENT, wrong, "one of the two")],
    );
}
