//! What every dialect can be read into: a request, and the events of an answer.
//!
//! Texts borrow from the body where they are spelled as they are. JSON that a dialect only carries (schemas, numbers
//! of the sampling, arguments of tools) stays as it is spelled, so order and digits are kept.

mod event;
mod request;
mod setting;

pub use event::{Citation, Delta, Event, Finish, Start};
pub use request::{
    Block, Cache, Effort, Output, Part, Reasoning, Request, Role, Source, Tool, ToolChoice, Turn,
};
pub use setting::{Knob, Setting};
