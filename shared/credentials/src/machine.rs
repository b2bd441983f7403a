//! What a source finds around it.

use crate::Environment;
use crate::network::Network;
use crate::unavailable::Unavailable;

/// The variables, the files and the network that sources look for credentials in.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) environment: Environment,
    pub(crate) network: Network,
}

impl Machine {
    /// A file's text without the white space around it. `what` says what it is for.
    pub(crate) async fn read(&self, what: &str, path: &str) -> Result<String, Unavailable> {
        let text = tokio::fs::read_to_string(path).await;
        let text = text
            .map_err(|error| Unavailable::until_changed(format!("{what}: {path} cannot be read: {error}")))?;
        Ok(text.trim().to_owned())
    }
}
