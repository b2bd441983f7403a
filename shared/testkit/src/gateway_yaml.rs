//! `gateway.yaml`, built member by member.

use std::fmt::Write;

use bulkhead_model::KeyHash;
use serde_json::Value;

/// Builds a configuration file. Methods that set a member of a deployment or of a virtual key speak of the one that
/// was begun last.
#[derive(Debug, Clone, Default)]
pub struct GatewayYaml {
    deployments: Vec<Deployment>,
    keys: Vec<Members>,
    sections: Vec<(String, Members)>,
    retries: bool,
}

#[derive(Debug, Clone)]
struct Deployment {
    group: String,
    params: Members,
    info: Members,
    provider: Option<String>,
    model: String,
}

type Members = Vec<(String, Value)>;

impl GatewayYaml {
    /// An empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// `general_settings.master_key`.
    #[must_use]
    pub fn master_key(self, key: &str) -> Self {
        self.general("master_key", key)
    }

    /// Begins an element of `model_list`: clients ask for `group`.
    #[must_use]
    pub fn deployment(mut self, group: &str) -> Self {
        let model = group.to_owned();
        let deployment =
            Deployment { group: model.clone(), params: Vec::new(), info: Vec::new(), provider: None, model };
        self.deployments.push(deployment);
        self
    }

    /// The provider, written before the model's name: `openai/…`.
    #[must_use]
    pub fn provider(self, provider: &str) -> Self {
        self.on_deployment(|deployment| deployment.provider = Some(provider.to_owned()))
    }

    /// The provider's name of the model; the group's name where this is not called.
    #[must_use]
    pub fn model(self, model: &str) -> Self {
        self.on_deployment(|deployment| deployment.model = model.to_owned())
    }

    /// `api_base`.
    #[must_use]
    pub fn base(self, url: impl Into<String>) -> Self {
        self.param("api_base", url.into())
    }

    /// `api_key`.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.param("api_key", key)
    }

    /// Any other member of `litellm_params`.
    #[must_use]
    pub fn param(self, name: &str, value: impl Into<Value>) -> Self {
        let member = (name.to_owned(), value.into());
        self.on_deployment(|deployment| deployment.params.push(member))
    }

    /// A member of `model_info`.
    #[must_use]
    pub fn info(self, name: &str, value: impl Into<Value>) -> Self {
        let member = (name.to_owned(), value.into());
        self.on_deployment(|deployment| deployment.info.push(member))
    }

    /// Begins a virtual key, written as its hash.
    #[must_use]
    pub fn virtual_key(self, key: &str) -> Self {
        self.begin_key("key_hash", KeyHash::of(key).to_string())
    }

    /// Begins a virtual key that is read from an environment variable.
    #[must_use]
    pub fn virtual_key_from(self, variable: &str) -> Self {
        self.begin_key("key", format!("os.environ/{variable}"))
    }

    /// A member of a virtual key: `models`, `rpm_limit`, `max_budget`, …
    #[must_use]
    pub fn limit(mut self, name: &str, value: impl Into<Value>) -> Self {
        let key = self.keys.last_mut().expect("virtual_key() comes before limit()");
        key.push((name.to_owned(), value.into()));
        self
    }

    /// A member of `general_settings`.
    #[must_use]
    pub fn general(self, name: &str, value: impl Into<Value>) -> Self {
        self.setting("general_settings", name, value)
    }

    /// A member of `litellm_settings`.
    #[must_use]
    pub fn litellm(self, name: &str, value: impl Into<Value>) -> Self {
        self.setting("litellm_settings", name, value)
    }

    /// A member of `router_settings`.
    #[must_use]
    pub fn router(self, name: &str, value: impl Into<Value>) -> Self {
        self.setting("router_settings", name, value)
    }

    /// Failed requests are tried again as by default. Without this, and without `num_retries`, a request is tried once,
    /// so that a test sees what one try does.
    #[must_use]
    pub fn retries(mut self) -> Self {
        self.retries = true;
        self
    }

    /// A member of any section.
    #[must_use]
    pub fn setting(mut self, section: &str, name: &str, value: impl Into<Value>) -> Self {
        let member = (name.to_owned(), value.into());
        match self.sections.iter_mut().find(|(known, _)| known == section) {
            Some((_, members)) => members.push(member),
            None => self.sections.push((section.to_owned(), vec![member])),
        }
        self
    }

    /// The file.
    pub fn text(&self) -> String {
        let says = |(name, _): &(String, Value)| name == "num_retries";
        let router = self.sections.iter().find(|(section, _)| section == "router_settings");
        if !self.retries && !router.is_some_and(|(_, members)| members.iter().any(says)) {
            return Self { retries: true, ..self.clone() }.router("num_retries", 0).text();
        }
        let mut yaml = String::new();
        if !self.deployments.is_empty() {
            yaml.push_str("model_list:\n");
        }
        for deployment in &self.deployments {
            deployment.write(&mut yaml);
        }
        for (section, members) in &self.sections {
            line(&mut yaml, 0, section, "");
            members.iter().for_each(|(name, value)| line(&mut yaml, 2, name, &value.to_string()));
        }
        if !self.keys.is_empty() {
            yaml.push_str("virtual_keys:\n");
        }
        for key in &self.keys {
            for (index, (name, value)) in key.iter().enumerate() {
                let name = if index == 0 { format!("- {name}") } else { format!("  {name}") };
                line(&mut yaml, 2, &name, &value.to_string());
            }
        }
        yaml
    }

    fn begin_key(mut self, name: &str, value: String) -> Self {
        self.keys.push(vec![(name.to_owned(), Value::from(value))]);
        self
    }

    fn on_deployment(mut self, change: impl FnOnce(&mut Deployment)) -> Self {
        change(self.deployments.last_mut().expect("deployment() comes before its members"));
        self
    }
}

impl Deployment {
    fn write(&self, yaml: &mut String) {
        let model = match &self.provider {
            Some(provider) => format!("{provider}/{}", self.model),
            None => self.model.clone(),
        };
        line(yaml, 2, "- model_name", &Value::from(self.group.as_str()).to_string());
        line(yaml, 4, "litellm_params", "");
        line(yaml, 6, "model", &Value::from(model).to_string());
        self.params.iter().for_each(|(name, value)| line(yaml, 6, name, &value.to_string()));
        if !self.info.is_empty() {
            line(yaml, 4, "model_info", "");
        }
        self.info.iter().for_each(|(name, value)| line(yaml, 6, name, &value.to_string()));
    }
}

/// One line. Values are JSON, which is YAML as well.
fn line(yaml: &mut String, indent: usize, name: &str, value: &str) {
    let space = if value.is_empty() { "" } else { " " };
    // Writing into a string cannot fail.
    let _ = writeln!(yaml, "{:indent$}{name}:{space}{value}", "");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_as_it_would_be_written_by_hand() {
        let yaml = GatewayYaml::new()
            .master_key("sk-master")
            .deployment("gpt-4o")
            .provider("openai")
            .model("ok")
            .base("http://127.0.0.1:1/v1")
            .key("sk-up")
            .info("id", "one")
            .litellm("drop_params", true)
            .virtual_key("sk-1234")
            .limit("models", vec!["gpt-4o"])
            .limit("rpm_limit", 3)
            .virtual_key_from("TEAM_KEY")
            .retries()
            .text();
        let want = r#"model_list:
  - model_name: "gpt-4o"
    litellm_params:
      model: "openai/ok"
      api_base: "http://127.0.0.1:1/v1"
      api_key: "sk-up"
    model_info:
      id: "one"
general_settings:
  master_key: "sk-master"
litellm_settings:
  drop_params: true
virtual_keys:
  - key_hash: "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b"
    models: ["gpt-4o"]
    rpm_limit: 3
  - key: "os.environ/TEAM_KEY"
"#;
        assert_eq!(yaml, want);
    }

    #[test]
    fn a_request_is_tried_once_unless_the_file_says_otherwise() {
        let says = |yaml: GatewayYaml| yaml.text().contains("num_retries: 0");
        assert!(says(GatewayYaml::new()));
        assert!(says(GatewayYaml::new().router("routing_strategy", "least-busy")));
        assert!(!says(GatewayYaml::new().router("num_retries", 3)));
        assert!(!says(GatewayYaml::new().retries()));
    }
}
