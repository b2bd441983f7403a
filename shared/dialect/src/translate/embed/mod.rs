//! Embeddings: texts and pictures in, a vector for each out.
//!
//! The same way as that of conversations, but short: there is one form for what is asked, and one for what comes back.

mod answer;
mod bedrock;
mod cohere;
mod form;
mod google;
mod openai;
mod predict;

use bulkhead_model::{Endpoint, Usage};
use bytes::Bytes;

use super::loss::Losses;
use super::{AnswerOptions, Answered, Loss, RequestOptions, TranslateError, check};
pub use bedrock::Family;
use form::Request;

/// A wire format of embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's `/v1/embeddings`.
    OpenAi,
    /// Google's `:embedContent`: one content, one vector.
    GeminiOne,
    /// Google's `:batchEmbedContents`.
    GeminiBatch,
    /// Cohere's `/v2/embed`, which nobody asks us in.
    Cohere,
    /// Bedrock's `/invoke`, where each family of models has a body of its own. Nobody asks us in it.
    Invoke,
    /// Vertex' `:predict`, which nobody asks us in.
    Predict,
}

impl Dialect {
    /// What clients ask in.
    pub const CLIENTS: [Self; 3] = [Self::OpenAi, Self::GeminiOne, Self::GeminiBatch];
    /// What providers are asked in where the client speaks another dialect.
    pub const UPSTREAMS: [Self; 5] =
        [Self::OpenAi, Self::GeminiBatch, Self::Cohere, Self::Invoke, Self::Predict];

    /// What is spoken at an endpoint, where it is one of embeddings.
    pub const fn of(endpoint: Endpoint) -> Option<Self> {
        match endpoint {
            Endpoint::Embeddings => Some(Self::OpenAi),
            Endpoint::EmbedContent => Some(Self::GeminiOne),
            Endpoint::BatchEmbedContents => Some(Self::GeminiBatch),
            Endpoint::CohereEmbed => Some(Self::Cohere),
            Endpoint::InvokeEmbeddings => Some(Self::Invoke),
            Endpoint::PredictEmbeddings => Some(Self::Predict),
            _ => None,
        }
    }

    /// A name for tables and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "embeddings",
            Self::GeminiOne => "embedContent",
            Self::GeminiBatch => "batchEmbedContents",
            Self::Cohere => "cohere",
            Self::Invoke => "invoke",
            Self::Predict => "predict",
        }
    }

    /// The member with what is to be embedded.
    const fn content(self) -> &'static str {
        match self {
            Self::GeminiOne => "content",
            Self::GeminiBatch => "requests",
            _ => "input",
        }
    }
}

/// What the answer has to know of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plan {
    /// The client wants its vectors as base64 of little-endian floats.
    pub base64: bool,
    /// How many vectors there have to be.
    pub inputs: usize,
    /// Bytes of text, for an estimate where the provider does not count.
    pub text_bytes: usize,
}

/// A request in the upstream's dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// The bodies to send, one after the other: some models take one input at a time.
    pub bodies: Vec<Bytes>,
    /// What of the client's request is not in them.
    pub losses: Vec<Loss>,
    /// For the way back.
    pub plan: Plan,
}

/// Translates a request from the client's dialect into the upstream's.
pub fn request(
    from: Dialect,
    to: Dialect,
    body: &[u8],
    options: &RequestOptions<'_>,
) -> Result<Translated, TranslateError> {
    check(body)?;
    let mut losses = Losses::default();
    let request = match from {
        Dialect::OpenAi => openai::read_request(body, &mut losses)?,
        Dialect::GeminiOne => google::read_one(body, &mut losses)?,
        Dialect::GeminiBatch => google::read_batch(body, &mut losses)?,
        Dialect::Cohere | Dialect::Invoke | Dialect::Predict => return Err(TranslateError::NoClient),
    };
    let plan =
        Plan { base64: request.base64, inputs: request.inputs.len(), text_bytes: request.text_bytes() };
    let model = options.model.or(request.model.as_deref()).unwrap_or_default();
    let bodies = write(to, &request, model, options, &mut losses).map_err(|refused| match refused {
        Refusal::Content(what) => TranslateError::Refused { name: from.content(), what },
        Refusal::Model(what) => TranslateError::Refused { name: "model", what },
    })?;
    Ok(Translated { bodies, losses: losses.into_vec(), plan })
}

/// What a writer cannot ask for, and what cannot be left out either.
enum Refusal {
    Content(&'static str),
    Model(&'static str),
}

const ONLY_TEXT: Refusal =
    Refusal::Content("this model takes text only. Leave pictures, sound and files out.");

/// More are not sent one after the other for one request.
const MOST: usize = 128;

/// For a model that takes one input at a time.
fn one_by_one(request: &Request<'_>) -> Result<(), Refusal> {
    match request.inputs.len() > MOST {
        true => Err(Refusal::Content(
            "this model takes one input at a time, and at most 128 are sent for a request. Send fewer.",
        )),
        false => Ok(()),
    }
}

fn write(
    to: Dialect,
    request: &Request<'_>,
    model: &str,
    options: &RequestOptions<'_>,
    losses: &mut Losses,
) -> Result<Vec<Bytes>, Refusal> {
    let one = |body| Ok(vec![body]);
    match to {
        Dialect::OpenAi => one(openai::write_request(request, model, losses)?),
        Dialect::GeminiBatch | Dialect::GeminiOne => one(google::write_batch(request, model, losses)?),
        Dialect::Cohere => one(cohere::write_request(request, Some(model), losses)?),
        Dialect::Predict => predict::write_requests(request, options.base_model.unwrap_or(model), losses),
        Dialect::Invoke => {
            let family = Family::of(options.base_model.unwrap_or(model)).ok_or(Refusal::Model(
                "it is not known how this model embeds. Name it in `model_info: base_model`.",
            ))?;
            bedrock::write_requests(family, request, losses)
        }
    }
}

/// Translates what came back, an answer for each body that was sent, in order.
pub fn answer(
    upstream: Dialect,
    client: Dialect,
    bodies: &[&[u8]],
    plan: Plan,
    options: &AnswerOptions,
) -> Result<Answered, TranslateError> {
    let mut vectors = Vec::with_capacity(plan.inputs);
    let mut usage: Option<Usage> = None;
    for body in bodies {
        check(body)?;
        let read = match upstream {
            Dialect::OpenAi => openai::read_answer(body),
            Dialect::GeminiOne | Dialect::GeminiBatch => google::read_answer(body),
            Dialect::Cohere => cohere::read_answer(body),
            Dialect::Invoke => bedrock::read_answer(body),
            Dialect::Predict => predict::read_answer(body),
        };
        vectors.extend(read.vectors);
        usage = match (usage, read.usage) {
            (Some(one), Some(other)) => Some(Usage { input: one.input.saturating_add(other.input), ..one }),
            (one, other) => one.or(other),
        };
    }
    let is_whole = vectors.len() == plan.inputs && vectors.iter().all(|vector| vector.starts_with(b"["));
    if !is_whole {
        return Err(TranslateError::NoAnswer);
    }
    let reported = usage.or(options.input_tokens.map(form::input));
    let usage = reported.unwrap_or(form::input(estimate(plan.text_bytes)));
    let body = match client {
        Dialect::GeminiOne => google::write_one(&vectors, reported),
        Dialect::GeminiBatch => google::write_several(&vectors, reported),
        _ => openai::write_answer(&vectors, plan.base64, usage, options)?,
    };
    Ok(Answered {
        body,
        usage: Some(usage),
        is_estimate: reported.is_none(),
        finish_reason: None,
        content_bytes: 0,
    })
}

/// About how many tokens so many bytes of text are.
fn estimate(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX)
}

/// The usage of an answer that goes through as it is.
pub(crate) fn measure(endpoint: Endpoint, body: &[u8]) -> Option<Usage> {
    match Dialect::of(endpoint)? {
        Dialect::GeminiOne | Dialect::GeminiBatch => google::read_answer(body).usage,
        _ => None,
    }
}
