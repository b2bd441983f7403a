//! What is declared for Google.

use crate::refresh::Fetched;
use crate::unavailable::Unavailable;
use crate::{Environment, Hidden};

/// What is declared for Google, by LiteLLM's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// `vertex_credentials`: the text of a credentials file, or its path.
    pub credentials: Option<Hidden>,
}

impl Source {
    pub(crate) async fn fetch(&self, _environment: &Environment) -> Result<Fetched, Unavailable> {
        Err(Unavailable::until_changed("credentials of Google's are not read yet"))
    }
}
