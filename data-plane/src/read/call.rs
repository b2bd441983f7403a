//! What a request asks for, as far as the gateway has to know.

use std::borrow::Cow;
use std::time::Duration;

use bulkhead_dialect::json::{Kind, Member, Scan, Segments};
use bulkhead_model::{Endpoint, ErrorKind};
use http::HeaderMap;
use serde::Deserialize;
use smallvec::SmallVec;

use super::detours::{Chains, Detours};
use super::fields::{Field, classify};
use super::memory::BodyLease;
use crate::bound::Bonds;
use crate::fault::{Fault, Outcome};
use crate::identify::Caller;
use crate::receive::Inference;

/// Longest texts that are read out of a body; a model name or a user id beyond that is not one.
const TEXT_CAP: usize = 1 << 10;
const METADATA_CAP: usize = 64 << 10;
/// The largest timeout a caller may ask for: LiteLLM's default for all requests.
const LONGEST_TIMEOUT: f64 = 6000.0;

/// A request's body and what it says.
pub(crate) struct Call {
    pub(crate) endpoint: Endpoint,
    /// The model asked for.
    pub(crate) model: String,
    /// The client wants a stream.
    pub(crate) stream: bool,
    /// The client wants its stream as one JSON array: Google's, without `alt=sse`.
    pub(crate) as_array: bool,
    /// The client wants the usage chunk of a stream.
    pub(crate) usage_wanted: bool,
    /// The most tokens one answer may have, where the client says so.
    pub(crate) max_output: Option<u64>,
    /// Answers wanted.
    pub(crate) choices: u64,
    /// Tags of the request, for routing and records.
    pub(crate) tags: Vec<String>,
    /// The caller's own name for whoever is behind the request.
    pub(crate) end_user: Option<String>,
    /// The caller's timeouts.
    pub(crate) timeout: Option<Duration>,
    pub(crate) stream_timeout: Option<Duration>,
    /// What the request says of retries and fallbacks.
    pub(crate) detours: Option<Box<Detours>>,
    /// What it refers to that one deployment has.
    pub(crate) bonds: Option<Box<Bonds>>,
    /// Ordinals of members that do not travel on.
    pub(crate) removed: SmallVec<[usize; 4]>,
    /// Those of them without effect here, named to the client.
    pub(crate) ignored: SmallVec<[String; 2]>,
    pub(crate) body: Segments,
    pub(crate) scan: Scan,
    /// The body's memory; given back when there is nothing left to try.
    _lease: BodyLease,
}

/// What a request may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Input tokens, estimated.
    pub(crate) input: u64,
    /// The most tokens one answer may have, where somebody says so.
    pub(crate) max_output: Option<u64>,
}

/// About how many tokens so many bytes are.
pub(super) fn tokens(bytes: usize) -> u64 {
    u64::try_from(bytes / 4).unwrap_or(u64::MAX)
}

#[derive(Deserialize, Default)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

/// `generationConfig` and `inferenceConfig`.
#[derive(Deserialize, Default)]
struct Generation {
    #[serde(default, alias = "maxOutputTokens", alias = "max_output_tokens", rename = "maxTokens")]
    max_tokens: Option<Count>,
    #[serde(default, alias = "candidate_count", rename = "candidateCount")]
    choices: Option<Count>,
}

/// Google's clients write whole numbers as decimals, too.
#[derive(Deserialize, Clone, Copy)]
#[serde(untagged)]
enum Count {
    Whole(u64),
    Decimal(f64),
}

impl Count {
    fn number(self) -> u64 {
        match self {
            Self::Whole(number) => number,
            // Saturates, and what is no number is none.
            Self::Decimal(number) => number as u64,
        }
    }
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    user_id: Option<String>,
}

impl Call {
    /// Reads what the gateway must know out of a scanned body.
    pub(crate) fn read(
        asked: Inference<'_>,
        body: Segments,
        scan: Scan,
        lease: BodyLease,
    ) -> Outcome<Box<Self>> {
        let Inference { endpoint, model: path_model, streams } = asked;
        let mut call = Box::new(Self {
            endpoint,
            model: String::new(),
            stream: streams,
            as_array: false,
            usage_wanted: false,
            max_output: None,
            choices: 1,
            tags: Vec::new(),
            end_user: None,
            timeout: None,
            stream_timeout: None,
            detours: None,
            bonds: None,
            removed: SmallVec::new(),
            ignored: SmallVec::new(),
            body,
            scan: Scan::default(),
            _lease: lease,
        });
        let mut seen: SmallVec<[&str; 16]> = SmallVec::new();
        let mut content = false;
        for member in scan.members() {
            let Some(name) = scan.name(member) else { continue };
            let field = of_endpoint(endpoint, classify(name));
            if field.is_governed() {
                if seen.contains(&name) {
                    return Err(Fault::field(name, format!("'{name}' occurs more than once. Send it once.")));
                }
                seen.push(name);
            }
            content |= call.content_field() == Some(name);
            call.take(field, name, member)?;
        }
        if let Some(model) = path_model {
            call.model = bulkhead_front::decoded(model).into_owned();
        }
        if call.model.is_empty() {
            return Err(missing(endpoint, "model"));
        }
        if let Some(needed) = call.content_field().filter(|_| !content) {
            return Err(missing(endpoint, needed));
        }
        drop(seen);
        call.scan = scan;
        Ok(call)
    }

    /// The member that carries the content of this endpoint, where one is required.
    fn content_field(&self) -> Option<&'static str> {
        match self.endpoint {
            Endpoint::ChatCompletions | Endpoint::Messages | Endpoint::CountTokens | Endpoint::Converse => {
                Some("messages")
            }
            Endpoint::GenerateContent => Some("contents"),
            Endpoint::EmbedContent => Some("content"),
            Endpoint::BatchEmbedContents => Some("requests"),
            Endpoint::Completions => Some("prompt"),
            Endpoint::Embeddings => Some("input"),
            // A stored prompt or a previous response can stand in for it, or a whole request.
            Endpoint::Responses | Endpoint::GeminiCountTokens => None,
            // Nobody asks us there.
            Endpoint::CohereChat
            | Endpoint::OllamaChat
            | Endpoint::CohereEmbed
            | Endpoint::InvokeEmbeddings
            | Endpoint::PredictEmbeddings
            | Endpoint::BedrockCountTokens => None,
        }
    }

    fn take(&mut self, field: Field, name: &str, member: &Member) -> Outcome<()> {
        match field {
            Field::Model => self.model = self.text(name, member)?.unwrap_or_default(),
            Field::Stream => self.stream = self.flag(name, member)?.unwrap_or(false),
            Field::StreamOptions => {
                let options: StreamOptions = self.object(name, member)?.unwrap_or_default();
                self.usage_wanted = options.include_usage.unwrap_or(false);
            }
            Field::MaxTokens => {
                if let Some(tokens) = self.count(name, member)? {
                    self.max_output = Some(self.max_output.map_or(tokens, |other| other.max(tokens)));
                }
            }
            Field::GenerationConfig => self.generation(name, member)?,
            Field::Choices => self.choices = self.count(name, member)?.unwrap_or(1).max(self.choices),
            Field::User => self.end_user = self.text(name, member).ok().flatten(),
            Field::Metadata => self.metadata(name, member)?,
            Field::LitellmMetadata => {
                self.removed.push(member.ordinal);
                let metadata: Metadata = self.object(name, member)?.unwrap_or_default();
                self.tags.extend(metadata.tags.unwrap_or_default());
            }
            Field::Tags => {
                self.removed.push(member.ordinal);
                let tags: Vec<String> = self.object(name, member)?.unwrap_or_default();
                self.tags.extend(tags);
            }
            Field::Timeout => {
                self.removed.push(member.ordinal);
                self.timeout = self.seconds(name, member)?;
            }
            Field::StreamTimeout => {
                self.removed.push(member.ordinal);
                self.stream_timeout = self.seconds(name, member)?;
            }
            Field::Fallbacks
            | Field::ContextFallbacks
            | Field::PolicyFallbacks
            | Field::ContextFallbackDict
            | Field::DisableFallbacks
            | Field::Retries => {
                self.removed.push(member.ordinal);
                self.detour(field, name, member)?;
            }
            Field::Ignored => {
                self.removed.push(member.ordinal);
                self.ignored.push(name.to_owned());
            }
            Field::Restricting => {
                let message =
                    format!("'{name}' is not available on this gateway. Remove it from the request.");
                return Err(Fault::field(name, message));
            }
            Field::Destination => {
                let message = format!(
                    "'{name}' chooses where or as whom a request is sent and may not come from a caller. Declare it in model_list."
                );
                return Err(Fault::field(name, message));
            }
            Field::Governed
            | Field::Messages
            | Field::Contents
            | Field::Prompt
            | Field::Input
            | Field::Free => {}
        }
        Ok(())
    }

    /// `metadata` is LiteLLM's on the older OpenAI routes, where it is taken out, and the provider's elsewhere.
    fn metadata(&mut self, name: &str, member: &Member) -> Outcome<()> {
        let metadata: Metadata = self.object(name, member).ok().flatten().unwrap_or_default();
        if self.end_user.is_none() {
            self.end_user = metadata.user_id;
        }
        match self.endpoint {
            Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Embeddings => {
                self.removed.push(member.ordinal);
                self.tags.extend(metadata.tags.unwrap_or_default());
            }
            _ => {}
        }
        Ok(())
    }

    /// Google's and Amazon's settings are in an object. What it holds otherwise is the provider's business.
    fn generation(&mut self, name: &str, member: &Member) -> Outcome<()> {
        let said: Generation = self.object(name, member)?.unwrap_or_default();
        self.max_output = said.max_tokens.map(Count::number).or(self.max_output);
        self.choices = said.choices.map_or(self.choices, Count::number);
        Ok(())
    }

    fn detour(&mut self, field: Field, name: &str, member: &Member) -> Outcome<()> {
        if member.kind == Kind::Null {
            return Ok(());
        }
        let mut detours = self.detours.take().unwrap_or_default();
        match field {
            Field::DisableFallbacks => detours.disabled = self.flag(name, member)?.unwrap_or(false),
            Field::Retries => {
                let retries = self.count(name, member)?;
                detours.retries = retries.map(|retries| u32::try_from(retries).unwrap_or(u32::MAX));
            }
            Field::ContextFallbackDict => {
                detours.context_window =
                    self.value(name, member)?.map(|value| Chains::of_dict(name, value)).transpose()?;
            }
            _ => {
                let chains = self.value(name, member)?.map(|value| Chains::read(name, value)).transpose()?;
                match field {
                    Field::ContextFallbacks => detours.context_window = chains,
                    Field::PolicyFallbacks => detours.content_policy = chains,
                    _ => detours.general = chains,
                }
            }
        }
        self.detours = Some(detours);
        Ok(())
    }

    fn value(&self, name: &str, member: &Member) -> Outcome<Option<serde_json::Value>> {
        self.object(name, member)
    }

    fn text(&self, name: &str, member: &Member) -> Outcome<Option<String>> {
        match member.kind {
            Kind::Null => Ok(None),
            Kind::String => match member.string_value(&self.body, TEXT_CAP) {
                Some(text) => Ok(Some(text)),
                None => Err(Fault::field(name, format!("'{name}' is too long or not valid Unicode."))),
            },
            _ => Err(wrong_kind(name, "a string")),
        }
    }

    fn flag(&self, name: &str, member: &Member) -> Outcome<Option<bool>> {
        match member.kind {
            Kind::True => Ok(Some(true)),
            Kind::False => Ok(Some(false)),
            Kind::Null => Ok(None),
            _ => Err(wrong_kind(name, "true or false")),
        }
    }

    fn count(&self, name: &str, member: &Member) -> Outcome<Option<u64>> {
        match member.kind {
            Kind::Null => Ok(None),
            _ => member
                .u64_value(&self.body)
                .map(Some)
                .ok_or_else(|| wrong_kind(name, "a whole number, zero or more")),
        }
    }

    fn seconds(&self, name: &str, member: &Member) -> Outcome<Option<Duration>> {
        if member.kind == Kind::Null {
            return Ok(None);
        }
        let value: Option<f64> = member.json_value(&self.body, TEXT_CAP);
        match value {
            Some(seconds) if seconds > 0.0 && seconds.is_finite() => {
                Ok(Some(Duration::from_secs_f64(seconds.min(LONGEST_TIMEOUT))))
            }
            _ => Err(wrong_kind(name, "a number of seconds above zero")),
        }
    }

    fn object<T: for<'de> Deserialize<'de>>(&self, name: &str, member: &Member) -> Outcome<Option<T>> {
        if member.kind == Kind::Null {
            return Ok(None);
        }
        member.json_value(&self.body, METADATA_CAP).map(Some).ok_or_else(|| {
            Fault::field(
                name,
                format!("'{name}' has the wrong shape or is larger than {METADATA_CAP} bytes."),
            )
        })
    }

    /// The request's tags and its key's.
    pub(crate) fn tags_with<'c>(&'c self, caller: &Caller) -> Cow<'c, [String]> {
        match caller.key().filter(|key| !key.policy().said.tags.is_empty()) {
            None => Cow::Borrowed(&self.tags),
            Some(key) => {
                let own = key.policy().said.tags.iter().map(|tag| tag.to_string());
                Cow::Owned(self.tags.iter().cloned().chain(own).collect())
            }
        }
    }

    /// What the caller is willing to wait: for the answer, or of a stream for the next byte. The body goes before the
    /// headers.
    pub(crate) fn callers_time(&self, headers: &HeaderMap) -> Option<Duration> {
        let seconds = |name: &str| {
            let seconds: f64 = headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
            (seconds > 0.0 && seconds <= LONGEST_TIMEOUT).then(|| Duration::from_secs_f64(seconds))
        };
        let of_stream = || self.stream_timeout.or_else(|| seconds("x-litellm-stream-timeout"));
        let of_all = || self.timeout.or_else(|| seconds("x-litellm-timeout"));
        if self.stream { of_stream().or_else(of_all) } else { of_all() }
    }

    /// The provider is asked to work on when it has answered.
    pub(crate) fn is_background(&self) -> bool {
        let said = || self.scan.find("background").and_then(Member::bool_value);
        self.endpoint == Endpoint::Responses && said() == Some(true)
    }

    /// How large it is.
    pub(crate) fn size(&self) -> Size {
        Size { input: self.input_estimate(), max_output: self.max_output }
    }

    /// Input tokens, estimated from the body's length.
    pub(crate) fn input_estimate(&self) -> u64 {
        tokens(self.body.len()).max(1)
    }
}

/// Where the path says the model and whether to stream, members of those names are the provider's business.
fn of_endpoint(endpoint: Endpoint, field: Field) -> Field {
    let by_path = endpoint.is_said_by_path();
    match field {
        Field::Model | Field::Stream if by_path => Field::Free,
        Field::GenerationConfig | Field::Contents if !by_path => Field::Free,
        field => field,
    }
}

fn missing(endpoint: Endpoint, name: &'static str) -> Box<Fault> {
    Fault::new(ErrorKind::BadRequest, format!("{}: Missing required parameter: '{name}'.", endpoint.path()))
        .param(name)
}

fn wrong_kind(name: &str, expected: &str) -> Box<Fault> {
    Fault::field(name, format!("Invalid type for '{name}': expected {expected}."))
}
