//! `virtual_keys`: keys in the file, with the fields of LiteLLM's `/key/generate`.

mod budget;
mod fallbacks;
mod routes;
mod secret;

use std::collections::HashMap;

use bulkhead_model::rows::{KeyRow, Limits, Spend};
use bulkhead_model::{KeyHash, UnixMillis};

use crate::check;
use crate::field::{Cx, Field, Fields};
use crate::json;
use crate::problem::Place;
use crate::reach::Reach;
use crate::settings::Mentions;
use crate::suggest;
use crate::table::Section;

/// What the keys are judged by.
pub(crate) struct Context<'r> {
    pub(crate) master_key: Option<KeyHash>,
    /// `None` where the models are not known for sure, because a file could not be read.
    pub(crate) reach: Option<&'r Reach>,
}

/// Hashes and aliases so far, with the place of their key.
#[derive(Default)]
struct Taken {
    hashes: HashMap<KeyHash, Place>,
    aliases: HashMap<String, Place>,
}

const EXAMPLE: &str = "{key_alias: alice, key: os.environ/ALICE_KEY, models: [gpt-4o]}";

/// Reads the list.
pub(crate) fn read(
    list: &Field<'_>,
    context: &Context<'_>,
    mentions: &mut Mentions,
    cx: &mut Cx<'_>,
) -> Vec<KeyRow> {
    let mut taken = Taken::default();
    let mut rows = Vec::new();
    for item in list.items(cx, &format!("[{EXAMPLE}]")).unwrap_or_default() {
        let fields = item.fields(cx, EXAMPLE);
        rows.extend(fields.and_then(|fields| key(&fields, context, &mut taken, mentions, cx)));
    }
    rows
}

fn key(
    fields: &Fields<'_>,
    context: &Context<'_>,
    taken: &mut Taken,
    mentions: &mut Mentions,
    cx: &mut Cx<'_>,
) -> Option<KeyRow> {
    check::strict(fields, Section::VirtualKeys, cx);
    let declared = secret::read(fields, cx);
    let alias = fields.get("key_alias").and_then(|field| alias(&field, taken, cx));
    let (metadata, metadata_tags) =
        fields.get("metadata").map(|field| metadata(&field, cx)).unwrap_or_default();
    let mut tags = fields.get("tags").map(|field| field.texts(cx, "team-red")).unwrap_or_default();
    tags.extend(metadata_tags);
    let models = fields.get("models").map(|field| models(&field, context, cx)).unwrap_or_default();
    let aliases = fields.get("aliases").map(|field| aliases(&field, context, cx)).unwrap_or_default();
    let allowed_routes = routes::read(fields, cx);
    let fallbacks = fallbacks::read(fields, mentions, cx);
    let limits = Limits {
        rpm: limit(fields, "rpm_limit", "60", cx),
        tpm: limit(fields, "tpm_limit", "100000", cx),
        max_parallel: limit(fields, "max_parallel_requests", "10", cx),
    };
    let budget = budget::read(fields, cx);
    let expires = expires(fields, cx);
    let blocked = fields.get("blocked").and_then(|field| field.boolean(cx)).unwrap_or(false);
    let team_id = fields.get("team_id").and_then(|field| field.text(cx, "team-red"));
    let user_id = fields.get("user_id").and_then(|field| field.text(cx, "alice"));
    let secret::Declared { hash, name, field } = declared?;
    unique(hash, &field, context, taken, cx)?;
    Some(KeyRow {
        id: alias.clone().unwrap_or_else(|| hash.to_string()),
        hash,
        name,
        alias,
        models,
        aliases,
        allowed_routes,
        limits,
        budget,
        expires,
        blocked,
        team_id,
        user_id,
        tags,
        metadata,
        fallbacks,
        spend: Spend::default(),
        requires: Vec::new(),
    })
}

fn unique(
    hash: KeyHash,
    field: &Field<'_>,
    context: &Context<'_>,
    taken: &mut Taken,
    cx: &mut Cx<'_>,
) -> Option<()> {
    if context.master_key.is_some_and(|master| master.same(&hash)) {
        field.error(cx, "this is the master key, which no virtual key can be", "another key");
        return None;
    }
    match taken.hashes.insert(hash, field.place) {
        None => Some(()),
        Some(first) => {
            let first = cx.report.line_of(first, field.place);
            field.error(
                cx,
                format!("the same key is declared in {first}"),
                "another key, or one of the two entries",
            );
            None
        }
    }
}

fn alias(field: &Field<'_>, taken: &mut Taken, cx: &mut Cx<'_>) -> Option<String> {
    let alias = field.text(cx, "alice")?;
    if let Some(first) = taken.aliases.insert(alias.clone(), field.place) {
        let first = cx.report.line_of(first, field.place);
        field.error(
            cx,
            format!("the key_alias `{alias}` is taken in {first}"),
            format!("key_alias: {alias}-2"),
        );
    }
    Some(alias)
}

/// A limit; zero is one too.
fn limit<T: std::str::FromStr + Default + PartialEq>(
    fields: &Fields<'_>,
    name: &str,
    example: &str,
    cx: &mut Cx<'_>,
) -> Option<T> {
    let field = fields.get(name)?;
    let limit: T = field.whole(cx, example)?;
    if limit == T::default() {
        field.warn(
            cx,
            "zero allows nothing: every request of this key is refused",
            format!("{name}: {example}, or no {name} for no limit"),
        );
    }
    Some(limit)
}

fn expires(fields: &Fields<'_>, cx: &mut Cx<'_>) -> Option<UnixMillis> {
    if let Some(field) = fields.get("duration") {
        let what =
            "a duration counts from when a key is made, and a key in a file is made anew at every start";
        field.error(cx, what, "expires: 2027-01-31T00:00:00Z");
    }
    let expected = "a date and time such as 2027-01-31T00:00:00Z";
    let field = fields.get("expires")?;
    field.parse(cx, expected, "2027-01-31T00:00:00Z", |scalar| UnixMillis::parse(&scalar.text))
}

fn models(field: &Field<'_>, context: &Context<'_>, cx: &mut Cx<'_>) -> Vec<String> {
    let mut models = Vec::new();
    for item in field.items(cx, "[gpt-4o]").unwrap_or_default() {
        let Some(model) = item.text(cx, "gpt-4o") else { continue };
        if let Some(reach) = context.reach.filter(|reach| !reach.allows_something(&model)) {
            let near = suggest::nearest(&model, reach.names());
            let what = format!("no model, access group or alias is `{model}`{}", suggest::question(near));
            item.warn(
                cx,
                what,
                near.map_or_else(|| format!("one of {}", suggest::listed(reach.names())), str::to_owned),
            );
        }
        models.push(model);
    }
    models
}

fn aliases(field: &Field<'_>, context: &Context<'_>, cx: &mut Cx<'_>) -> Vec<(String, String)> {
    let fields = field.fields(cx, "{gpt-4: gpt-4o}");
    let mut aliases = Vec::new();
    for field in fields.iter().flat_map(Fields::each) {
        let Some(model) = field.text(cx, "gpt-4o") else { continue };
        if let Some(reach) = context.reach.filter(|reach| !reach.answers(&model)) {
            let near = suggest::question(suggest::nearest(&model, reach.names()));
            let remedy = format!("{}: one of {}", field.name(), suggest::listed(reach.groups()));
            field.warn(cx, format!("no model is `{model}`{near}"), remedy);
        }
        aliases.push((field.name().to_owned(), model));
    }
    aliases
}

/// The metadata as JSON, and the tags in it, which LiteLLM takes like those of `tags`.
fn metadata(field: &Field<'_>, cx: &mut Cx<'_>) -> (Option<String>, Vec<String>) {
    let Some(fields) = field.fields(cx, "{cost_center: \"42\"}") else { return (None, Vec::new()) };
    check::hidden_restrictions(&fields, Section::VirtualKeys, cx);
    let tags = fields.get("tags").map(|field| field.texts(cx, "team-red")).unwrap_or_default();
    (json::text(field, cx), tags)
}
