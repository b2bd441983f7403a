//! Fallbacks as bodies have them: `[{"gpt-4o": ["claude-sonnet"]}]`.

use bulkhead_model::rows::ChainRow;
use serde_json::{Map, Value, json};

use super::body::body;
use super::field::{Field, Name, Wrong};

body! {
    /// `router_settings` of a key or a team
    RouterSettings { fallbacks: Chains }
    ignored [
        "routing_strategy" "routing_strategy_args" "model_group_retry_policy" "retry_policy" "allowed_fails"
        "cooldown_time" "num_retries" "timeout" "max_retries" "retry_after" "context_window_fallbacks"
        "content_policy_fallbacks" "model_group_alias"
    ]
}

/// Chains in the order in which they are said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chains(pub(crate) Vec<ChainRow>);

impl Field for Chains {
    fn read(value: &Value) -> Result<Self, Wrong> {
        let lists = <Vec<Map<String, Value>>>::read(value)?;
        let mut rows = Vec::new();
        for (place, chains) in lists.iter().enumerate() {
            for (group, targets) in chains {
                let wrong = |wrong: Wrong| wrong.below(group.as_str()).below(place);
                let Name(group) = Name::read(&group.as_str().into()).map_err(wrong)?;
                let targets = <Vec<Name>>::read(targets).map_err(wrong)?;
                rows.push(chain(group, targets).map_err(wrong)?);
            }
        }
        Ok(Self(rows))
    }

    fn schema() -> Value {
        let names = json!({"type": "array", "items": {"type": "string"}});
        json!({"type": "array", "items": {"type": "object", "additionalProperties": names}})
    }
}

/// A chain; nothing goes on to itself.
pub(crate) fn chain(group: String, targets: Vec<Name>) -> Result<ChainRow, Wrong> {
    let targets: Vec<String> = targets.into_iter().map(|target| target.0).collect();
    match targets.contains(&group) {
        true => Err(Wrong::value(format!("`{group}` goes on to itself, where it has just failed"))),
        false => Ok(ChainRow { group, targets }),
    }
}

impl RouterSettings {
    /// As they are stored, and shown.
    pub(crate) fn into_stored(self) -> Value {
        stored(&self.fallbacks.map(|chains| chains.0).unwrap_or_default())
    }
}

/// `router_settings` with these chains, as they are stored.
pub(crate) fn stored(chains: &[ChainRow]) -> Value {
    let mut settings = Map::new();
    if !chains.is_empty() {
        settings.insert("fallbacks".to_owned(), shown(chains));
    }
    settings.into()
}

/// Chains as bodies have them.
pub(crate) fn shown(chains: &[ChainRow]) -> Value {
    let chain = |ChainRow { group, targets }: &ChainRow| {
        Value::Object(Map::from_iter([(group.clone(), Value::from(targets.clone()))]))
    };
    chains.iter().map(chain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::body::Body;

    fn wrong(value: Value) -> (Vec<Value>, &'static str) {
        let wrong = RouterSettings::read(&value).err().unwrap();
        (wrong.at, wrong.kind)
    }

    #[test]
    fn chains_are_read_and_shown_in_their_order() {
        let said = json!({"fallbacks": [{"b": ["c", "a"]}, {"*": []}, {"a": ["b"]}], "num_retries": 7});
        let settings = RouterSettings::from_value(&said).unwrap();
        let groups: Vec<_> = settings.fallbacks.iter().flat_map(|chains| &chains.0).collect();
        assert_eq!(groups.iter().map(|row| row.group.as_str()).collect::<Vec<_>>(), ["b", "*", "a"]);
        assert_eq!(groups[0].targets, ["c", "a"]);
        assert_eq!(settings.into_stored(), json!({"fallbacks": said["fallbacks"]}));
        assert_eq!(RouterSettings::from_value(&json!({})).unwrap().into_stored(), json!({}));
    }

    #[test]
    fn what_is_no_chain_is_refused_where_it_stands() {
        let at = |path: Value| path.as_array().unwrap().clone();
        for (value, place, kind) in [
            (json!({"fallbacks": {"a": ["b"]}}), json!(["fallbacks"]), "list_type"),
            (json!({"fallbacks": ["a"]}), json!(["fallbacks", 0]), "dict_type"),
            (json!({"fallbacks": [{"a": "b"}]}), json!(["fallbacks", 0, "a"]), "list_type"),
            (json!({"fallbacks": [{"a": ["b", 7]}]}), json!(["fallbacks", 0, "a", 1]), "string_type"),
            (json!({"fallbacks": [{"": ["b"]}]}), json!(["fallbacks", 0, ""]), "string_too_short"),
            (json!({"fallbacks": [{}, {"a": ["a"]}]}), json!(["fallbacks", 1, "a"]), "value_error"),
            (json!({"fallbaks": []}), json!(["fallbaks"]), "extra_forbidden"),
        ] {
            assert_eq!(wrong(value.clone()), (at(place), kind), "{value}");
        }
    }
}
