//! Extracts from the price data what the data plane needs, in a form that is small and quick to read.
//!
//! The extract is lines of tab-separated text. The first names the price fields. Each other one is a model: name,
//! provider, mode, most input tokens, most output tokens, abilities, then `<index of the price field>=<literal price>` ...

use std::{collections::BTreeSet, env, error::Error, fs, path::Path};

#[path = "src/abilities.rs"]
#[expect(dead_code, unreachable_pub, reason = "what the library makes of it is not needed here")]
mod abilities;
#[path = "src/catalog.rs"]
mod catalog;
#[path = "src/error.rs"]
#[expect(dead_code, unreachable_pub, reason = "what the library makes of it is not needed here")]
mod error;
#[path = "src/field.rs"]
#[expect(dead_code, reason = "what the library makes of it is not needed here")]
mod field;
#[path = "src/tiered.rs"]
mod tiered;

const SOURCE: &str = "data/model_prices.json";

fn main() -> Result<(), Box<dyn Error>> {
    tell_cargo();
    let json = fs::read_to_string(SOURCE)?;
    let entries = catalog::entries(&json)?;
    let fields: BTreeSet<&str> =
        entries.iter().flat_map(|entry| entry.rates.iter().map(|(field, _)| field.as_str())).collect();
    let fields: Vec<&str> = fields.into_iter().collect();
    let mut text = fields.join("\t");
    for entry in &entries {
        text.push('\n');
        text.push_str(&line(entry, &fields)?);
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("prices.tsv"), text)?;
    Ok(())
}

fn line(entry: &catalog::Entry<'_>, fields: &[&str]) -> Result<String, Box<dyn Error>> {
    let limit = |limit: Option<u64>| limit.map(|tokens| tokens.to_string()).unwrap_or_default();
    let mut columns = vec![
        entry.name.clone(),
        entry.provider.clone(),
        entry.mode.clone().unwrap_or_default(),
        limit(entry.max_input),
        limit(entry.max_output),
        letters(entry.abilities),
    ];
    for (field, price) in &entry.rates {
        let index = fields.binary_search(&field.as_str()).map_err(|_| format!("{field} is not listed"))?;
        columns.push(format!("{index}={price}"));
    }
    if columns.iter().any(|column| column.contains(['\t', '\n', '\r'])) {
        return Err(format!("`{}` does not fit on a line", entry.name).into());
    }
    Ok(columns.join("\t"))
}

fn letters(abilities: abilities::Abilities) -> String {
    let abilities::Abilities { reasoning, adaptive_thinking, output_schema } = abilities;
    let letters = [(reasoning, 'r'), (adaptive_thinking, 'a'), (output_schema, 's')];
    letters.into_iter().filter_map(|(has, letter)| has.then_some(letter)).collect()
}

fn tell_cargo() {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=build.rs");
}
