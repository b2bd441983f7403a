//! What a request's body says of retries and fallbacks, in LiteLLM's forms (litellm.md §3.2): a list of names, of objects
//! with `model` and members to send instead, or of `{"group": ["name", ...]}`.

use bulkhead_model::rows::JsonMember;
use serde_json::{Map, Value};

use super::call::{Call, Size, tokens};
use super::fields::{Field, classify};
use crate::fault::{Fault, Outcome};

/// More are a mistake: no request goes on that often.
const MOST: usize = 32;

/// What a request says.
#[derive(Debug, Default)]
pub(crate) struct Detours {
    /// It goes on to no other group.
    pub(crate) disabled: bool,
    /// How often it is tried again in a group.
    pub(crate) retries: Option<u32>,
    pub(crate) general: Option<Chains>,
    /// Where the prompt does not fit.
    pub(crate) context_window: Option<Chains>,
    /// Where the provider's rules about contents refuse.
    pub(crate) content_policy: Option<Chains>,
}

/// Where to go on.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    any: Vec<Detour>,
    of: Vec<(String, Vec<Detour>)>,
}

/// One model to go on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detour {
    pub(crate) model: String,
    pub(crate) source: Source,
    /// Members of the body in the place of the client's.
    pub(crate) instead: Vec<JsonMember>,
    /// The most tokens one answer may have, where these members say so.
    max_output: Option<u64>,
}

/// Who said where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// It is the model that was asked for.
    Model,
    /// The request's own fallbacks.
    Body,
    Override,
    Key,
    Team,
    /// What is declared for the model group.
    Group,
    Default,
}

impl Detour {
    pub(crate) fn to(model: &str, source: Source) -> Self {
        Self { model: model.to_owned(), source, instead: Vec::new(), max_output: None }
    }

    /// How large a request is that goes here. What it sends instead counts besides what the client sent: an estimate
    /// that is too high reserves more for a while, one that is too low lets a limit be passed.
    pub(crate) fn size(&self, call: &Call) -> Size {
        let of_client = call.size();
        let more: usize = self.instead.iter().map(|member| member.json.len()).sum();
        Size {
            input: of_client.input.saturating_add(tokens(more)),
            max_output: self.max_output.or(of_client.max_output),
        }
    }
}

impl Chains {
    /// Where to go on from a group. Of its names the first is the most specific one.
    pub(crate) fn of_group(&self, names: &[&str]) -> &[Detour] {
        let find = |group: &str| self.of.iter().find(|(name, _)| name == group);
        let named = names.iter().find_map(|name| find(name)).or_else(|| find("*"));
        named.map_or(&self.any, |(_, chain)| chain)
    }

    pub(super) fn read(name: &str, value: Value) -> Outcome<Self> {
        let Value::Array(elements) = value else { return Err(wrong(name)) };
        if elements.len() > MOST {
            return Err(Fault::field(name, format!("'{name}' has more than {MOST} elements.")));
        }
        let mut chains = Self::default();
        for element in elements {
            match element {
                Value::String(model) => chains.any.push(Detour::to(&model, Source::Body)),
                Value::Object(members) if members.contains_key("model") => {
                    chains.any.push(instead(name, members)?);
                }
                Value::Object(groups) => {
                    for (group, targets) in groups {
                        chains.of.push((group, list(name, targets)?));
                    }
                }
                _ => return Err(wrong(name)),
            }
        }
        Ok(chains)
    }

    /// `{"group": "name"}`.
    pub(super) fn of_dict(name: &str, value: Value) -> Outcome<Self> {
        let Value::Object(groups) = value else { return Err(wrong_dict(name)) };
        let mut chains = Self::default();
        for (group, target) in groups.into_iter().take(MOST) {
            let Value::String(target) = target else { return Err(wrong_dict(name)) };
            chains.of.push((group, vec![Detour::to(&target, Source::Body)]));
        }
        Ok(chains)
    }
}

fn list(name: &str, targets: Value) -> Outcome<Vec<Detour>> {
    let targets: Vec<String> = serde_json::from_value(targets).map_err(|_| wrong(name))?;
    Ok(targets.iter().take(MOST).map(|target| Detour::to(target, Source::Body)).collect())
}

/// A model with members to send instead. They may be what the provider alone reads, and what bounds or makes up the
/// prompt; nothing that the gateway decides by.
fn instead(name: &str, members: Map<String, Value>) -> Outcome<Detour> {
    let mut detour = Detour::to("", Source::Body);
    for (member, value) in members {
        let field = classify(&member);
        if field == Field::MaxTokens && !value.is_null() {
            let Some(most) = value.as_u64() else {
                let message = format!(
                    "Invalid type for '{member}' in '{name}': expected a whole number, zero or more."
                );
                return Err(Fault::field(name, message));
            };
            detour.max_output = detour.max_output.max(Some(most));
        }
        match (field, value) {
            (Field::Model, Value::String(model)) => detour.model = model,
            (
                Field::Free | Field::Messages | Field::Prompt | Field::Input | Field::MaxTokens | Field::User,
                value,
            ) => detour.instead.push(JsonMember { name: member, json: value.to_string() }),
            _ => {
                let message = format!("'{member}' cannot be changed by an element of '{name}'. Remove it.");
                return Err(Fault::field(name, message));
            }
        }
    }
    Ok(detour)
}

fn wrong(name: &str) -> Box<Fault> {
    let message = format!(
        "Invalid type for '{name}': expected a list of model names, of objects with 'model', or of objects such as {{\"gpt-4o\": [\"claude\"]}}."
    );
    Fault::field(name, message)
}

fn wrong_dict(name: &str) -> Box<Fault> {
    Fault::field(
        name,
        format!("Invalid type for '{name}': expected an object such as {{\"gpt-4o\": \"gpt-4.1\"}}."),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn models(chains: &Chains, group: &str) -> Vec<String> {
        chains.of_group(&[group]).iter().map(|detour| detour.model.clone()).collect()
    }

    #[test]
    fn every_form_of_litellm_is_read() {
        let chains = Chains::read("fallbacks", json!(["b", {"model": "c", "temperature": 0.5}])).unwrap();
        assert_eq!(models(&chains, "a"), ["b", "c"]);
        let own = &chains.of_group(&["a"])[1].instead;
        assert_eq!((own[0].name.as_str(), own[0].json.as_str()), ("temperature", "0.5"));
        let chains = Chains::read("fallbacks", json!([{"a": ["b", "c"]}, {"*": ["d"]}])).unwrap();
        assert_eq!(models(&chains, "a"), ["b", "c"]);
        assert_eq!(models(&chains, "x"), ["d"]);
        let chains = Chains::of_dict("context_window_fallback_dict", json!({"a": "b"})).unwrap();
        assert_eq!(models(&chains, "a"), ["b"]);
        assert!(models(&chains, "x").is_empty());
    }

    #[test]
    fn what_a_caller_may_not_choose_it_may_not_choose_there_either() {
        for member in ["api_key", "api_base", "stream", "fallbacks", "metadata", "timeout"] {
            let fault = Chains::read("fallbacks", json!([{"model": "c", member: "x"}])).unwrap_err();
            assert_eq!(fault.kind, bulkhead_model::ErrorKind::BadRequest, "{member}");
        }
        for wrong in [json!("b"), json!([1]), json!([{"a": "b"}]), json!({"a": ["b"]}), json!([{"model": 1}])]
        {
            assert!(Chains::read("fallbacks", wrong.clone()).is_err(), "{wrong}");
        }
        assert!(Chains::read("fallbacks", json!(vec!["b"; MOST + 1])).is_err());
    }

    #[test]
    fn what_is_sent_instead_bounds_the_answer_and_adds_to_the_prompt() {
        let body = json!({"model": "a", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 900});
        let call = crate::read::fixture::call(&Default::default(), body.to_string());
        let plain = Detour::to("b", Source::Body).size(&call);
        assert_eq!((plain.input, plain.max_output), (call.input_estimate(), Some(900)));
        let messages = json!([{"role": "user", "content": "x".repeat(400)}]);
        let chains =
            Chains::read("fallbacks", json!([{"model": "b", "max_tokens": 7, "messages": messages}]))
                .unwrap();
        let own = chains.of_group(&["a"])[0].size(&call);
        assert_eq!(own.max_output, Some(7));
        assert!((plain.input + 100..plain.input + 130).contains(&own.input), "{}", own.input);
    }
}
