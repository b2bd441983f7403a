//! Where a token of Google's comes from.

use super::file::File;
use super::metadata;
use crate::machine::Machine;
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
    pub(crate) async fn fetch(&self, machine: &Machine) -> Result<Fetched, Unavailable> {
        let Some((file, trusted)) = self.file(machine).await? else {
            let token = metadata::token(machine).await?;
            let named = named_project(&machine.environment);
            let project = match named {
                Some(project) => Some(project.to_owned()),
                // A machine without one still has its token.
                None => metadata::project(machine).await.ok(),
            };
            return Ok(token.fetched(project));
        };
        let token = file.token(machine, trusted).await?;
        Ok(token.fetched(file.project().or_else(|| named_project(&machine.environment)).map(str::to_owned)))
    }

    /// The credentials file, and whether it is one of this machine's: then it is trusted.
    async fn file(&self, machine: &Machine) -> Result<Option<(File, bool)>, Unavailable> {
        let environment = &machine.environment;
        let declared = self.credentials.as_ref().map(|text| ("vertex_credentials", text.expose()));
        let declared =
            declared.or_else(|| Some(("VERTEXAI_CREDENTIALS", environment.get("VERTEXAI_CREDENTIALS")?)));
        if let Some((what, text)) = declared.filter(|(_, text)| text.trim_start().starts_with('{')) {
            return Ok(Some((File::read(what, text)?, what != "vertex_credentials")));
        }
        let named = declared.or_else(|| {
            Some(("GOOGLE_APPLICATION_CREDENTIALS", environment.get("GOOGLE_APPLICATION_CREDENTIALS")?))
        });
        if let Some((what, path)) = named {
            return Ok(Some((File::read(what, &machine.read(what, path).await?)?, true)));
        }
        let Some(path) = well_known(environment) else { return Ok(None) };
        match tokio::fs::read_to_string(&path).await {
            Ok(text) => Ok(Some((File::read(&path, &text)?, true))),
            Err(_) => Ok(None),
        }
    }
}

/// Where `gcloud auth application-default login` leaves its file.
fn well_known(environment: &Environment) -> Option<String> {
    let folder = environment.get("CLOUDSDK_CONFIG").map(str::to_owned);
    let folder = folder.or_else(|| Some(format!("{}/.config/gcloud", environment.get("HOME")?)))?;
    Some(format!("{folder}/application_default_credentials.json"))
}

fn named_project(environment: &Environment) -> Option<&str> {
    environment.first(&["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"])
}
