//! The `anthropic-beta` header, by table.
//!
//! Each release of a client asks for new betas, and a provider that serves Anthropic's models for others refuses a
//! request for one that it does not know. So for those a value passes only if the table lists it; Anthropic itself
//! gets everything but what the table drops. The table is LiteLLM's data, see `data/NOTICE`; settings go over it.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

/// The provider that defines the betas.
const NATIVE: &str = "anthropic";

/// A filtered header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beta {
    /// What goes to the provider, with commas between; empty when nothing does.
    pub keep: String,
    /// What was asked for and does not go to the provider.
    pub dropped: Vec<String>,
}

/// Values by name: another name for some, `None` for what is dropped.
type Values = HashMap<String, Option<String>>;

/// Tables by provider.
type Tables = HashMap<String, Values>;

/// What settings say over the table that is part of the program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Betas(Tables);

impl Betas {
    /// A provider gets this for a value; `None` drops it.
    pub fn set(&mut self, provider: &str, beta: &str, sent: Option<&str>) {
        let values = self.0.entry(provider.to_owned()).or_default();
        values.insert(beta.to_owned(), sent.map(ToOwned::to_owned));
    }

    /// What is listed for a value.
    fn of(&self, provider: &str, beta: &str) -> Option<&Option<String>> {
        self.0.get(provider).and_then(|values| values.get(beta)).or_else(|| tables().get(provider)?.get(beta))
    }

    /// Filters the values of the header, given with commas between, for a provider.
    pub fn filter(&self, provider: &str, header: &str) -> Beta {
        let mut kept: Vec<&str> = Vec::new();
        let mut dropped = Vec::new();
        for asked in header.split(',').map(str::trim).filter(|value| !value.is_empty()) {
            let sent = match self.of(provider, asked) {
                Some(listed) => listed.as_deref(),
                None if provider == NATIVE => Some(asked),
                None => None,
            };
            match sent {
                Some(sent) if kept.contains(&sent) => {}
                Some(sent) => kept.push(sent),
                None => dropped.push(asked.to_owned()),
            }
        }
        Beta { keep: kept.join(","), dropped }
    }
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    // The table is part of the program; a test reads it.
    TABLES.get_or_init(|| parse().unwrap_or_default())
}

fn parse() -> Result<Tables, serde_json::Error> {
    let file: HashMap<String, Value> =
        serde_json::from_str(include_str!("../data/anthropic_beta_headers_config.json"))?;
    let tables = file.into_iter().filter(|(_, table)| table.is_object());
    tables.map(|(provider, table)| Ok((provider, serde_json::from_value(table)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(provider: &str, header: &str) -> (String, Vec<String>) {
        let Beta { keep, dropped } = Betas::default().filter(provider, header);
        (keep, dropped)
    }

    #[test]
    fn the_table_is_read() {
        let tables = parse().unwrap();
        assert!(["anthropic", "bedrock", "vertex_ai"].iter().all(|name| tables.contains_key(*name)));
        assert!(!tables.contains_key("description"));
    }

    #[test]
    fn anthropic_gets_what_it_may_know() {
        let (keep, dropped) =
            filtered("anthropic", "files-api-2025-04-14, brand-new-2030-01-01,bash_20241022");
        assert_eq!(keep, "files-api-2025-04-14,brand-new-2030-01-01");
        assert_eq!(dropped, ["bash_20241022"]);
    }

    #[test]
    fn others_get_what_the_table_lists_under_their_name_for_it() {
        let asked = "advanced-tool-use-2025-11-20,brand-new-2030-01-01,tool-search-tool-2025-10-19";
        assert_eq!(
            filtered("vertex_ai", asked),
            ("tool-search-tool-2025-10-19".to_owned(), vec!["brand-new-2030-01-01".to_owned()])
        );
        assert_eq!(
            filtered("openrouter", "files-api-2025-04-14"),
            (String::new(), vec!["files-api-2025-04-14".to_owned()])
        );
        assert_eq!(filtered("anthropic", " , "), (String::new(), Vec::new()));
    }

    #[test]
    fn settings_go_over_the_table() {
        let mut betas = Betas::default();
        betas.set("anthropic", "brand-new-2030-01-01", None);
        betas.set("vertex_ai", "brand-new-2030-01-01", Some("newer-2030-02-02"));
        let of = |provider| betas.filter(provider, "brand-new-2030-01-01,tool-search-tool-2025-10-19");
        assert_eq!(of("anthropic").dropped, ["brand-new-2030-01-01"]);
        assert_eq!(of("vertex_ai").keep, "newer-2030-02-02,tool-search-tool-2025-10-19");
    }
}
