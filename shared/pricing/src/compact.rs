//! Reads the extract of the price data that the build script writes; `build.rs` describes its form.
//!
//! Nothing here reports an error: that the extract equals its source is a test, not something to find out in
//! production.

use crate::abilities::Abilities;
use crate::field::Field;

const EXTRACT: &str = include_str!(concat!(env!("OUT_DIR"), "/prices.tsv"));

/// A model of the extract.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) provider: &'static str,
    pub(crate) mode: Option<&'static str>,
    pub(crate) max_input: Option<u64>,
    pub(crate) max_output: Option<u64>,
    pub(crate) abilities: Abilities,
    /// Rates and their literal decimals.
    pub(crate) rates: Vec<(Field, &'static str)>,
}

/// The models of the extract by name.
pub(crate) fn lines() -> impl Iterator<Item = Line> {
    let mut lines = EXTRACT.lines();
    let fields: Vec<Option<Field>> = lines.next().unwrap_or_default().split('\t').map(Field::parse).collect();
    lines.filter_map(move |line| read(line, &fields))
}

fn read(line: &'static str, fields: &[Option<Field>]) -> Option<Line> {
    let mut columns = line.split('\t');
    let mut next = || columns.next();
    let (name, provider, mode) = (next()?, next()?, next()?);
    let (max_input, max_output) = (next()?.parse().ok(), next()?.parse().ok());
    let abilities = Abilities::of_letters(next()?);
    let rate = |column: &'static str| {
        let (index, price) = column.split_once('=')?;
        let field = fields.get(index.parse::<usize>().ok()?).copied().flatten()?;
        Some((field, price))
    };
    let rates = columns.filter_map(rate).collect();
    Some(Line {
        name,
        provider,
        mode: Some(mode).filter(|mode| !mode.is_empty()),
        max_input,
        max_output,
        abilities,
        rates,
    })
}
