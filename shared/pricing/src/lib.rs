//! The price book and the exact cost of a usage record.
//!
//! Prices come from LiteLLM's price data, a copy of which is in `data/` with its licence; a build carries an extract.
//! They are integers of pico-dollars read from the decimals as written, costs are integers of nano-dollars rounded
//! half to even once per request (design §6). No price is ever guessed: where one is missing, the cost is unknown,
//! and an unknown cost is not zero.
//!
//! Left out of costs are fees for tools (search, code interpreter, ...), prices in units that usage records do not
//! count (seconds, images, ...), surcharges for regions, and discounts by time of day: a model with
//! `off_peak_pricing` is billed its peak price at all hours. Service tiers that usage records do not tell apart
//! (`balanced`, `ultrafast`, ...) are billed as the standard one.

mod abilities;
mod book;
mod catalog;
mod compact;
mod cost;
mod error;
mod field;
mod name;
mod rates;
mod tiered;

pub use abilities::Abilities;
pub use book::{ModelPrice, PriceBook};
pub use cost::{Cost, bound, cost, estimate};
pub use error::CatalogError;
pub use rates::{Rates, is_price_field};
