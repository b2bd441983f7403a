mod poison;
pub(crate) mod property;
mod pushes;
pub(crate) mod support;
