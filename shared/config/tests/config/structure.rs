//! Files, includes, anchors: how text becomes one tree.

use crate::support::{World, assert_problems};

const MODELS: &str = "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a}\n";

#[test]
fn syntax_errors_name_line_and_remedy() {
    for (yaml, line, remedy) in [
        ("model_list:\n  - model_name: *\n", 2, "quotes around a value that begins with `*`"),
        ("model_list:\n  - model_name: *unknown\n", 2, "quotes around a value that begins with `*`"),
        ("a: 1\n\tb: 2\n", 2, "spaces instead of the tab"),
        ("a:\n  key: \"open\n", 0, "the closing quote"),
        ("a: [1, 2\nb: 3\n", 0, ""),
        ("a: @b\n", 1, "quotes around a value"),
        ("a: b: c\n", 1, ""),
        ("a:\n  - b\n c: d\n", 0, ""),
    ] {
        let problems = World::new(yaml).problems();
        let [problem] = problems.as_slice() else { panic!("{yaml}: {problems:?}") };
        assert!(problem.what.starts_with("not YAML: "), "{problem}");
        assert!(problem.remedy.contains(remedy) && !problem.remedy.is_empty(), "{yaml}\n{problem}");
        assert!(line == 0 || problem.line == line, "{yaml}\n{problem}");
        assert_eq!(problem.file, "gateway.yaml");
    }
}

#[test]
fn duplicate_keys_name_both_lines() {
    let yaml = "router_settings:\n  timeout: 1\n  timeout: 2\nrouter_settings: {}\n";
    assert_problems(
        &World::new(yaml).problems(),
        &[
            (
                3,
                "timeout",
                "`timeout` is written twice in this mapping: here and in line 2",
                "`timeout` once",
            ),
            (4, "router_settings", "here and in line 1", "once"),
        ],
    );
}

#[test]
fn what_is_no_mapping_of_sections_is_refused() {
    for (yaml, what) in [
        ("- a\n", "must hold a mapping of sections"),
        ("text", "must hold a mapping of sections"),
        ("a: !include x.yaml\n", "the tag `!include` means nothing"),
        ("a: 1\n---\nb: 2\n", "a second YAML document"),
        ("{[a]: b}\n", "a key must be a text"),
        ("litellm_settings: []\n", "found a list, expected a mapping"),
        ("model_list: {}\n", "found a mapping, expected a list"),
    ] {
        let problems = World::new(yaml).problems();
        assert!(problems.iter().any(|problem| problem.what.contains(what)), "{yaml}: {problems:?}");
    }
}

#[test]
fn a_missing_file_is_told() {
    let problems = World::new("include: [absent.yaml, 7.yaml, [a]]\n").file("7.yaml", "").problems();
    assert_problems(
        &problems,
        &[
            (1, "include[0]", "there is no file `absent.yaml`", "relative to the file"),
            (1, "include[2]", "expected the path of a file", "models.yaml"),
        ],
    );
    let problems = World::new("include: models.yaml").problems();
    assert_problems(&problems, &[(1, "include", "expected a list", "include: [models.yaml]")]);
}

#[test]
fn includes_join_lists_override_scalars_and_merge_mappings_one_level() {
    let main = format!(
        "include: [sub/b.yaml]\n{MODELS}litellm_settings: {{drop_params: true, request_timeout: 5}}\n\
         environment_variables: {{X: main}}\n"
    );
    let b = "include: [../c.yaml]\nmodel_list:\n  - model_name: b\n    litellm_params: {model: openai/b}\n\
             litellm_settings: {request_timeout: 6}\n";
    let c = "model_list:\n  - model_name: c\n    litellm_params: {model: openai/c}\n";
    let declared = World::new(&main).file("sub/b.yaml", b).file("c.yaml", c).declared();
    let groups: Vec<_> = declared.deployments.iter().map(|row| row.group.as_str()).collect();
    assert_eq!(groups, ["a", "b", "c"]);
    assert!(declared.settings.drop_params);
    assert_eq!(declared.settings.request_timeout.as_secs(), 6);
    let files: Vec<_> = declared.files.iter().map(|file| file.display().to_string()).collect();
    assert_eq!(files, ["gateway.yaml", "sub/b.yaml", "c.yaml"]);
}

#[test]
fn circles_and_repeated_includes_are_errors() {
    let circle = World::new("include: [b.yaml]\n").file("b.yaml", "\ninclude: [./gateway.yaml]\n");
    let problems = circle.problems();
    assert_problems(&problems, &[(2, "include[0]", "`gateway.yaml` includes itself", "without a circle")]);
    assert_eq!(problems[0].file, "b.yaml");
    let twice = World::new("include: [b.yaml, ./b.yaml]\n").file("b.yaml", "").problems();
    assert_problems(&twice, &[(1, "include[1]", "included twice", "each file once")]);
}

#[test]
fn problems_of_an_include_name_its_file_and_come_with_all_others() {
    let yaml = "include: [models.yaml, broken.yaml]\nlitellm_settings: {request_timeout: x}\n\
                router_settings: {model_group_alias: {a: not-there}}\n";
    let models = "model_list:\n  - model_name: a\n    litellm_params: {model: nobody/a}\n";
    let problems = World::new(yaml).file("models.yaml", models).file("broken.yaml", "a: [").problems();
    let found: Vec<_> =
        problems.iter().map(|problem| (problem.file.as_str(), problem.line, problem.path.as_str())).collect();
    // The alias is not judged: the group may stand in the file that is not YAML.
    let expected = [
        ("gateway.yaml", 2, "litellm_settings.request_timeout"),
        ("models.yaml", 3, "model_list[0].litellm_params.model"),
        ("broken.yaml", 1, ""),
    ];
    assert_eq!(found, expected);
}

#[test]
fn anchors_and_merge_keys_work_as_in_pyyaml() {
    let yaml = r#"
x-shared: &shared "10"
model_list:
  - model_name: a
    litellm_params: &defaults
      model: openai/a
      rpm: 5
      timeout: 30
  - model_name: b
    litellm_params:
      <<: *defaults
      model: openai/b
      rpm: *shared
  - model_name: c
    litellm_params:
      <<: [{rpm: 1, tpm: 1}, {tpm: 2, order: 3}]
      model: openai/c
      user: |
        two
        lines
"#;
    let declared = World::new(yaml).declared();
    let [a, b, c] = declared.deployments.as_slice() else { panic!("three deployments") };
    assert_eq!((a.rpm, a.model.as_str()), (Some(5), "a"));
    assert_eq!((b.rpm, b.model.as_str(), b.timeout), (Some(10), "b", a.timeout));
    assert_eq!((c.rpm, c.tpm, c.order), (Some(1), Some(1), Some(3)));
    assert_eq!(c.call_params[0].json, "\"two\\nlines\\n\"");
}

#[test]
fn a_mistake_behind_an_anchor_is_told_once_where_it_stands() {
    let yaml = "model_list:\n  - model_name: a\n    litellm_params: &p\n      model: openai/a\n      rpm: x\n\
                \x20 - model_name: b\n    litellm_params: *p\n";
    let problems = World::new(yaml).problems();
    assert_problems(&problems, &[(5, "model_list[0].litellm_params.rpm", "text \"x\"", "rpm: 60")]);
}

#[test]
fn aliases_cannot_blow_up_the_file() {
    let mut bomb = "x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..12 {
        let before = vec![format!("*x{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("x{level}: &x{level} [{before}]\n"));
    }
    let problems = World::new(&bomb).problems();
    assert!(problems[0].what.contains("aliases make this file grow"), "{}", problems[0]);
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 2000].join(", "));
    assert!(World::new(&long).problems()[0].what.contains("aliases make this file grow"));
    let itself = World::new("a: &a [*a]\n").problems();
    assert!(itself[0].what.contains("inside the value"), "{}", itself[0]);
    let deep = World::new(&format!("a: {}{}", "[".repeat(100), "]".repeat(100))).problems();
    assert!(deep[0].what.contains("nested more than"), "{}", deep[0]);
    let open = World::new(&"[".repeat(100_000)).problems();
    assert!(open[0].remedy.contains("never closed"), "{}", open[0]);
    let mut chain = format!("a0: &a0 {}{}\n", "[".repeat(40), "]".repeat(40));
    for level in 1..5 {
        let before = level - 1;
        chain.push_str(&format!("a{level}: &a{level} {}*a{before}{}\n", "[".repeat(40), "]".repeat(40)));
    }
    assert!(World::new(&chain).problems()[0].what.contains("nested more than"));
    let indented: String = (0..2000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert!(World::new(&indented).problems()[0].what.contains("nested more than"));
}

#[test]
fn the_text_of_a_problem_is_what_a_terminal_shows() {
    let problems = World::new("litellm_settings:\n  request_timeout: soon\n").load().err().unwrap();
    assert_eq!(
        problems.to_string(),
        "gateway.yaml:2:20: litellm_settings.request_timeout: found text \"soon\", expected a number of seconds \
         above zero, such as 600\n    write: request_timeout: 600"
    );
}
