//! What the models that a deployment serves cost, and what they can do.

use bulkhead_pricing::{Abilities, PriceBook, Rates};

use crate::deployment::Deployment;

impl Deployment {
    /// What a model that this deployment serves can do.
    pub fn abilities_of(&self, model: &str, book: &PriceBook) -> Option<Abilities> {
        if self.model_json.is_some() {
            return self.abilities;
        }
        let name = self.base_model.as_deref().unwrap_or(model);
        book.find(&self.provider.name, name).map(|price| price.abilities)
    }

    /// The price of a model that this deployment serves.
    pub fn rates_of(&self, model: &str, book: &PriceBook) -> Option<Rates> {
        if self.rates.is_some() || self.model_json.is_some() {
            self.rates.clone()
        } else {
            self.look_up(model, book)
        }
    }

    pub(crate) fn look_up(&self, model: &str, book: &PriceBook) -> Option<Rates> {
        let name = self.base_model.as_deref().unwrap_or(model);
        let listed = book.find(&self.provider.name, name).map(|price| price.rates.clone());
        match self.prices.is_empty() {
            true => listed,
            false => Some(listed.unwrap_or_default().overridden(&self.prices)),
        }
    }
}
