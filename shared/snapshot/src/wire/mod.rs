//! Rows on the wire and on disk, and back.
//!
//! Encoding is total. Decoding never panics and never drops a restriction: a principal (a key, team, user, member)
//! that is understood only in part comes back as one that denies, with the reason (design §4).

mod decode;
mod encode;
mod routing;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

use bulkhead_model::KeyHash;
use bulkhead_model::rows::{CredentialRow, DeploymentRow, KeyRow, MemberRow, SettingsRow, TeamRow, UserRow};
use bulkhead_proto as proto;

pub(crate) use decode::unreadable;
pub use decode::{Decoded, decode};
pub use encode::encode;

/// A row of any kind.
#[derive(Clone, PartialEq, Eq)]
pub enum Row {
    /// What holds for the whole gateway.
    Settings(Box<SettingsRow>),
    /// What deployments may share.
    Credential(Box<CredentialRow>),
    /// Where a model is served.
    Deployment(Box<DeploymentRow>),
    /// A team.
    Team(Box<TeamRow>),
    /// A user.
    User(Box<UserRow>),
    /// A user in a team.
    Member(Box<MemberRow>),
    /// A virtual key.
    Key(Box<KeyRow>),
}

impl Row {
    /// Names the row.
    pub fn id(&self) -> Id {
        match self {
            Self::Settings(_) => Id::Settings,
            Self::Credential(row) => Id::Credential(row.name.clone()),
            Self::Deployment(row) => Id::Deployment(row.id.clone()),
            Self::Team(row) => Id::Team(row.id.clone()),
            Self::User(row) => Id::User(row.id.clone()),
            Self::Member(row) => Id::Member(crate::member_id(&row.team, &row.user)),
            Self::Key(row) => Id::Key(row.hash),
        }
    }
}

/// Names a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    /// The settings.
    Settings,
    /// A credential's name.
    Credential(String),
    /// A deployment's id.
    Deployment(String),
    /// A team's id.
    Team(String),
    /// A user's id.
    User(String),
    /// A member's id, see [`crate::member_id`].
    Member(String),
    /// A key's hash.
    Key(KeyHash),
    /// A kind that this release does not know: its number, and the id.
    Unknown(i32, String),
}

impl Id {
    /// The kind and the id as they are on the wire.
    pub fn parts(&self) -> (proto::Kind, String) {
        match self {
            Self::Settings => (proto::Kind::Settings, String::new()),
            Self::Credential(name) => (proto::Kind::Credential, name.clone()),
            Self::Deployment(id) => (proto::Kind::Deployment, id.clone()),
            Self::Team(id) => (proto::Kind::Team, id.clone()),
            Self::User(id) => (proto::Kind::User, id.clone()),
            Self::Member(id) => (proto::Kind::Member, id.clone()),
            Self::Key(hash) => (proto::Kind::Key, hash.to_string()),
            Self::Unknown(_, id) => (proto::Kind::Unspecified, id.clone()),
        }
    }

    /// On the wire.
    pub fn encode(&self) -> proto::Ref {
        let (kind, id) = self.parts();
        let kind = if let Self::Unknown(number, _) = self { *number } else { kind.into() };
        proto::Ref { kind, id }
    }

    /// From the wire. A key whose id is no hash is as good as unknown.
    pub fn decode(reference: proto::Ref) -> Self {
        let proto::Ref { kind, id } = reference;
        match proto::Kind::try_from(kind) {
            Ok(proto::Kind::Settings) => Self::Settings,
            Ok(proto::Kind::Credential) => Self::Credential(id),
            Ok(proto::Kind::Deployment) => Self::Deployment(id),
            Ok(proto::Kind::Team) => Self::Team(id),
            Ok(proto::Kind::User) => Self::User(id),
            Ok(proto::Kind::Member) => Self::Member(id),
            Ok(proto::Kind::Key) => match KeyHash::from_hex(&id) {
                Ok(hash) => Self::Key(hash),
                Err(_) => Self::Unknown(kind, id),
            },
            Ok(proto::Kind::Unspecified) | Err(_) => Self::Unknown(kind, id),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => f.write_str("settings"),
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::Deployment(id) => write!(f, "deployment {id}"),
            Self::Team(id) => write!(f, "team {id}"),
            Self::User(id) => write!(f, "user {id}"),
            Self::Member(id) => write!(f, "member {}", id.replace('\u{1f}', "/")),
            Self::Key(hash) => write!(f, "key {hash}"),
            Self::Unknown(kind, id) => write!(f, "kind {kind} {id}"),
        }
    }
}
