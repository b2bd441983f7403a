//! Files for dialects that have no place for them but read plain text.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::form::Source;

/// The text of a file that is plain text.
pub(super) fn plain_text<'a>(source: &'a Source<'_>) -> Option<Cow<'a, str>> {
    match source {
        Source::Text(text) => Some(Cow::Borrowed(text)),
        Source::Base64 { media_type, data } if media_type.starts_with("text/") => {
            let bytes = STANDARD.decode(&**data).ok()?;
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
        Source::Base64 { .. } | Source::Url(_) | Source::FileId(_) => None,
    }
}
