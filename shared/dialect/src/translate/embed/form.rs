//! What is asked of a model that embeds, whatever the dialect.

use std::borrow::Cow;

use bulkhead_model::Usage;

use super::super::TranslateError;
use super::super::json::text;
use super::super::loss::Losses;

/// A request.
#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    pub(super) model: Option<Cow<'a, str>>,
    /// Each becomes a vector.
    pub(super) inputs: Vec<Input<'a>>,
    /// The client wants base64 of little-endian floats.
    pub(super) base64: bool,
    pub(super) settings: Vec<Setting<'a>>,
}

/// What becomes one vector.
#[derive(Debug)]
pub(super) struct Input<'a> {
    pub(super) parts: Vec<Part<'a>>,
}

/// A piece of an input.
#[derive(Debug)]
pub(super) enum Part<'a> {
    Text(Cow<'a, str>),
    /// A picture, sound or document, in base64.
    Media {
        media_type: Cow<'a, str>,
        data: Cow<'a, str>,
    },
    /// The same, where the provider finds it.
    Uri {
        media_type: Option<Cow<'a, str>>,
        uri: Cow<'a, str>,
    },
}

/// What can be said beside the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knob {
    /// How many numbers a vector has.
    Dimensions,
    /// What the vectors are for.
    Task,
    /// The title of the document.
    Title,
    /// From which end too long a text is cut, in Cohere's words.
    Truncate,
    /// Whether too long a text is cut.
    AutoTruncate,
    /// Whether vectors have length one.
    Normalize,
    /// A form of the vectors beside floats, in Cohere's words.
    Encoding,
    /// Who the end user is.
    User,
}

/// A value and what the client calls it.
#[derive(Debug, Clone)]
pub(super) struct Setting<'a> {
    pub(super) knob: Knob,
    pub(super) name: Cow<'a, str>,
    /// JSON.
    pub(super) value: &'a [u8],
}

impl Setting<'_> {
    /// A value of the right kind, else the error that names it.
    pub(super) fn check(self) -> Result<Self, TranslateError> {
        let is_right = match self.knob {
            Knob::Dimensions => crate::json::view::whole_number(self.value).is_some_and(|count| count > 0),
            Knob::AutoTruncate | Knob::Normalize => matches!(self.value, b"true" | b"false"),
            Knob::Task | Knob::Title | Knob::Truncate | Knob::Encoding | Knob::User => {
                text(self.value).is_some()
            }
        };
        match is_right {
            true => Ok(self),
            false => Err(invalid(&self.name)),
        }
    }
}

/// A value that its dialect does not know.
pub(super) fn invalid(name: &str) -> TranslateError {
    TranslateError::Invalid { name: name.to_owned(), place: String::new() }
}

impl<'a> Request<'a> {
    /// Takes a setting. Each knob has one; a second name for it counts in its place.
    pub(super) fn say(&mut self, setting: Setting<'a>, losses: &mut Losses) {
        match self.settings.iter_mut().find(|said| said.knob == setting.knob) {
            Some(said) => {
                if said.name != setting.name {
                    losses.aside(&said.name, "");
                }
                *said = setting;
            }
            None => self.settings.push(setting),
        }
    }

    /// The value of a knob.
    pub(super) fn setting(&self, knob: Knob) -> Option<&Setting<'a>> {
        self.settings.iter().find(|setting| setting.knob == knob)
    }

    /// The text of a knob's value.
    pub(super) fn text(&self, knob: Knob) -> Option<Cow<'a, str>> {
        text(self.setting(knob)?.value)
    }

    /// Bytes of all texts.
    pub(super) fn text_bytes(&self) -> usize {
        let texts = self.inputs.iter().flat_map(|input| &input.parts).map(|part| match part {
            Part::Text(text) => text.len(),
            Part::Media { .. } | Part::Uri { .. } => 0,
        });
        texts.sum()
    }
}

impl Input<'_> {
    /// Its text, where it is nothing else.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        if let [Part::Text(text)] = &*self.parts {
            return Some(Cow::Borrowed(text));
        }
        let texts = self.parts.iter().map(|part| match part {
            Part::Text(text) => Some(&**text),
            Part::Media { .. } | Part::Uri { .. } => None,
        });
        Some(texts.collect::<Option<Vec<_>>>()?.join("\n").into())
    }
}

/// What vectors are for: Google's word, others that mean it, Cohere's and Nova's.
type Task = (&'static str, &'static [&'static str], Option<&'static str>, Option<&'static str>);

/// What vectors are for, by its name in Google's, Cohere's and Nova's words. What has no name here goes along as it is.
const TASKS: [Task; 9] = [
    ("RETRIEVAL_QUERY", &["search_query", "query"], Some("search_query"), Some("GENERIC_RETRIEVAL")),
    (
        "RETRIEVAL_DOCUMENT",
        &["search_document", "document", "passage"],
        Some("search_document"),
        Some("GENERIC_INDEX"),
    ),
    ("CLASSIFICATION", &["classification"], Some("classification"), Some("CLASSIFICATION")),
    ("CLUSTERING", &["clustering"], Some("clustering"), Some("CLUSTERING")),
    ("SEMANTIC_SIMILARITY", &[], None, None),
    ("QUESTION_ANSWERING", &[], Some("search_query"), Some("GENERIC_RETRIEVAL")),
    ("FACT_VERIFICATION", &[], Some("search_query"), Some("GENERIC_RETRIEVAL")),
    ("CODE_RETRIEVAL_QUERY", &[], Some("search_query"), Some("GENERIC_RETRIEVAL")),
    ("TASK_TYPE_UNSPECIFIED", &[], Some("search_document"), Some("GENERIC_INDEX")),
];

/// Whose words for a task are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vocabulary {
    Google,
    Cohere,
    Nova,
}

/// A task in other words; `None` where there are none.
pub(super) fn task_in(task: &str, vocabulary: Vocabulary) -> Option<&str> {
    let is = |google: &str, others: &[&str]| {
        task.eq_ignore_ascii_case(google) || others.iter().any(|other| task.eq_ignore_ascii_case(other))
    };
    match TASKS.iter().find(|(google, others, ..)| is(google, others)) {
        Some((google, _, cohere, nova)) => match vocabulary {
            Vocabulary::Google => Some(google),
            Vocabulary::Cohere => *cohere,
            Vocabulary::Nova => *nova,
        },
        None => Some(task),
    }
}

/// So many tokens, all of them input.
pub(super) fn input(tokens: u64) -> Usage {
    Usage { input: tokens, ..Usage::default() }
}
