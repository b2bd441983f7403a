//! Citations. Places in documents of the request are in the form as Anthropic has them.

use bytes::BytesMut;

use super::super::form::{Citation, Delta, Event};
use super::super::json::{fields, get, get_text, items};
use super::super::write::{self, Fields};

/// A kind of place: Bedrock's name, Anthropic's, and Anthropic's names of document, start and end.
type Kind = (&'static str, &'static str, [&'static str; 3]);

const KINDS: [Kind; 4] = [
    ("documentChar", "char_location", ["document_index", "start_char_index", "end_char_index"]),
    ("documentPage", "page_location", ["document_index", "start_page_number", "end_page_number"]),
    ("documentChunk", "content_block_location", ["document_index", "start_block_index", "end_block_index"]),
    (
        "searchResultLocation",
        "search_result_location",
        ["search_result_index", "start_block_index", "end_block_index"],
    ),
];

/// Reads a citation.
pub(super) fn read_citation(citation: &[u8], sink: &mut impl FnMut(Event<'_>)) {
    let Some((kind, location)) = get(citation, "location").and_then(|location| fields(location).next())
    else {
        return;
    };
    let mut give = |citation| sink(Event::More { choice: 0, delta: Delta::Citation(citation) });
    let title = get_text(citation, "title");
    let source = get(citation, "sourceContent").into_iter().flat_map(items);
    let cited: String = source.filter_map(|part| get_text(part, "text")).collect();
    if let Some(url) = get_text(location, "url") {
        let cited = Some(cited.into()).filter(|cited: &std::borrow::Cow<'_, str>| !cited.is_empty());
        return give(Citation::Url { url, title, cited, span: None });
    }
    let Some((bedrock, anthropic, names)) = KINDS.into_iter().find(|(bedrock, ..)| *bedrock == kind) else {
        return;
    };
    let mut place = BytesMut::new();
    write::object(&mut place, |out| {
        out.text("type", anthropic);
        out.text("cited_text", &cited);
        if let Some(title) = title {
            out.text(if bedrock == "searchResultLocation" { "title" } else { "document_title" }, &title);
        }
        if let Some(source) = get_text(citation, "source") {
            out.text("source", &source);
        }
        for (name, to) in [index_name(bedrock), "start", "end"].into_iter().zip(names) {
            if let Some(number) = get(location, name) {
                out.raw(to, number);
            }
        }
    });
    give(Citation::Place(&place));
}

fn index_name(kind: &str) -> &'static str {
    if kind == "searchResultLocation" { "searchResultIndex" } else { "documentIndex" }
}

/// Writes a citation.
pub(super) fn write_citation(citation: &Citation<'_>, out: &mut BytesMut) {
    write::object(out, |fields| match citation {
        Citation::Url { url, title, cited, .. } => {
            write_source(fields, title.as_deref(), cited.as_deref());
            fields.object("location", |location| {
                location.object("web", |web| web.text("url", url));
            });
        }
        Citation::Place(place) => write_place(place, fields),
    });
}

fn write_place(place: &[u8], fields: &mut Fields<'_>) {
    let title = get_text(place, "document_title").or_else(|| get_text(place, "title"));
    write_source(fields, title.as_deref(), get_text(place, "cited_text").as_deref());
    if let Some(source) = get_text(place, "source") {
        fields.text("source", &source);
    }
    let said = get_text(place, "type");
    let Some((kind, _, names)) = KINDS.into_iter().find(|(_, name, _)| said.as_deref() == Some(*name)) else {
        return;
    };
    fields.object("location", |location| {
        location.object(kind, |span| {
            for (name, from) in [index_name(kind), "start", "end"].into_iter().zip(names) {
                if let Some(number) = get(place, from) {
                    span.raw(name, number);
                }
            }
        });
    });
}

fn write_source(fields: &mut Fields<'_>, title: Option<&str>, cited: Option<&str>) {
    if let Some(title) = title {
        fields.text("title", title);
    }
    if let Some(cited) = cited.filter(|cited| !cited.is_empty()) {
        fields.array("sourceContent", |items| items.object(|part| part.text("text", cited)));
    }
}
