//! A gateway does not start without a master key that cannot be guessed.

use bulkhead_model::KeyHash;

use crate::support::{MASTER_KEY, World, assert_problems};

const REMEDY: &str = "echo \"sk-$(openssl rand -hex 24)\"";

#[test]
fn it_comes_from_the_file_or_from_litellms_variable() {
    let other = "sk-81c6f7da90e3b2143f9c1a7be05d42886cb17af3d9e0254b";
    let named = "general_settings: {master_key: os.environ/OTHER}";
    let literal = format!("general_settings: {{master_key: {other}}}");
    for (yaml, expected) in [("", MASTER_KEY), (named, other), (&literal, other)] {
        let declared = World::new(yaml).var("OTHER", &format!("{other}\n")).declared();
        assert_eq!(declared.settings.master_key, Some(KeyHash::of(expected)), "{yaml}");
    }
}

#[test]
fn none_at_all_is_an_error_with_the_command_that_makes_one() {
    let path = "general_settings.master_key";
    for (yaml, line) in [
        ("", 1),
        ("\n\ngeneral_settings: {}", 3),
        ("general_settings:\n  master_key:", 2),
        ("general_settings:\n  master_key: \"\"", 2),
        ("general_settings:\n  master_key: \" \"", 2),
    ] {
        let problems = World::new(yaml).without("LITELLM_MASTER_KEY").problems();
        assert_problems(&problems, &[(line, path, "there is no master key", REMEDY)]);
    }
}

#[test]
fn weak_ones_are_refused_wherever_they_come_from() {
    let path = "general_settings.master_key";
    let problems = World::new("").var("LITELLM_MASTER_KEY", "sk-1234").problems();
    assert_problems(&problems, &[(1, path, "default or example", REMEDY)]);
    let problems = World::new("general_settings:\n  master_key: sk-0a9b8c7d").problems();
    assert_problems(&problems, &[(2, path, "too short", REMEDY)]);
    let problems = World::new("general_settings:\n  master_key: true").problems();
    assert_problems(&problems, &[(2, path, "a boolean", "os.environ/NAME")]);
    let unset = World::new("general_settings:\n  master_key: os.environ/LITELLM_MASTER_KEY");
    let problems = unset.without("LITELLM_MASTER_KEY").problems();
    let export = "export LITELLM_MASTER_KEY=\"sk-$(openssl rand -hex 24)\"";
    assert_problems(&problems, &[(2, path, "LITELLM_MASTER_KEY is not set", export)]);
}

#[test]
fn no_virtual_key_is_the_master_key() {
    let yaml = "virtual_keys:\n  - key: os.environ/LITELLM_MASTER_KEY";
    assert_problems(
        &World::new(yaml).problems(),
        &[(2, "virtual_keys[0].key", "this is the master key", "another key")],
    );
}
