//! Citations: a span of the answer, and documents and results of tools that it comes from.

use std::borrow::Cow;

use super::super::form::{Citation, Delta, Event};
use super::super::json::{get, get_text, items};
use super::answer_reader::more;
use crate::json::view::whole_number;

/// Tells each source of a citation. A document is called by its address or, as LiteLLM does it, by its id; of a tool's
/// result only an address means something to a client. Thoughts and plans are cited nowhere else.
pub(super) fn read_citations(citation: &[u8], sink: &mut impl FnMut(Event<'_>)) {
    if get_text(citation, "type").is_some_and(|kind| kind != "TEXT_CONTENT") {
        return;
    }
    let place = |name| get(citation, name).and_then(whole_number);
    let span = place("start").zip(place("end")).map(|(start, end)| start..end);
    for source in get(citation, "sources").into_iter().flat_map(items) {
        let document = get(source, "document");
        let Some(shown) = document.or_else(|| get(source, "tool_output")) else { continue };
        let url = get_text(shown, "url").or_else(|| {
            document.map(|_| {
                format!("source:{}", get_text(source, "id").unwrap_or(Cow::Borrowed("unknown"))).into()
            })
        });
        if let Some(url) = url {
            let title = get_text(shown, "title");
            let cited = get_text(citation, "text");
            more(Delta::Citation(Citation::Url { url, title, cited, span: span.clone() }), sink);
        }
    }
}
