//! A model as somebody declares it by API: read by the parser of gateway.yaml, so that one set of rules and messages
//! serves both.

use std::path::Path;

use bulkhead_config::{Problem, Source, is_secret_name};
use bulkhead_dialect::cloud::PARAMETERS;
use bulkhead_model::rows::{CloudValue, CredentialRow, DeploymentRow};
use bulkhead_model::{Secret, redact};
use serde_json::{Map, Value, json};

/// Where a model names the credential that it shares.
pub(crate) const CREDENTIAL: &str = "litellm_credential_name";

/// What a credential may hold beside its account with a cloud: what stands in for a deployment's own.
const CREDENTIAL_VALUES: [&str; 4] = ["api_key", "api_base", "api_version", "organization"];

/// All that a credential may hold.
pub(crate) fn credential_values() -> impl Iterator<Item = &'static str> + Clone {
    CREDENTIAL_VALUES.into_iter().chain(PARAMETERS.iter().map(|(_, name)| *name))
}

/// A credential as nodes know it.
pub(crate) fn credential_row(name: String, values: &Map<String, Value>) -> CredentialRow {
    let text = |key: &str| values.get(key).and_then(Value::as_str).map(str::to_owned);
    let cloud = PARAMETERS.iter().filter_map(|(_, name)| {
        Some(CloudValue { name: (*name).to_owned(), value: Secret::new(text(name)?) })
    });
    CredentialRow {
        api_key: text("api_key").map(Secret::new),
        api_base: text("api_base"),
        api_version: text("api_version"),
        organization: text("organization"),
        cloud: cloud.collect(),
        name,
    }
}

/// The parser wants a whole file, and a file wants a master key.
const MASTER_KEY: &str = "sk-3f9c1a7be05d42886cb17af3d9e0254b81c6f7da90e3b214";
const ELEMENT: &str = "model_list[0].";

/// Secrets of the control plane itself, which no model may name.
const OWN: [&str; 5] = ["BULKHEAD_", "LITELLM_", "DATABASE_URL", "REDIS_", "PG"];

/// What is declared.
pub(crate) struct Given<'g> {
    pub(crate) id: &'g str,
    pub(crate) group: &'g str,
    pub(crate) params: &'g Map<String, Value>,
    pub(crate) info: &'g Map<String, Value>,
    pub(crate) blocked: bool,
    /// Name and values of its credential.
    pub(crate) credential: Option<(&'g str, &'g Map<String, Value>)>,
}

/// Why it is refused: the field, and the words.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) field: Option<String>,
    pub(crate) message: String,
}

/// The row that follows from a declaration; variables and their files come from `outside`.
pub(crate) fn read(given: &Given<'_>, outside: &Source<'_>) -> Result<DeploymentRow, Refused> {
    let mut params = given.params.clone();
    params.remove(CREDENTIAL);
    let mut shared = Vec::new();
    if let Some((_, values)) = given.credential {
        for name in credential_values() {
            if let Some(value) = values.get(name).filter(|_| !params.contains_key(name)) {
                params.insert(name.to_owned(), value.clone());
                shared.push(name);
            }
        }
    }
    let mut info = given.info.clone();
    info.insert("id".to_owned(), given.id.into());
    let mut row = parse(given.group, &params.into(), &info.into(), outside)?;
    // What comes from the credential stays there, so that a new key is changed in one place. The address has been
    // completed to what requests are appended to; whoever changes the credential derives its deployments anew.
    row.credential = given.credential.map(|(name, _)| name.to_owned());
    for name in shared {
        match name {
            "api_key" => row.api_key = None,
            "api_version" => row.api_version = None,
            "organization" => row.organization = None,
            _ => row.cloud.retain(|own| own.name != name),
        }
    }
    row.blocked = given.blocked;
    Ok(row)
}

fn parse(group: &str, params: &Value, info: &Value, outside: &Source<'_>) -> Result<DeploymentRow, Refused> {
    let text = json!({
        "model_list": [{"model_name": group, "litellm_params": params, "model_info": info}],
        "general_settings": {"master_key": MASTER_KEY},
    })
    .to_string();
    let path = Path::new("model");
    let source = Source {
        env: &|name| (!OWN.iter().any(|own| name.starts_with(own))).then(|| (outside.env)(name)).flatten(),
        read: &|asked: &Path| if asked == path { Ok(text.clone()) } else { (outside.read)(asked) },
    };
    let declared = bulkhead_config::load(path, &source).map_err(|problems| refused(&problems.0))?;
    let mut rows = declared.deployments.into_iter();
    match (rows.next(), rows.next()) {
        (Some(row), None) => Ok(row),
        _ => Err(Refused {
            field: Some("litellm_params.model".to_owned()),
            message: "this stands for every provider; by API name one, such as openai/*".to_owned(),
        }),
    }
}

fn refused(problems: &[Problem]) -> Refused {
    let said = |problem: &Problem| {
        let path = problem.path.strip_prefix(ELEMENT).unwrap_or(&problem.path);
        // What a file can accept the API cannot.
        match problem.remedy.contains("accept_unenforced") {
            true => format!("{path}: {}", problem.what),
            false => format!("{path}: {} (write: {})", problem.what, problem.remedy),
        }
    };
    let field = problems
        .first()
        .map(|problem| problem.path.strip_prefix(ELEMENT).unwrap_or(&problem.path).to_owned());
    Refused { field, message: problems.iter().map(said).collect::<Vec<_>>().join("; ") }
}

/// What is known as a secret, hidden; variables stay readable.
pub(crate) fn masked(params: &Map<String, Value>) -> Map<String, Value> {
    params.iter().map(|(name, value)| (name.clone(), mask(name, value, false))).collect()
}

fn mask(name: &str, value: &Value, secret: bool) -> Value {
    let secret = secret || is_secret_name(name) || matches!(name, "extra_headers" | "headers");
    match value {
        Value::String(text) if text.starts_with("os.environ/") => value.clone(),
        Value::String(text) if secret => hidden(text).into(),
        Value::String(text) => redact::mask(text).into(),
        Value::Array(items) => items.iter().map(|item| mask("", item, secret)).collect(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| (name.clone(), mask(name, value, secret));
            Value::Object(members.iter().map(member).collect())
        }
        Value::Number(_) if secret => redact::MASK.into(),
        other => other.clone(),
    }
}

/// The last four characters of what is long enough to have some to hide.
fn hidden(text: &str) -> String {
    let tail: String = text.chars().skip(text.chars().count().saturating_sub(4)).collect();
    match text.chars().count() {
        0..20 => redact::MASK.to_owned(),
        _ => format!("****{tail}"),
    }
}

/// Takes over what is said: null says nothing, and neither does a secret sent back as it was shown.
pub(crate) fn merge(into: &mut Map<String, Value>, said: Map<String, Value>) {
    for (name, value) in said {
        let shown = into.get(&name).is_some_and(|old| *old != value && mask(&name, old, false) == value);
        if !value.is_null() && !shown {
            into.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn read_with(params: Value, credential: Option<Value>) -> Result<DeploymentRow, Refused> {
        let (params, values) = (object(params), credential.map(object));
        let given = Given {
            id: "one",
            group: "gpt",
            params: &params,
            info: &Map::new(),
            blocked: false,
            credential: values.as_ref().map(|values| ("shared", values)),
        };
        let outside = Source {
            env: &|name| match name {
                "PROVIDER_KEY" => Some("sk-from-the-environment".to_owned()),
                "MOUNTED_KEY_FILE" | "LITELLM_MASTER_KEY_FILE" => Some("/run/key".to_owned()),
                _ => None,
            },
            read: &|path| match path == Path::new("/run/key") {
                true => Ok("sk-from-a-file\n".to_owned()),
                false => Err(std::io::ErrorKind::NotFound.into()),
            },
        };
        read(&given, &outside)
    }

    #[test]
    fn a_model_is_read_as_a_file_would_be() {
        let row = read_with(
            json!({"model": "openai/gpt-4o", "api_key": "os.environ/PROVIDER_KEY", "rpm": 7}),
            None,
        );
        let row = row.unwrap();
        assert_eq!((row.id.as_str(), row.group.as_str(), row.rpm), ("one", "gpt", Some(7)));
        assert!(row.api_key.is_some_and(|key| key.expose() == "sk-from-the-environment"));
        let mounted = json!({"model": "openai/gpt-4o", "api_key": "os.environ/MOUNTED_KEY"});
        let row = read_with(mounted, None).unwrap();
        assert!(row.api_key.is_some_and(|key| key.expose() == "sk-from-a-file"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_field() {
        let said = |params| read_with(params, None).err().unwrap();
        let wrong = said(json!({"model": "opnai/gpt-4o"}));
        assert_eq!(wrong.field.as_deref(), Some("litellm_params.model"));
        let wrong = said(json!({"model": "openai/gpt-4o", "api_key": "k", "max_budget": 1}));
        assert_eq!(wrong.field.as_deref(), Some("litellm_params.max_budget"));
        assert!(!wrong.message.contains("accept_unenforced"), "{}", wrong.message);
        assert!(
            said(json!({"model": "openai/gpt-4o", "api_key": "os.environ/LITELLM_MASTER_KEY"}))
                .field
                .is_some()
        );
    }

    #[test]
    fn what_a_credential_gives_stays_in_the_credential() {
        let values = json!({"api_key": "sk-shared-secret", "api_base": "http://gpu:11434"});
        let row = read_with(json!({"model": "ollama/llama3"}), Some(values.clone())).unwrap();
        assert!(row.api_key.is_none());
        assert_eq!(row.credential.as_deref(), Some("shared"));
        assert_eq!(row.api_base.as_deref(), Some("http://gpu:11434"));
        let row =
            read_with(json!({"model": "ollama/llama3", "api_key": "sk-own-key"}), Some(values)).unwrap();
        assert!(row.api_key.is_some_and(|key| key.expose() == "sk-own-key"));
    }

    #[test]
    fn secrets_are_hidden_and_may_come_back_hidden() {
        let mut params = object(json!({
            "model": "openai/gpt-4o", "api_key": "sk-0123456789abcdef0123", "extra_headers": {"x-a": "short"},
            "aws_secret_access_key": "os.environ/X",
        }));
        let shown = masked(&params);
        assert_eq!(
            Value::Object(shown.clone()),
            json!({"model": "openai/gpt-4o", "api_key": "****0123", "extra_headers": {"x-a": "[redacted]"},
                "aws_secret_access_key": "os.environ/X"})
        );
        let before = params.clone();
        merge(&mut params, shown);
        assert_eq!(params, before);
        merge(&mut params, object(json!({"api_key": "sk-new", "model": null})));
        assert_eq!(params["api_key"], "sk-new");
        assert_eq!(params["model"], "openai/gpt-4o");
    }
}
