//! From a request to the plan of its answer.

use bulkhead_model::Endpoint;
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use super::ask::Ask;
use super::behaviour::{Behaviour, Instead, RetryHint, Text, When};
use super::dialect::{self, Event, Part};
use super::errors::{Flavour, Problem, web_page};
use super::heads::request_id;
use super::json::Members;
use super::ledger::Record;
use super::plan::{Framing, Plan, Start, Whole};
use super::receive::Received;
use super::route::{Route, Target};
use super::say::{Say, Voice};
use super::serve::Provider;
use super::strict;
use super::text::pretty;

const JSON: &str = "application/json";

/// Everything that the decision is made from.
pub(crate) struct Request<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) head: &'a Parts,
    pub(crate) body: &'a Received,
    pub(crate) route: &'a Route,
}

impl Request<'_> {
    /// The plan; what the request says of itself goes into its record.
    pub(crate) fn decide(&self, record: &mut Record) -> Plan {
        self.try_decide(record).unwrap_or_else(|problem| self.error(record.seq, &problem))
    }

    fn try_decide(&self, record: &mut Record) -> Result<Plan, Problem> {
        let flavour = self.route.flavour;
        let key = key(&self.head.headers);
        record.key = key.map(last_four).unwrap_or_default();
        if key.is_none_or(|key| key.starts_with("bad") || self.provider.is_revoked(key)) {
            return Err(Problem::key(flavour, key));
        }
        let (method, path) = (self.head.method.as_str(), self.head.uri.path());
        let endpoint = match &self.route.target {
            Target::Unknown => return Err(Problem::unknown_path(flavour, method, path)),
            Target::Models(name) if self.head.method == Method::GET => {
                let body = dialect::models::body(flavour == Flavour::Anthropic, name.as_deref());
                return Ok(Plan::plain(200, self.headers(record.seq), JSON, body));
            }
            Target::Api(endpoint) if self.head.method == Method::POST => *endpoint,
            _ => return Err(Problem::method(method, path)),
        };
        let text = std::str::from_utf8(&self.body.json).map_err(|_| Problem::not_json(flavour))?;
        let members = Members::of(text).ok_or_else(|| Problem::not_json(flavour))?;
        let model = self.route.deployment.clone().or_else(|| members.get("model"));
        record.model = model.ok_or_else(|| Problem::missing(flavour, "model"))?;
        record.stream = members.get("stream").unwrap_or(self.route.streams);
        if let Some(hosted) = &self.route.hosted {
            hosted.check(&members)?;
        }
        let behaviour = Behaviour::of(&record.model);
        if let Some(instead) = behaviour.instead
            && self.is_due(&behaviour, &record.model, &members)
        {
            return Ok(self.instead(record, instead, key.unwrap_or_default()).behaving(&behaviour));
        }
        self.answer(record, endpoint, members, &behaviour)
    }

    fn headers(&self, seq: u64) -> HeaderMap {
        self.provider.heads.of(self.route.flavour, seq)
    }

    fn error(&self, seq: u64, problem: &Problem) -> Plan {
        Plan::plain(problem.status, self.headers(seq), JSON, self.error_body(seq, problem))
    }

    fn error_body(&self, seq: u64, problem: &Problem) -> String {
        let flavour = self.route.flavour;
        let json = problem.json(flavour, Some(&request_id(flavour, seq)));
        if flavour == Flavour::OpenAi { pretty(&json) } else { json }
    }

    /// True where this request is one of those that the model fails.
    fn is_due(&self, behaviour: &Behaviour, model: &str, members: &Members<'_>) -> bool {
        match behaviour.when {
            When::Always => true,
            When::First(n) => {
                let header = self.head.headers.get("x-mock-flap").and_then(|value| value.to_str().ok());
                let user =
                    members.get::<String>("user").or_else(|| members.object("metadata")?.get("user_id"));
                let who = header.map(str::to_owned).or(user).unwrap_or_default();
                self.provider.nth(format!("{model}\n{who}")) <= n
            }
            When::Every(n) => self.provider.nth(model.to_owned()).is_multiple_of(n),
            When::Oscillate(period) => {
                let periods = self.provider.started.elapsed().unwrap_or_default().as_millis()
                    / period.as_millis().max(1);
                periods.is_multiple_of(2)
            }
        }
    }

    fn instead(&self, record: &Record, instead: Instead, key: &str) -> Plan {
        let (flavour, seq) = (self.route.flavour, record.seq);
        match instead {
            Instead::Hang => Plan::nothing(Start::Hang),
            Instead::HalfHead => Plan::nothing(Start::HalfHead),
            Instead::Reset => Plan::nothing(Start::Reset),
            Instead::Refuse => Plan::nothing(Start::Refuse),
            Instead::Empty => {
                let kind = if record.stream { "text/event-stream; charset=utf-8" } else { JSON };
                Plan::plain(200, self.headers(seq), kind, "")
            }
            Instead::Html => Plan::plain(200, self.headers(seq), "text/html", web_page(200)),
            Instead::BadJson => Plan::plain(
                200,
                self.headers(seq),
                JSON,
                r#"{"id":"mock-torn","choices":[{"message":{"content":"he"#,
            ),
            Instead::Status(502) => Plan::plain(502, self.headers(seq), "text/html", web_page(502)),
            Instead::Status(status) => self.error(seq, &Problem::status(flavour, status)),
            Instead::RateLimit(hint) => self.rate_limit(seq, hint),
            Instead::ContextWindow => self.error(seq, &Problem::context_window(flavour)),
            Instead::ContentPolicy => self.error(seq, &Problem::content_policy(flavour)),
            Instead::UnknownModel => self.error(seq, &Problem::unknown_model(flavour, &record.model)),
            Instead::Secret(status) => self.error(seq, &Problem::secret(flavour, status, key)),
        }
    }

    fn rate_limit(&self, seq: u64, hint: RetryHint) -> Plan {
        let problem = Problem::status(self.route.flavour, 429);
        let mut plan = self.error(seq, &problem);
        let mut set = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                plan.headers.insert(name, value);
            }
        };
        match hint {
            RetryHint::Seconds(seconds) => {
                set(RETRY_AFTER.as_str(), seconds.to_string());
                set("x-ratelimit-remaining-requests", "0".to_owned());
                set("x-ratelimit-reset-requests", format!("{seconds}s"));
            }
            RetryHint::Date(seconds) => {
                let then = std::time::SystemTime::now() + std::time::Duration::from_secs(seconds);
                set(RETRY_AFTER.as_str(), httpdate::fmt_http_date(then));
            }
            RetryHint::Nothing => {
                return Plan::plain(429, HeaderMap::new(), JSON, self.error_body(seq, &problem));
            }
        }
        plan
    }

    fn answer(
        &self,
        record: &Record,
        endpoint: Endpoint,
        members: Members<'_>,
        behaviour: &Behaviour,
    ) -> Result<Plan, Problem> {
        let flavour = self.route.flavour;
        let hosted = self.route.hosted.as_ref();
        if flavour == Flavour::Anthropic
            && hosted.is_none()
            && !self.head.headers.contains_key("anthropic-version")
        {
            let message = "anthropic-version: header is required";
            return Err(Problem::invalid("anthropic-version", "missing_header", message));
        }
        if behaviour.strict {
            strict::check(endpoint, flavour, &members, &self.head.headers)?;
        }
        dialect::vectors::check(endpoint, &record.model, &members)?;
        let ask = Ask::read(endpoint, flavour, members, self.route.streams)?;
        let tier =
            ask.members.get::<String>("service_tier").filter(|tier| tier == "flex" || tier == "priority");
        let echoed: &[u8] = if behaviour.text == Text::Echo { &self.body.json } else { &[] };
        let say = Say::to(&ask, behaviour, echoed, tier.as_deref());
        let model = format!("{}{}", record.model, self.provider.model_suffix);
        let voice = Voice { seq: record.seq, model, tier, azure: flavour == Flavour::Azure };
        let mut headers = self.headers(record.seq);
        if let (Endpoint::InvokeEmbeddings, Some(usage)) = (endpoint, say.reported) {
            headers.insert("x-amzn-bedrock-input-token-count", usage.input.into());
        }
        let problem = mid_answer(flavour);
        let events = ask.stream.then(|| dialect::events(&ask, &say, &voice)).flatten();
        if let Some(answer) = events {
            let error = error_events(endpoint, &problem, flavour);
            let whole = Whole { answer, error, usage: say.usage, reported: None, content: 0 };
            let plan = Plan::stream(headers, whole, Framing::of(endpoint), behaviour);
            return Ok(match hosted {
                Some(hosted) => hosted.send(plan),
                None => plan,
            });
        }
        let answer = dialect::body(&ask, &say, &voice);
        let answer = if flavour == Flavour::OpenAi { pretty(&answer) } else { answer };
        let billed = endpoint.is_billed();
        let whole = Whole {
            answer,
            error: self.error_body(record.seq, &problem),
            usage: if billed { say.usage } else { Default::default() },
            reported: say.reported.filter(|_| billed),
            content: if endpoint.embeds() || !billed { 0 } else { say.bytes() },
        };
        Ok(Plan::json(headers, whole, behaviour))
    }
}

/// What goes wrong in the middle of an answer.
fn mid_answer(flavour: Flavour) -> Problem {
    Problem::status(flavour, if flavour == Flavour::Anthropic { 529 } else { 500 })
}

/// The dialect's way to say in a stream that it broke.
fn error_events(endpoint: Endpoint, problem: &Problem, flavour: Flavour) -> Vec<Event> {
    let json = problem.json(flavour, None);
    match endpoint {
        Endpoint::Messages => vec![Event::new(Some("error"), Part::Terminal, json)],
        Endpoint::Responses => {
            let message = super::text::quoted(&problem.message);
            let error = format!(
                r#"{{"type":"error","sequence_number":0,"code":"server_error","message":{message},"param":null}}"#
            );
            let failed = format!(
                r#"{{"type":"response.failed","sequence_number":1,"response":{{"id":"resp_mock_failed","object":"response","status":"failed","error":{{"code":"server_error","message":{message}}},"output":[],"usage":null}}}}"#
            );
            vec![
                Event::new(Some("error"), Part::Terminal, error),
                Event::new(Some("response.failed"), Part::Terminal, failed),
            ]
        }
        Endpoint::CohereChat => {
            let message = super::text::quoted(&problem.message);
            let end =
                format!(r#"{{"type":"message-end","delta":{{"error":{message},"finish_reason":"ERROR"}}}}"#);
            vec![Event::new(Some("message-end"), Part::Terminal, end)]
        }
        _ => vec![Event::new(None, Part::Terminal, json)],
    }
}

/// The key, wherever a client of either provider puts it.
fn key(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
    let named = || ["x-api-key", "api-key", "x-goog-api-key"].into_iter().find_map(text);
    bearer.or_else(named).filter(|key| !key.trim().is_empty())
}

fn last_four(key: &str) -> String {
    let count = key.chars().count();
    key.chars().skip(count.saturating_sub(4)).collect()
}
