//! Catalogs that must be refused, each for its reason, and the one that a build carries.

use bulkhead_model::PicoUsd;
use bulkhead_pricing::{CatalogError, PriceBook, Rates, cost};
use serde_json::{Value, json};

const DATA: &str = include_str!("../data/model_prices.json");

/// A catalog of so many models at 1 and 2 dollars per million tokens.
fn catalog(models: usize) -> Value {
    let model = |number| {
        let model = json!({
            "litellm_provider": "openai", "mode": "chat", "max_input_tokens": 1000,
            "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6,
        });
        (format!("model-{number}"), model)
    };
    Value::Object((0..models).map(model).collect())
}

/// A catalog in which the first model has another value for a member.
fn with(field: &str, value: Value) -> Value {
    let mut catalog = catalog(60);
    if let Some(model) = catalog.get_mut("model-0").and_then(Value::as_object_mut) {
        model.insert(field.to_owned(), value);
    }
    catalog
}

fn refusal(catalog: &Value) -> Option<String> {
    PriceBook::parse(&catalog.to_string()).err().map(|error| error.to_string())
}

#[test]
fn what_is_no_catalog_is_refused() {
    let good = catalog(60).to_string();
    assert!(PriceBook::parse(&good).is_ok());
    let nan = good.replacen("1e-6", "NaN", 1);
    assert_ne!(nan, good);
    for (name, json) in [
        ("empty", ""),
        ("a page", "<html><body>502 Bad Gateway</body></html>"),
        ("truncated", good.get(..good.len() / 2).unwrap()),
        ("an extra brace", &format!("{{{good}")),
        ("a brace too many at the end", &format!("{good}}}")),
        ("a list", "[]"),
        ("not a number", &nan),
    ] {
        let error = PriceBook::parse(json).expect_err(name);
        assert!(matches!(error, CatalogError::Malformed(_)), "{name}: {error}");
    }
}

#[test]
fn too_few_models_are_refused() {
    for models in [0, 1, 49] {
        let error = PriceBook::parse(&catalog(models).to_string());
        assert_eq!(error, Err(CatalogError::TooFew { models }));
    }
    assert!(PriceBook::parse(&catalog(50).to_string()).is_ok());
}

#[test]
fn wrong_types_and_impossible_prices_are_refused() {
    for (field, value, reason) in [
        ("input_cost_per_token", json!("1e-6"), "`input_cost_per_token` of model `model-0` is not a number"),
        ("output_cost_per_token", json!([1]), "`output_cost_per_token` of model `model-0` is not a number"),
        ("input_cost_per_token", json!(true), "`input_cost_per_token` of model `model-0` is not a number"),
        (
            "input_cost_per_token",
            json!(-1e-6),
            "`input_cost_per_token` of model `model-0`: must not be negative",
        ),
        (
            "output_cost_per_token_flex",
            json!(1e30),
            "`output_cost_per_token_flex` of model `model-0`: too large",
        ),
        ("litellm_provider", json!(7), "`litellm_provider` of model `model-0` is not a string"),
        ("litellm_provider", Value::Null, "`litellm_provider` of model `model-0` is not given"),
        ("mode", json!({}), "`mode` of model `model-0` is not a string"),
        (
            "max_input_tokens",
            json!("many"),
            "`max_input_tokens` of model `model-0` is not a number of tokens",
        ),
        ("max_output_tokens", json!(1.5), "`max_output_tokens` of model `model-0` is not a number of tokens"),
        ("max_tokens", json!(-1), "`max_tokens` of model `model-0` is not a number of tokens"),
        ("tiered_pricing", json!(1), "`tiered_pricing` of model `model-0` is not a list of prices by range"),
        (
            "tiered_pricing",
            json!([{"range": [5, 10], "input_cost_per_token": 1}]),
            "`tiered_pricing` of model `model-0` is not a list of prices by range",
        ),
        (
            "tiered_pricing",
            json!([{"range": [0, 10]}]),
            "`tiered_pricing` of model `model-0` is not a list of prices by range",
        ),
    ] {
        assert_eq!(refusal(&with(field, value)).as_deref(), Some(reason));
    }
    let mut catalog = catalog(60);
    catalog["model-0"] = json!("cheap");
    assert_eq!(refusal(&catalog).as_deref(), Some("model `model-0` is not an object"));
}

#[test]
fn a_successor_that_shrank_or_jumped_is_refused() {
    let parse = |catalog: Value| PriceBook::parse(&catalog.to_string()).unwrap();
    let good = parse(catalog(120));
    let half = parse(catalog(60));
    assert_eq!(half.check_against(&good), Ok(()));
    assert_eq!(good.check_against(&half), Ok(()));
    let less = parse(catalog(59));
    assert_eq!(less.check_against(&good), Err(CatalogError::Shrunk { before: 120, after: 59 }));

    for (price, is_jump) in [(1e-3, true), (1e-9, true), (999e-6, false), (0.0, false), (1.0, true)] {
        let other = parse(with("input_cost_per_token", json!(price)));
        assert_eq!(other.check_against(&half).is_err(), is_jump, "{price}");
    }
    let error = parse(with("output_cost_per_token", json!(2.0))).check_against(&half).unwrap_err();
    let reason =
        "`output_cost_per_token` of model `model-0` jumps from 2000000 to 2000000000000 pico-dollars";
    assert_eq!(error.to_string(), reason);
    // Good, bad, good: what a refusal leaves in use is as good as before.
    assert_eq!(half.check_against(&half), Ok(()));
}

#[test]
fn absent_and_null_are_the_same_and_unknown_members_do_not_matter() {
    let book = |catalog: Value| PriceBook::parse(&catalog.to_string()).unwrap();
    let plain = book(catalog(60));
    for (field, value) in [
        ("max_output_tokens", Value::Null),
        ("cache_read_input_token_cost", Value::Null),
        ("tiered_pricing", Value::Null),
        ("tiered_pricing", json!([{"max_results_range": [0, 25], "input_cost_per_query": 0.005}])),
        ("supports_mind_reading", json!(true)),
        ("input_cost_per_token_on_tuesdays", json!("half")),
    ] {
        assert_eq!(book(with(field, value)), plain, "{field}");
    }
    let mut noted = catalog(60);
    noted["naming_rules"] = json!({"rules": []});
    noted["sample_spec"] = json!({"max_tokens": "how many", "input_cost_per_token": 0.0});
    assert_eq!(book(noted), plain);
}

#[test]
fn a_version_is_of_the_content() {
    let version = |catalog: &Value| PriceBook::parse(&catalog.to_string()).unwrap().version().to_owned();
    let plain = version(&catalog(60));
    let pretty = serde_json::to_string_pretty(&catalog(60)).unwrap();
    assert_eq!(PriceBook::parse(&pretty).unwrap().version(), plain);
    assert_ne!(version(&with("input_cost_per_token", json!(1.1e-6))), plain);
    assert_ne!(version(&with("litellm_provider", json!("azure"))), plain);
    assert_ne!(version(&catalog(61)), plain);
}

#[test]
fn literals_are_read_exactly() {
    // As a float, the first would be a pico-dollar less.
    for (literal, pico) in [
        ("9007199.254740993", 9_007_199_254_740_993_000),
        ("1.5e-12", 2),
        ("2.5e-12", 2),
        ("2.50000000000000000001e-12", 3),
        ("1E-6", 1_000_000),
    ] {
        let json = catalog(60).to_string().replacen("1e-6", literal, 1);
        let book = PriceBook::parse(&json).unwrap();
        let rates = &book.find("openai", "model-0").unwrap().rates;
        let declared = [("output_cost_per_token".to_owned(), PicoUsd(2_000_000))];
        let input = [("input_cost_per_token".to_owned(), PicoUsd(pico))];
        assert_eq!(*rates, Rates::default().overridden(&declared).overridden(&input), "{literal}");
    }
}

#[test]
fn a_table_by_range_replaces_flat_rates() {
    let table = json!([
        {"range": [1000, 2000.0], "input_cost_per_token": 2e-6, "cache_creation_input_token_cost": 3e-6},
        {"range": [0, 1000.0], "input_cost_per_token": 1e-6, "cache_read_input_token_cost": 1e-7},
    ]);
    let mut catalog = with("tiered_pricing", table);
    catalog["model-0"]["cache_read_input_token_cost"] = json!(7e-7);
    catalog["model-0"]["output_cost_per_reasoning_token"] = json!(5e-6);
    let book = PriceBook::parse(&catalog.to_string()).unwrap();
    let rates = &book.find("openai", "model-0").unwrap().rates;
    let usage = |input| bulkhead_model::Usage {
        input,
        output: 3,
        cache_read: 10,
        cache_write: 10,
        cache_write_1h: 10,
        reasoning: 1,
        ..Default::default()
    };
    let parts = |input| {
        let cost = cost(rates, &usage(input)).unwrap();
        [cost.input, cost.cache_read, cost.cache_write, cost.output, cost.reasoning].map(|part| part.0)
    };
    // In nano-dollars. Cache writes of the lower range are input; reads of the upper range are, too; output and
    // reasoning, which no range lists, are the model's own.
    assert_eq!(parts(1000), [970_000, 1_000, 20_000, 4_000, 5_000]);
    assert_eq!(parts(1001), [1_942_000, 20_000, 60_000, 4_000, 5_000]);
    assert_eq!(parts(9030), [18_000_000, 20_000, 60_000, 4_000, 5_000]);
}

#[test]
fn the_build_carries_all_of_the_data() {
    let full = PriceBook::parse(DATA).unwrap();
    assert_eq!(PriceBook::embedded(), full);
    assert_eq!(PriceBook::embedded().version(), full.version());
    assert_eq!(format!("{full:?}"), format!("PriceBook {{ version: {:?}, models: 4240 }}", full.version()));
    assert_eq!(full.check_against(&PriceBook::embedded()), Ok(()));

    let data: Value = serde_json::from_str(DATA).unwrap();
    for (name, model) in data.as_object().unwrap() {
        let Some(provider) = model["litellm_provider"].as_str().filter(|_| name != "sample_spec") else {
            continue;
        };
        let price = full.find(provider, name).unwrap_or_else(|| panic!("{name}"));
        let flat = model["input_cost_per_token"].is_number() || model["tiered_pricing"].is_array();
        let tokens_only = model["mode"].as_str().is_some_and(|mode| ["chat", "responses"].contains(&mode));
        if flat && tokens_only && !name.contains("lyria") {
            assert!(!price.rates.is_empty(), "{name}");
        }
    }
}

#[test]
fn tables_of_the_data_have_no_gaps() {
    let data: Value = serde_json::from_str(DATA).unwrap();
    for (name, model) in data.as_object().unwrap() {
        let tiers = model["tiered_pricing"].as_array().into_iter().flatten();
        let ranges: Vec<_> = tiers.filter_map(|tier| tier["range"].as_array()).collect();
        for pair in ranges.windows(2) {
            assert_eq!(pair[0][1].as_f64(), pair[1][0].as_f64(), "{name}");
        }
    }
}
