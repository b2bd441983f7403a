//! Where a text comes from: what was searched, and what was recited.

use super::super::form::Citation;
use super::super::json::{get, get_text, items};
use crate::json::view::whole_number;

/// Reads a `groundingMetadata` or a `citationMetadata`.
pub(super) fn read_citations(sources: &[u8], sink: &mut impl FnMut(Citation<'_>)) {
    let pages: Vec<Option<&[u8]>> = get(sources, "groundingChunks")
        .into_iter()
        .flat_map(items)
        .map(|chunk| get(chunk, "web").or_else(|| get(chunk, "retrievedContext")))
        .collect();
    match get(sources, "groundingSupports") {
        Some(supports) => items(supports).for_each(|support| {
            let cited = || get(support, "segment").and_then(|segment| get_text(segment, "text"));
            for index in get(support, "groundingChunkIndices").into_iter().flat_map(items) {
                let index = whole_number(index).and_then(|index| usize::try_from(index).ok());
                if let Some(Some(page)) = index.and_then(|index| pages.get(index))
                    && let Some(url) = get_text(page, "uri")
                {
                    let title = get_text(page, "title");
                    sink(Citation::Url { url, title, cited: cited(), span: None });
                }
            }
        }),
        None => pages.iter().flatten().for_each(|page| cite(page, sink)),
    }
    for name in ["citationSources", "citations"] {
        get(sources, name).into_iter().flat_map(items).for_each(|source| cite(source, sink));
    }
}

fn cite(page: &[u8], sink: &mut impl FnMut(Citation<'_>)) {
    if let Some(url) = get_text(page, "uri") {
        sink(Citation::Url { url, title: get_text(page, "title"), cited: None, span: None });
    }
}
