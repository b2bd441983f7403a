//! A candidate of an answer: its parts, gathered where the answer goes out whole, and calls until they are.

use super::super::form::Finish;
use super::super::write::{Fields, Items};
use super::logprobs::write_logprobs;
use super::turn_writer::{write_call, write_inline};

/// What a candidate has said so far.
pub(super) struct Candidate {
    pub(super) number: u32,
    /// Of the next call, or of the text.
    pub(super) signature: Option<String>,
    /// Calls that may not be whole yet.
    pub(super) calls: Vec<Call>,
    pub(super) finish: Option<Finish>,
    pub(super) refused: bool,
    /// Where the answer goes out whole.
    parts: Vec<Piece>,
    logprobs: Vec<u8>,
    /// Pages with their titles.
    pub(super) pages: Vec<(String, String)>,
}

/// A call.
pub(super) struct Call {
    pub(super) number: u32,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
    pub(super) signature: Option<String>,
}

/// A part of an answer.
pub(super) enum Piece {
    Text { text: String, signature: Option<String> },
    Thought { text: String, signature: Option<String> },
    Image { media_type: String, data: String },
    Call(Call),
}

impl Candidate {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            signature: None,
            calls: Vec::new(),
            finish: None,
            refused: false,
            parts: Vec::new(),
            logprobs: Vec::new(),
            pages: Vec::new(),
        }
    }

    /// Keeps a part for the whole answer. What goes on in the same way is one part.
    pub(super) fn keep(&mut self, piece: Piece) {
        match (self.parts.last_mut(), piece) {
            (
                Some(Piece::Text { text, signature: signature @ None }),
                Piece::Text { text: more, signature: proof },
            )
            | (
                Some(Piece::Thought { text, signature: signature @ None }),
                Piece::Thought { text: more, signature: proof },
            ) => {
                text.push_str(&more);
                *signature = proof;
            }
            (_, piece) => self.parts.push(piece),
        }
    }

    pub(super) fn keep_logprobs(&mut self, logprobs: &[u8]) {
        self.logprobs = logprobs.to_vec();
    }

    /// Writes the candidate whole.
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        self.write_content(&self.parts, fields);
        if !self.logprobs.is_empty() {
            write_logprobs(fields, &self.logprobs);
        }
        self.write_end(fields);
    }

    /// Writes the content, and which candidate's it is.
    pub(super) fn write_content(&self, pieces: &[Piece], fields: &mut Fields<'_>) {
        fields.object("content", |content| {
            content.array("parts", |parts| pieces.iter().for_each(|piece| piece.write(parts)));
            content.text("role", "model");
        });
        fields.number("index", u64::from(self.number));
    }

    /// Writes what stands in the last event.
    pub(super) fn write_end(&self, fields: &mut Fields<'_>) {
        if !self.pages.is_empty() {
            fields.object("groundingMetadata", |grounding| {
                grounding.array("groundingChunks", |chunks| {
                    for (url, title) in &self.pages {
                        chunks.object(|chunk| {
                            chunk.object("web", |web| {
                                web.text("uri", url);
                                web.text("title", title);
                            });
                        });
                    }
                });
            });
        }
        let reason = match self.finish {
            _ if self.refused => "SAFETY",
            Some(Finish::Refused) => "SAFETY",
            Some(Finish::Length) => "MAX_TOKENS",
            Some(Finish::Stop | Finish::StopSequence | Finish::Tools | Finish::Pause) | None => "STOP",
        };
        fields.text("finishReason", reason);
    }
}

impl Piece {
    /// What Google says where there is nothing to say; its clients pass over a content without parts.
    pub(super) fn empty() -> Self {
        Self::Text { text: String::new(), signature: None }
    }

    fn write(&self, parts: &mut Items<'_>) {
        parts.object(|part| match self {
            Self::Text { text, signature } => {
                part.text("text", text);
                sign(part, signature.as_deref());
            }
            Self::Thought { text, signature } => {
                part.text("text", text);
                part.flag("thought", true);
                sign(part, signature.as_deref());
            }
            Self::Image { media_type, data } => write_inline(media_type, data, part),
            Self::Call(call) => {
                part.object("functionCall", |fields| {
                    write_call(fields, &call.id, &call.name, &call.arguments)
                });
                sign(part, call.signature.as_deref());
            }
        });
    }
}

fn sign(part: &mut Fields<'_>, signature: Option<&str>) {
    if let Some(signature) = signature {
        part.text("thoughtSignature", signature);
    }
}
