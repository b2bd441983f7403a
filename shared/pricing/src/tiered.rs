//! Turns a table of prices by prompt length into rates above thresholds. Shared with the build script.
//!
//! `tiered_pricing` lists rates per range of input tokens. One range holds for the whole request: the one with
//! `from < input <= to`, the last one beyond the last. So a range is what other models write as
//! `..._above_<from>_tokens`. Unlike there, a rate that a range leaves out is its input rate (for reasoning its
//! output rate), not the rate of a shorter prompt.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use crate::{
    catalog::{Members, tokens},
    error::CatalogError,
    field::Kind,
};

const TABLE: &str = "tiered_pricing";

/// The rates that a range may list.
const KINDS: [Kind; 6] =
    [Kind::Input, Kind::Output, Kind::CacheRead, Kind::CacheWrite, Kind::CacheWrite1h, Kind::Reasoning];

/// What replaces a rate that a range leaves out, in the order in which they are resolved.
const STAND_INS: [(Kind, Kind); 4] = [
    (Kind::CacheRead, Kind::Input),
    (Kind::CacheWrite, Kind::Input),
    (Kind::CacheWrite1h, Kind::CacheWrite),
    (Kind::Reasoning, Kind::Output),
];

struct Range<'a> {
    from: u64,
    rates: BTreeMap<Kind, &'a str>,
}

/// Replaces the flat rates of a model by those of its table, if it has one.
pub(crate) fn flatten<'a>(
    model: &Members<'a, '_>,
    rates: &mut Vec<(String, &'a str)>,
) -> Result<(), CatalogError> {
    let mut ranges = ranges(model)?;
    if ranges.is_empty() {
        return Ok(());
    }
    let flat =
        |kind: Kind| rates.iter().find(|(name, _)| name == kind.name()).map(|(_, price)| (kind, *price));
    let flat_output: Vec<_> = [Kind::Output, Kind::Reasoning].into_iter().filter_map(flat).collect();
    for range in ranges.iter_mut().filter(|range| !range.rates.contains_key(&Kind::Output)) {
        for (kind, price) in &flat_output {
            range.rates.entry(*kind).or_insert(price);
        }
    }
    let declared: BTreeSet<Kind> = ranges.iter().flat_map(|range| range.rates.keys().copied()).collect();
    rates.retain(|(name, _)| !KINDS.iter().any(|kind| kind.name() == name));
    for Range { from, rates: mut of_range } in ranges {
        for (kind, stand_in) in STAND_INS {
            if let Some(price) = of_range.get(&stand_in).copied() {
                of_range.entry(kind).or_insert(price);
            }
        }
        // What no range declares is left to the same stand-in at cost time.
        of_range.retain(|kind, _| declared.contains(kind));
        rates.extend(of_range.into_iter().map(|(kind, price)| (name_above(kind, from), price)));
    }
    Ok(())
}

fn name_above(kind: Kind, from: u64) -> String {
    if from == 0 { kind.name().to_owned() } else { format!("{}_above_{from}_tokens", kind.name()) }
}

/// The ranges by length; none where the table is by something else than tokens.
fn ranges<'a>(model: &Members<'a, '_>) -> Result<Vec<Range<'a>>, CatalogError> {
    let Some(table) = model.raw(TABLE) else { return Ok(Vec::new()) };
    let wrong = || model.wrong(TABLE, "a list of prices by range");
    let table: Vec<BTreeMap<String, &RawValue>> = serde_json::from_str(table).map_err(|_| wrong())?;
    if !table.iter().any(|range| range.contains_key("range")) {
        return Ok(Vec::new());
    }
    let mut ranges = Vec::with_capacity(table.len());
    for members in table {
        ranges.push(range(&Members { model: model.model, members })?.ok_or_else(wrong)?);
    }
    ranges.sort_by_key(|range| range.from);
    if ranges.first().is_some_and(|range| range.from == 0) { Ok(ranges) } else { Err(wrong()) }
}

fn range<'a>(members: &Members<'a, '_>) -> Result<Option<Range<'a>>, CatalogError> {
    let bounds: Option<[&RawValue; 2]> = members.raw("range").and_then(|raw| serde_json::from_str(raw).ok());
    let Some(from) = bounds.and_then(|[from, _]| tokens(from.get())) else { return Ok(None) };
    let mut rates = BTreeMap::new();
    for kind in KINDS {
        rates.extend(members.number(kind.name())?.map(|price| (kind, price)));
    }
    Ok(rates.contains_key(&Kind::Input).then_some(Range { from, rates }))
}
