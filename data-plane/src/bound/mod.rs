//! What only the deployment that it is from can use: ids of stored responses, and what items of an answer hold encrypted.
//!
//! It leaves sealed with the deployment and the owner in it, and comes back to both (requirements R-101). Nothing is kept
//! here: every node with the same master key understands it, before and after a restart.

mod bond;
mod items;
mod owner;
mod request;
#[cfg(test)]
mod tests;

pub(crate) use bond::{Bond, Named, named, sealing};
pub(crate) use request::{Bonds, Home, read};

use bulkhead_model::ErrorKind;

use crate::fault::Fault;

/// An id that the caller has none of, whatever somebody else has.
pub(crate) fn not_found(what: &str, id: &str) -> Box<Fault> {
    let id: String = id.chars().take(256).collect();
    let message = format!(
        "{what} with id '{id}' not found. It was not given to this caller by this gateway, or nobody keeps it: answers \
         of models that are translated are not stored."
    );
    Fault::new(ErrorKind::ResponseNotFound, message)
}
