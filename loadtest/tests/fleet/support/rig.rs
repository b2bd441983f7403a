//! A provider, a database and what is declared in it, for control planes and nodes to stand on.

use std::net::SocketAddr;

use bulkhead_testkit::provider::Options;
use bulkhead_testkit::{MockProvider, canary};
use serde_json::{Value, json};

use super::{Api, Ask, ControlPlane, Database, Kind, Node, priced};

/// What every fleet has.
pub(crate) struct Rig {
    pub(crate) mock: MockProvider,
    pub(crate) database: Database,
    pub(crate) token: String,
}

impl Rig {
    /// On the server that all tests share.
    pub(crate) fn shared() -> Self {
        Self::on(Database::shared())
    }

    pub(crate) fn on(database: Database) -> Self {
        let token = database.join_token();
        Self { mock: MockProvider::start(), database, token }
    }

    /// One whose provider remembers every request there was, for [`super::Books`].
    pub(crate) fn with_books(database: Database) -> Self {
        let options = Options { log: 1_000_000, records: 1_000_000, ..Options::default() };
        let token = database.join_token();
        Self { mock: MockProvider::with(options).unwrap(), database, token }
    }

    /// A control plane that is ready.
    pub(crate) async fn control_plane(&self) -> ControlPlane {
        let control_plane = ControlPlane::launch(&self.database.url());
        control_plane.until_ready().await;
        control_plane
    }

    /// What `/model/new` takes for the mock by another name.
    pub(crate) fn model(&self, name: &str) -> Value {
        json!({
            "model_name": name,
            "litellm_params": {
                "model": "openai/ok", "api_base": self.mock.base_url(), "api_key": canary::OPENAI_KEY,
            },
        })
    }

    /// Declares the models of some sorts of requests, with prices.
    pub(crate) async fn declare_all(&self, api: &mut Api, kinds: &[Kind]) {
        let mut declared = Vec::new();
        for kind in kinds {
            if declared.contains(&kind.model) {
                continue;
            }
            declared.push(kind.model);
            let (provider, base) = match kind.ask {
                Ask::MessagesStream => ("anthropic", self.mock.origin()),
                _ => ("openai", self.mock.base_url()),
            };
            api.change("/model/new", priced(kind.model, provider, kind.mock, &base)).await;
        }
    }

    /// Declares `gpt`, and a key for it.
    pub(crate) async fn declare(&self, api: &mut Api) -> String {
        api.change("/model/new", self.model("gpt")).await;
        api.key().await
    }

    /// A node.
    pub(crate) fn node(&self, name: &str, control_plane: SocketAddr) -> Node {
        Node::launch(name, control_plane, &self.token)
    }
}
