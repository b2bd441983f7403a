//! What proves to a provider who sends a request, where a key in a header does not.

pub mod aws;
