//! What proves to a provider who sends a request, where a key in a header does not.
//!
//! A [`Keeper`] fetches what a [`Source`] describes, ahead of its end and on a runtime of its own; whoever sends
//! requests holds a [`Lease`] on it and takes the [`Proof`] of the moment, without waiting and without a lock.

use std::fmt;

use bulkhead_model::Secret;

pub mod aws;
mod aws_identity;
mod clock;
pub mod entra;
mod environment;
pub mod google;
mod hidden;
mod keeper;
mod lease;
mod machine;
mod network;
mod oidc;
mod refresh;
mod request;
mod token;
mod unavailable;

pub use clock::{Clock, shifted};
pub use environment::Environment;
pub use hidden::Hidden;
pub use keeper::Keeper;
pub use lease::{Counters, Lease};
pub use unavailable::Unavailable;

/// Where a proof comes from: what is declared. What is not declared is looked for in the environment and on the
/// machine, when it is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// Keys that sign.
    Aws(aws::Source),
    /// A token of Google's.
    Google(google::Source),
    /// A token of Microsoft Entra's.
    Entra(entra::Source),
}

impl Source {
    /// The proof, where there is nothing to fetch.
    fn declared(&self, environment: &Environment) -> Option<Proof> {
        match self {
            Self::Aws(source) => source.declared(environment),
            Self::Google(_) => None,
            Self::Entra(source) => source.declared(environment),
        }
    }

    /// In words.
    fn cloud(&self) -> &'static str {
        match self {
            Self::Aws(_) => "AWS",
            Self::Google(_) => "Google",
            Self::Entra(_) => "Microsoft Entra",
        }
    }
}

/// What a request is sent with.
#[derive(Clone)]
pub enum Proof {
    /// Signs the request.
    Aws(aws::Keys),
    /// Goes out as `authorization: Bearer …`.
    Bearer(Secret),
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aws(_) => "Proof::Aws(…)",
            Self::Bearer(_) => "Proof::Bearer(…)",
        })
    }
}
