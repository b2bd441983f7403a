//! The providers' own error bodies.

use super::text::quoted;

/// Whose error shape is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    OpenAi,
    Azure,
    Anthropic,
    Cohere,
    Ollama,
    Google,
    Amazon,
}

/// Something the provider refuses or fails to do.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) message: String,
    /// `error.type` of OpenAI.
    kind: &'static str,
    param: Option<String>,
    code: Option<&'static str>,
}

impl Problem {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), kind, param: None, code: None }
    }

    fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// A 400 that names a member.
    pub(crate) fn invalid(param: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message).param(param).code(code)
    }

    /// A required member is not there.
    pub(crate) fn missing(flavour: Flavour, member: &str) -> Self {
        let message = match (flavour, member) {
            (Flavour::Anthropic, _) => format!("{member}: Field required"),
            (Flavour::Cohere, _) => {
                format!("invalid request: required '{member}' param is missing or empty.")
            }
            (Flavour::Ollama, _) => format!("{member} is required"),
            (_, "model") => "you must provide a model parameter".to_owned(),
            (_, "input") => "'$.input' is invalid. Please check the API reference.".to_owned(),
            _ => format!("Missing required parameter: '{member}'."),
        };
        Self::invalid(member, "missing_required_parameter", message)
    }

    /// The body is not a JSON object.
    pub(crate) fn not_json(flavour: Flavour) -> Self {
        let message = match flavour {
            Flavour::Anthropic => "The request body is not valid JSON: expected value at line 1 column 1",
            _ => {
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your \
                 HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
            }
        };
        Self::new(400, "invalid_request_error", message)
    }

    /// No key, or a bad one.
    pub(crate) fn key(flavour: Flavour, key: Option<&str>) -> Self {
        let problem = |message: String| Self::new(401, "invalid_request_error", message);
        match (flavour, key) {
            (Flavour::Anthropic, None) => problem("x-api-key header is required".to_owned()),
            (Flavour::Anthropic, Some(_)) => problem("invalid x-api-key".to_owned()),
            (Flavour::Azure, _) => {
                problem("Access denied due to invalid subscription key or wrong API endpoint.".to_owned())
            }
            (Flavour::Cohere, None) => problem("no api key supplied".to_owned()),
            (Flavour::Cohere, Some(_)) => problem("invalid api token".to_owned()),
            (Flavour::Ollama, _) => problem("unauthorized".to_owned()),
            (Flavour::Google, _) => Self::new(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
            (Flavour::Amazon, _) => problem("The security token included in the request is invalid.".to_owned()),
            (Flavour::OpenAi, None) => problem(
                "You didn't provide an API key. You need to provide your API key in an Authorization header using \
                 Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
                    .to_owned(),
            ),
            (Flavour::OpenAi, Some(key)) => {
                let head: String = key.chars().take(3).collect();
                problem(format!("Incorrect API key provided: {head}{}.", "*".repeat(12))).code("invalid_api_key")
            }
        }
    }

    /// 404 for a model.
    pub(crate) fn unknown_model(flavour: Flavour, model: &str) -> Self {
        let message = match flavour {
            Flavour::Anthropic => format!("model: {model}"),
            Flavour::Azure => "The API deployment for this resource does not exist.".to_owned(),
            Flavour::Cohere => format!(
                "model '{model}' not found, make sure the correct model ID was used and that you have access to the \
                 model."
            ),
            Flavour::Ollama | Flavour::Amazon => format!("model '{model}' not found"),
            Flavour::Google => {
                format!(
                    "models/{model} is not found for API version v1beta, or is not supported for generateContent."
                )
            }
            Flavour::OpenAi => format!("The model `{model}` does not exist or you do not have access to it."),
        };
        let code = if flavour == Flavour::Azure { "DeploymentNotFound" } else { "model_not_found" };
        Self::new(404, "invalid_request_error", message).code(code)
    }

    /// 404 for a path.
    pub(crate) fn unknown_path(flavour: Flavour, method: &str, path: &str) -> Self {
        let message = match flavour {
            Flavour::Anthropic => "Not Found".to_owned(),
            _ => format!("Invalid URL ({method} {path})"),
        };
        Self::new(404, "invalid_request_error", message)
    }

    /// 405.
    pub(crate) fn method(method: &str, path: &str) -> Self {
        let hint = "(HINT: Perhaps you meant to make your HTTP request using a different method?)";
        let message = format!("Not allowed to {method} on {path}. {hint}");
        Self::new(405, "invalid_request_error", message).code("method_not_supported")
    }

    /// The prompt does not fit the model.
    pub(crate) fn context_window(flavour: Flavour) -> Self {
        let message = match flavour {
            Flavour::Anthropic => "prompt is too long: 208310 tokens > 200000 maximum",
            Flavour::Cohere => {
                "too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs."
            }
            Flavour::Ollama => "the input length exceeds the context length",
            Flavour::Google => {
                "The input token count (1310720) exceeds the maximum number of tokens allowed (1048576)."
            }
            _ => {
                "This model's maximum context length is 128000 tokens. However, your messages resulted in 130310 \
                 tokens. Please reduce the length of the messages."
            }
        };
        Self::invalid("messages", "context_length_exceeded", message)
    }

    /// The provider's content policy.
    pub(crate) fn content_policy(flavour: Flavour) -> Self {
        match flavour {
            Flavour::Anthropic => {
                Self::new(400, "invalid_request_error", "Output blocked by content filtering policy")
            }
            Flavour::Azure => Self::invalid(
                "prompt",
                "content_filter",
                "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. \
                 Please modify your prompt and retry.",
            ),
            Flavour::OpenAi | Flavour::Cohere | Flavour::Ollama | Flavour::Google | Flavour::Amazon => Self::new(
                400,
                "invalid_request_error",
                "Your request was rejected as a result of our safety system. Your prompt may contain text that is \
                 not allowed by our safety system.",
            )
            .code("content_policy_violation"),
        }
    }

    /// What the provider says with a status of its own accord.
    pub(crate) fn status(flavour: Flavour, status: u16) -> Self {
        let (kind, message) = match status {
            400 | 422 => ("invalid_request_error", "The request is not valid."),
            401 => return Self { status, ..Self::key(flavour, Some("sk-of-the-gateway")) },
            402 => ("insufficient_quota", "Your credit balance is too low to access the API."),
            403 => ("invalid_request_error", "Country, region, or territory not supported"),
            404 => return Self::unknown_model(flavour, "this-model"),
            408 | 504 => ("timeout", "Request timed out."),
            409 => ("conflict_error", "The resource was changed by another request."),
            413 if flavour == Flavour::Anthropic => ("", "Request exceeds the maximum size"),
            413 => ("invalid_request_error", "Maximum content size limit (26214400) exceeded."),
            429 if flavour == Flavour::Anthropic => {
                ("", "This request would exceed your organization's rate limit of 50 requests per minute.")
            }
            429 => {
                let message = "Rate limit reached for this-model in organization org-mock on requests per min (RPM): \
                               Limit 500, Used 500, Requested 1. Please try again in 1s.";
                return Self::new(429, "requests", message).code("rate_limit_exceeded");
            }
            529 => ("server_error", "Overloaded"),
            503 if flavour == Flavour::Ollama => {
                ("", "server busy, please try again.  maximum pending requests exceeded")
            }
            503 if flavour != Flavour::Anthropic => {
                ("server_error", "The engine is currently overloaded, please try again later")
            }
            500.. if flavour == Flavour::Anthropic => ("", "Internal server error"),
            500.. => {
                ("server_error", "The server had an error while processing your request. Sorry about that!")
            }
            _ => ("invalid_request_error", "The request cannot be served."),
        };
        let code = (status == 402).then_some("insufficient_quota");
        Self { code, ..Self::new(status, kind, message) }
    }

    /// An error message that repeats a credential, as careless providers do.
    pub(crate) fn secret(flavour: Flavour, status: u16, secret: &str) -> Self {
        let message = format!("Something went wrong while using the credential {secret}; please check it.");
        Self { message, ..Self::status(flavour, status) }
    }

    /// The error as the providers' bodies have it.
    pub(crate) fn json(&self, flavour: Flavour, request_id: Option<&str>) -> String {
        let message = quoted(&self.message);
        match flavour {
            Flavour::Anthropic => {
                let kind = anthropic_kind(self.status);
                let id = request_id.map(|id| format!(",\"request_id\":\"{id}\"")).unwrap_or_default();
                format!(r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}}{id}}}"#)
            }
            Flavour::Cohere => {
                let id = request_id.unwrap_or("00000000-0000-4000-8000-000000000000");
                format!(r#"{{"id":"{id}","message":{message}}}"#)
            }
            Flavour::Ollama => format!(r#"{{"error":{message}}}"#),
            Flavour::Google => {
                let status = google_status(self.status);
                format!(r#"{{"error":{{"code":{},"message":{message},"status":"{status}"}}}}"#, self.status)
            }
            Flavour::Azure if matches!(self.status, 401 | 429) => {
                format!(r#"{{"error":{{"code":"{}","message":{message}}}}}"#, self.status)
            }
            Flavour::Amazon => format!(r#"{{"message":{message}}}"#),
            Flavour::OpenAi | Flavour::Azure => {
                let param = self.param.as_deref().map_or("null".to_owned(), quoted);
                let code = self.code.map_or("null".to_owned(), quoted);
                format!(
                    r#"{{"error":{{"message":{message},"type":"{}","param":{param},"code":{code}}}}}"#,
                    self.kind
                )
            }
        }
    }
}

fn anthropic_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

fn google_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// The web page that a provider's edge sends instead of JSON.
pub(crate) fn web_page(status: u16) -> String {
    let title = match status {
        502 => "502 Bad Gateway".to_owned(),
        200 => "Just a moment...".to_owned(),
        other => other.to_string(),
    };
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
    )
}
