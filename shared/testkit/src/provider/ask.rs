//! What a request asks for, read and checked as strictly as is cheap.

use bulkhead_model::Endpoint;
use serde_json::value::RawValue;

use super::errors::{Flavour, Problem};
use super::json::Members;

/// A valid request.
pub(crate) struct Ask<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) members: Members<'a>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// Choices.
    pub(crate) n: usize,
    /// The most tokens of output that were asked for.
    pub(crate) limit: Option<u64>,
    /// Bytes of everything the model would read.
    pub(crate) prompt_bytes: usize,
    pub(crate) cache: Cache,
    /// Tools on offer.
    pub(crate) tools: Vec<Tool>,
    /// Tools to call instead of talking.
    pub(crate) calls: Vec<Tool>,
    /// The answer is to be JSON: of this schema, where there is one.
    pub(crate) json: Option<Option<serde_json::Value>>,
    /// The request asks for reasoning.
    pub(crate) reasons: bool,
}

/// What the request says about prompt caching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    None,
    Read,
    Write5m,
    Write1h,
}

/// A tool that the request offers.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: serde_json::Value,
}

impl<'a> Ask<'a> {
    /// Reads a body; `streams` where the path asks for a stream.
    pub(crate) fn read(
        endpoint: Endpoint,
        flavour: Flavour,
        members: Members<'a>,
        streams: bool,
    ) -> Result<Self, Problem> {
        let stream = boolean(&members, "stream")?.unwrap_or(streams);
        let options = members.object("stream_options");
        if options.is_some() && !stream {
            let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
            return Err(Problem::invalid("stream_options", "invalid_value", message));
        }
        let many = matches!(endpoint, Endpoint::ChatCompletions | Endpoint::Completions);
        let n = members.get::<usize>("n").filter(|_| many).unwrap_or(1);
        if n == 0 || n > 128 {
            return Err(below_minimum("n", n));
        }
        check_prompt(endpoint, flavour, &members)?;
        let limit = token_limit(endpoint, flavour, &members)?;
        let tools = offered(&members);
        Ok(Self {
            endpoint,
            stream,
            include_usage: options.and_then(|options| options.get("include_usage")).unwrap_or(false),
            n,
            limit,
            prompt_bytes: prompt_members(endpoint)
                .iter()
                .filter_map(|name| members.present(name))
                .map(str::len)
                .sum(),
            cache: cache(endpoint, &members),
            calls: calls(endpoint, &members, &tools),
            tools,
            json: json_asked(endpoint, &members),
            reasons: reasons(endpoint, &members),
            members,
        })
    }

    /// The text of the conversation.
    pub(crate) fn prompt(&self) -> Option<&'a str> {
        prompt_members(self.endpoint).first().and_then(|name| self.members.present(name))
    }
}

/// The members that a model reads, the one with the prompt first.
fn prompt_members(endpoint: Endpoint) -> &'static [&'static str] {
    match endpoint {
        Endpoint::ChatCompletions => &["messages", "tools", "response_format"],
        Endpoint::Completions => &["prompt", "suffix"],
        Endpoint::Embeddings => &["input"],
        Endpoint::Responses => &["input", "instructions", "tools"],
        Endpoint::Messages | Endpoint::CountTokens => &["messages", "system", "tools"],
        Endpoint::CohereChat => &["messages", "tools", "documents"],
        Endpoint::OllamaChat => &["messages", "tools"],
        Endpoint::GenerateContent => &["contents", "systemInstruction", "tools"],
        Endpoint::Converse => &[],
        Endpoint::EmbedContent => &["content"],
        Endpoint::BatchEmbedContents => &["requests"],
        Endpoint::PredictEmbeddings => &["instances"],
        Endpoint::GeminiCountTokens => &["contents", "generateContentRequest"],
        Endpoint::BedrockCountTokens => &["input"],
        Endpoint::CohereEmbed => &["texts", "images", "inputs"],
        Endpoint::InvokeEmbeddings => {
            &["inputText", "inputImage", "texts", "images", "singleEmbeddingParams"]
        }
    }
}

fn boolean(members: &Members<'_>, name: &str) -> Result<Option<bool>, Problem> {
    match members.present(name) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => {
            let message =
                format!("Invalid type for '{name}': expected a boolean, but got something else instead.");
            Err(Problem::invalid(name, "invalid_type", message))
        }
    }
}

fn below_minimum(name: &str, got: usize) -> Problem {
    let message =
        format!("Invalid '{name}': integer out of range. Expected a value >= 1, but got {got} instead.");
    Problem::invalid(name, "integer_below_min_value", message)
}

/// The prompt is there and, where it is made of messages, their roles are known.
fn check_prompt(endpoint: Endpoint, flavour: Flavour, members: &Members<'_>) -> Result<(), Problem> {
    let Some(&name) = prompt_members(endpoint).first() else { return Ok(()) };
    let any =
        matches!(endpoint, Endpoint::GeminiCountTokens | Endpoint::CohereEmbed | Endpoint::InvokeEmbeddings);
    let needed = if any { prompt_members(endpoint) } else { &[name] };
    if needed.iter().all(|name| members.present(name).is_none()) {
        return Err(Problem::missing(flavour, name));
    }
    let anthropic = flavour == Flavour::Anthropic;
    if name != "messages" {
        return Ok(());
    }
    let messages: Vec<&RawValue> = members.get("messages").unwrap_or_default();
    if messages.is_empty() {
        let message = if anthropic {
            "messages: at least one message is required"
        } else {
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        };
        return Err(Problem::invalid("messages", "empty_array", message));
    }
    messages
        .iter()
        .enumerate()
        .try_for_each(|(index, message)| check_message(anthropic, index, message.get()))
}

fn check_message(anthropic: bool, index: usize, message: &str) -> Result<(), Problem> {
    let message = Members::of(message).unwrap_or_default();
    let role: String = message.get("role").unwrap_or_default();
    if anthropic {
        if !matches!(role.as_str(), "user" | "assistant" | "system") {
            let text = format!("messages.{index}.role: Input should be 'user', 'assistant' or 'system'");
            return Err(Problem::invalid("messages", "invalid_value", text));
        }
        if message.present("content").is_none() {
            return Err(Problem::missing(Flavour::Anthropic, &format!("messages.{index}.content")));
        }
        return Ok(());
    }
    if !matches!(role.as_str(), "system" | "assistant" | "user" | "function" | "tool" | "developer") {
        let text = format!(
            "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and \
             'developer'."
        );
        return Err(Problem::invalid(&format!("messages[{index}].role"), "invalid_value", text));
    }
    if role == "user" && message.present("content").is_none() {
        return Err(Problem::missing(Flavour::OpenAi, &format!("messages[{index}].content")));
    }
    Ok(())
}

fn token_limit(endpoint: Endpoint, flavour: Flavour, members: &Members<'_>) -> Result<Option<u64>, Problem> {
    if endpoint == Endpoint::GenerateContent {
        return Ok(members.object("generationConfig").and_then(|config| config.get("maxOutputTokens")));
    }
    let names: &[&str] = match endpoint {
        Endpoint::ChatCompletions => &["max_completion_tokens", "max_tokens"],
        Endpoint::Responses => &["max_output_tokens"],
        _ => &["max_tokens"],
    };
    if endpoint == Endpoint::Messages && members.present("max_tokens").is_none() {
        return Err(Problem::missing(flavour, "max_tokens"));
    }
    if endpoint == Endpoint::OllamaChat {
        return Ok(members.object("options").and_then(|options| options.get("num_predict")));
    }
    let Some(name) = names.iter().find(|name| members.present(name).is_some()) else { return Ok(None) };
    match members.get::<i64>(name) {
        Some(limit) if limit > 0 => Ok(u64::try_from(limit).ok()),
        _ => Err(below_minimum(name, 0)),
    }
}

fn cache(endpoint: Endpoint, members: &Members<'_>) -> Cache {
    let has = |word: &str| {
        let mut texts = prompt_members(endpoint).iter().filter_map(|name| members.present(name));
        texts.any(|text| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some())
    };
    let anthropic = matches!(endpoint, Endpoint::Messages | Endpoint::CountTokens);
    if has("cached") {
        Cache::Read
    } else if !anthropic || !(has("\"cache_control\"") || members.present("cache_control").is_some()) {
        Cache::None
    } else if has("\"1h\"") {
        Cache::Write1h
    } else {
        Cache::Write5m
    }
}

/// The tools that the answer calls: a forced one, or the first (or first two, when the last message speaks of
/// `tools`) when the last message speaks of a `tool` and is not a tool's result itself.
fn calls(endpoint: Endpoint, members: &Members<'_>, tools: &[Tool]) -> Vec<Tool> {
    let choice = members.present("tool_choice").unwrap_or("\"auto\"");
    if tools.is_empty() || choice.contains("\"none\"") || choice.contains("\"NONE\"") {
        return Vec::new();
    }
    if let Some(named) = forced_name(choice) {
        return tools.iter().filter(|tool| tool.name == named).take(1).cloned().collect();
    }
    let last = last_message(endpoint, members);
    let speaks = |word: &str| memchr::memmem::find(last.as_bytes(), word.as_bytes()).is_some();
    let result = ["\"tool_result\"", "\"function_call_output\"", "\"role\":\"tool\"", "\"functionResponse\""]
        .into_iter()
        .any(speaks);
    let parallel = members.get::<bool>("parallel_tool_calls").unwrap_or(true);
    let must = ["\"required\"", "\"any\"", "\"REQUIRED\""].iter().any(|word| choice.contains(word));
    let count = match must {
        _ if !result && parallel && speaks("tools") => 2,
        true => 1,
        false if !result && speaks("tool") => 1,
        false => 0,
    };
    tools.iter().take(count).cloned().collect()
}

/// Google's tools are lists of functions.
fn offered(members: &Members<'_>) -> Vec<Tool> {
    let tools = members.objects("tools");
    let functions = tools.iter().flat_map(|tool| tool.objects("functionDeclarations"));
    let googles = functions.filter_map(|function| tool(&function));
    tools.iter().filter_map(tool).chain(googles).collect()
}

fn tool(tool: &Members<'_>) -> Option<Tool> {
    let function = tool.object("function");
    let tool = function.as_ref().unwrap_or(tool);
    let schema =
        ["parameters", "input_schema", "parametersJsonSchema"].into_iter().find_map(|name| tool.get(name));
    Some(Tool { name: tool.get("name")?, schema: schema.unwrap_or_default() })
}

/// The name in `{"type":"function","function":{"name":…}}`, `{"type":"function","name":…}` or
/// `{"type":"tool","name":…}`.
fn forced_name(choice: &str) -> Option<String> {
    let choice = Members::of(choice)?;
    choice.get("name").or_else(|| choice.object("function")?.get("name"))
}

/// The last message, as compact as the client sent it.
fn last_message<'a>(endpoint: Endpoint, members: &Members<'a>) -> &'a str {
    let Some(prompt) = prompt_members(endpoint).first().and_then(|name| members.present(name)) else {
        return "";
    };
    let messages: Vec<&'a RawValue> = serde_json::from_str(prompt).unwrap_or_default();
    messages.last().map_or(prompt, |message| message.get())
}

/// `Some(schema)` where the answer is to be JSON.
fn json_asked(endpoint: Endpoint, members: &Members<'_>) -> Option<Option<serde_json::Value>> {
    let format = match endpoint {
        Endpoint::ChatCompletions => members.object("response_format")?,
        Endpoint::Responses => members.object("text")?.object("format")?,
        Endpoint::Messages => match members.object("output_format") {
            Some(format) => format,
            None => members.object("output_config")?.object("format")?,
        },
        Endpoint::CohereChat => return Some(members.object("response_format")?.get("json_schema")),
        Endpoint::OllamaChat => {
            return members
                .present("format")
                .map(|format| serde_json::from_str(format).ok().filter(is_object));
        }
        _ => return None,
    };
    match format.get::<String>("type")?.as_str() {
        "json_object" => Some(None),
        "json_schema" => {
            let schema = format.get("schema").or_else(|| format.object("json_schema")?.get("schema"));
            Some(schema)
        }
        _ => None,
    }
}

fn is_object(value: &serde_json::Value) -> bool {
    value.is_object()
}

fn reasons(endpoint: Endpoint, members: &Members<'_>) -> bool {
    let effort = |effort: Option<String>| effort.is_some_and(|effort| effort != "none");
    match endpoint {
        Endpoint::ChatCompletions => effort(members.get("reasoning_effort")),
        Endpoint::Responses => {
            effort(members.object("reasoning").and_then(|reasoning| reasoning.get("effort")))
        }
        Endpoint::OllamaChat => members.present("think").is_some_and(|think| think != "false"),
        Endpoint::Messages | Endpoint::CohereChat => {
            let kind = members.object("thinking").and_then(|thinking| thinking.get::<String>("type"));
            kind.is_some_and(|kind| kind != "disabled")
        }
        _ => false,
    }
}
