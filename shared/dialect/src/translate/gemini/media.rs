//! Media types, and base64 as others take it.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::form::{Block, Source};

/// What a URL that ends so is, as LiteLLM guesses it.
const ENDINGS: [(&str, &str); 19] = [
    (".jpg", "image/jpeg"),
    (".jpeg", "image/jpeg"),
    (".png", "image/png"),
    (".webp", "image/webp"),
    (".gif", "image/gif"),
    (".heic", "image/heic"),
    (".mp4", "video/mp4"),
    (".mov", "video/mov"),
    (".mpg", "video/mpeg"),
    (".mpeg", "video/mpeg"),
    (".avi", "video/avi"),
    (".wmv", "video/wmv"),
    (".flv", "video/flv"),
    (".webm", "video/webm"),
    (".mp3", "audio/mp3"),
    (".wav", "audio/wav"),
    (".pdf", "application/pdf"),
    (".txt", "text/plain"),
    (".csv", "text/csv"),
];

/// The media type of what a URL leads to, by its ending.
pub(in super::super) fn of_url(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let ends = |ending: &str| {
        path.len()
            .checked_sub(ending.len())
            .and_then(|at| path.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(ending))
    };
    ENDINGS.iter().find(|(ending, _)| ends(ending)).map(|(_, media_type)| *media_type)
}

/// The media type of sound in a format of OpenAI's.
pub(super) fn of_audio(format: &str) -> String {
    match format {
        "pcm16" => "audio/pcm".to_owned(),
        kind if kind.contains('/') => kind.to_owned(),
        kind => format!("audio/{kind}"),
    }
}

/// What is sent along, as the kind of block that it is.
pub(super) fn inline<'a>(
    media_type: Cow<'a, str>,
    data: Cow<'a, str>,
    name: Option<Cow<'a, str>>,
) -> Block<'a> {
    let data = standard(data);
    match media_type.split_once('/') {
        Some(("image", _)) => Block::Image { source: Source::Base64 { media_type, data }, detail: None },
        Some(("audio", format)) => {
            let format = match format {
                "mpeg" | "mp3" => "mp3",
                "wav" | "x-wav" | "wave" => "wav",
                "pcm" | "l16" | "L16" => "pcm16",
                other => other,
            };
            Block::Audio { data, format: format.to_owned().into() }
        }
        _ => Block::File { source: Source::Base64 { media_type, data }, name },
    }
}

/// What lies elsewhere. Only its provider can read what was uploaded to it.
pub(super) fn elsewhere<'a>(
    media_type: Option<&str>,
    url: Cow<'a, str>,
    name: Option<Cow<'a, str>>,
) -> Block<'a> {
    let is_image = media_type.or_else(|| of_url(&url)).is_some_and(|kind| kind.starts_with("image/"));
    let is_public = url.starts_with("https://") || url.starts_with("http://");
    let source = if is_public && !url.contains("generativelanguage.googleapis.com/") {
        Source::Url(url)
    } else {
        Source::FileId(url)
    };
    if is_image { Block::Image { source, detail: None } } else { Block::File { source, name } }
}

/// Base64 as every provider takes it: Google takes the alphabet for URLs, too, and no padding, and so send its clients.
pub(in super::super) fn standard(data: Cow<'_, str>) -> Cow<'_, str> {
    if data.len().is_multiple_of(4) && memchr::memchr2(b'-', b'_', data.as_bytes()).is_none() {
        return data;
    }
    let mut text = data.replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text.into()
}

/// True for base64. Google's clients decode signatures as soon as they see them, and fail on anything else.
pub(super) fn is_base64(text: &str) -> bool {
    STANDARD.decode(&*standard(text.into())).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_brought_to_one_alphabet() {
        assert_eq!(standard("a-_b".into()), "a+/b");
        assert_eq!(standard("a-".into()), "a+==");
        assert_eq!(standard("JVBERi0".into()), "JVBERi0=");
        assert!(matches!(standard("a+/=".into()), Cow::Borrowed(_)));
        assert!(is_base64("c2ln_-8=") && is_base64("c2lnMQ") && !is_base64("sig-first"));
    }

    #[test]
    fn a_url_tells_what_it_leads_to() {
        assert_eq!(of_url("https://h/a.PNG?x=.pdf"), Some("image/png"));
        assert_eq!(of_url("https://h/é"), None);
        assert_eq!(of_audio("wav"), "audio/wav");
    }
}
