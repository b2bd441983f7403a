//! Whatever the text, reading it ends with rows or with problems.

use proptest::prelude::*;

use crate::support::World;

/// Pieces of YAML and of configuration, so that random texts get further than the first character.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "model_list",
        "model_name",
        "litellm_params",
        "model",
        "openai/*",
        "*",
        "&a",
        "*a",
        "<<",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"",
        "'",
        "|",
        ">",
        "#",
        "!!str",
        "os.environ/X",
        "virtual_keys",
        "key",
        "sk-0123456789abcdef",
        "general_settings",
        "master_key",
        "include",
        "gateway.yaml",
        "1e-6",
        "yes",
        "null",
        "---",
        "\t",
        "router_settings",
        "model_group_alias",
        "extra_headers",
        "max_budget",
        "expires",
        "é",
        "\u{feff}",
    ];
    prop_oneof![3 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => ".{0,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        let _ = World::new(&text).load();
    }

    #[test]
    fn arbitrary_pieces_never_panic(pieces in proptest::collection::vec(piece(), 0..60)) {
        let _ = World::new(&pieces.concat()).load();
    }

    #[test]
    fn arbitrary_values_of_a_deployment_never_panic(
        field in "[a-z_]{1,20}", value in "[-0-9a-zA-Z.:/*_{}\\[\\]\"', ]{0,30}",
    ) {
        let yaml = format!(
            "model_list:\n  - model_name: \"*\"\n    litellm_params:\n      model: openai/*\n      {field}: {value}\n"
        );
        let _ = World::new(&yaml).load();
    }

    #[test]
    fn every_problem_has_a_place_a_text_and_a_remedy(pieces in proptest::collection::vec(piece(), 0..40)) {
        if let Err(problems) = World::new(&pieces.concat()).load() {
            prop_assert!(!problems.0.is_empty());
            for problem in &problems.0 {
                prop_assert!(problem.line > 0 && problem.column > 0);
                prop_assert!(!problem.what.is_empty() && !problem.remedy.is_empty() && !problem.file.is_empty());
            }
        }
    }
}
