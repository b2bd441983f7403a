//! Prices and limits of models, by provider and name.

use std::{collections::HashSet, fmt, sync::Arc};

use bulkhead_model::PicoUsd;

use crate::{
    abilities::Abilities,
    catalog, compact,
    error::CatalogError,
    field::{Field, Kind, Tier},
    name,
    rates::{Rate, Rates},
};

/// Fewer models are a fragment of a catalog, not a catalog.
const FEWEST_MODELS: usize = 50;

/// A price that changes by this factor was given per another number of tokens.
const JUMP: u128 = 1000;

/// Modes of the models behind the inference endpoints.
const SERVED_MODES: [&str; 4] = ["chat", "completion", "embedding", "responses"];

/// What is known of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPrice {
    /// The provider as the price data calls it: `openai`, `vertex_ai-language-models`, ...
    pub provider: Arc<str>,
    /// What it is for: `chat`, `embedding`, ...
    pub mode: Option<Arc<str>>,
    /// The most input tokens.
    pub max_input_tokens: Option<u64>,
    /// The most output tokens.
    pub max_output_tokens: Option<u64>,
    /// What it can do.
    pub abilities: Abilities,
    /// What it costs; empty where that is not known per token.
    pub rates: Rates,
}

#[derive(Debug, PartialEq, Eq)]
struct Listed {
    name: Box<str>,
    price: ModelPrice,
}

/// The price book: immutable, to be shared in an `Arc`.
#[derive(PartialEq, Eq)]
pub struct PriceBook {
    /// In the order of `name::compare`.
    models: Vec<Listed>,
    version: String,
}

impl PriceBook {
    /// The book that this build carries.
    pub fn embedded() -> Self {
        let mut shelf = Shelf::default();
        for line in compact::lines() {
            let rate = |(field, price)| PicoUsd::from_decimal(price).ok().map(|price| Rate { field, price });
            let rates = line.rates.into_iter().filter_map(rate).collect();
            let limits = [line.max_input, line.max_output];
            shelf.put(line.name, line.provider, line.mode, limits, line.abilities, rates);
        }
        shelf.into_book()
    }

    /// Reads a catalog in the form of LiteLLM's `model_prices_and_context_window.json`, all or nothing.
    pub fn parse(json: &str) -> Result<Self, CatalogError> {
        let mut shelf = Shelf::default();
        for entry in catalog::entries(json)? {
            let mut rates = Vec::with_capacity(entry.rates.len());
            for (name, price) in &entry.rates {
                let price = PicoUsd::from_decimal(price).map_err(|error| CatalogError::BadPrice {
                    model: entry.name.clone(),
                    field: name.clone(),
                    why: error.to_string(),
                })?;
                rates.extend(Field::parse(name).map(|field| Rate { field, price }));
            }
            let limits = [entry.max_input, entry.max_output];
            let mode = entry.mode.as_deref();
            shelf.put(&entry.name, &entry.provider, mode, limits, entry.abilities, rates);
        }
        match shelf.models.len() {
            models if models < FEWEST_MODELS => Err(CatalogError::TooFew { models }),
            _ => Ok(shelf.into_book()),
        }
    }

    /// Refuses this book as the successor of another if it lost more than half of the models or if a price moved by
    /// a factor of 1000 or more. From or to zero is no such move.
    pub fn check_against(&self, previous: &Self) -> Result<(), CatalogError> {
        let (before, after) = (previous.models.len(), self.models.len());
        if after.saturating_mul(2) < before {
            return Err(CatalogError::Shrunk { before, after });
        }
        for model in &self.models {
            let Some(old) = previous.named(&model.name) else { continue };
            for (field, before, after) in changes(&old.rates, &model.price.rates) {
                let [low, high] = if before < after { [before, after] } else { [after, before] };
                if low.0 > 0 && u128::from(high.0) >= u128::from(low.0) * JUMP {
                    let (model, field) = (model.name.to_string(), field.to_string());
                    return Err(CatalogError::Jump { model, field, before: before.0, after: after.0 });
                }
            }
        }
        Ok(())
    }

    /// The price of a provider's model.
    ///
    /// Looked up in LiteLLM's order (`provider/model`, the model's name as it is, its name without the provider,
    /// then these without the date or number of a snapshot), without regard to case. An entry of another provider
    /// does not count.
    pub fn find(&self, provider: &str, model: &str) -> Option<&ModelPrice> {
        name::candidates(provider, model)
            .find_map(|name| self.named(&name).filter(|price| name::fits(provider, &price.provider)))
    }

    /// The provider's models that inference endpoints serve, by the provider's own names: what `provider/*` stands
    /// for in `/v1/models`.
    pub fn names_of<'a>(&'a self, provider: &str) -> impl Iterator<Item = &'a str> {
        let served =
            |price: &ModelPrice| price.mode.as_deref().is_some_and(|mode| SERVED_MODES.contains(&mode));
        self.models
            .iter()
            .filter(move |model| name::is_of(provider, &model.price.provider) && served(&model.price))
            .map(move |model| (&*model.name, name::bare(provider, &model.name)))
            // Some are listed with and without the provider.
            .filter(move |(name, bare)| name != bare || self.named(&format!("{provider}/{name}")).is_none())
            .map(|(_, bare)| bare)
    }

    /// Identifies what is in the book: two books with the same models and prices have the same version.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn named(&self, name: &str) -> Option<&ModelPrice> {
        let first = self.models.partition_point(|model| name::compare(&model.name, name).is_lt());
        let same =
            self.models.iter().skip(first).take_while(|model| name::compare(&model.name, name).is_eq());
        let exact = same.clone().find(|model| &*model.name == name);
        exact.or(same.clone().next()).map(|model| &model.price)
    }
}

impl fmt::Debug for PriceBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, models) = (&self.version, self.models.len());
        f.debug_struct("PriceBook").field("version", version).field("models", &models).finish()
    }
}

/// The prices that both have.
fn changes(old: &Rates, new: &Rates) -> impl Iterator<Item = (Field, PicoUsd, PicoUsd)> {
    new.list().iter().filter_map(|rate| {
        let before = old.list().iter().find(|before| before.field == rate.field)?;
        Some((rate.field, before.price, rate.price))
    })
}

/// A book in the making. Most models share their provider, mode and rates with others.
#[derive(Default)]
struct Shelf {
    models: Vec<Listed>,
    texts: HashSet<Arc<str>>,
    rates: HashSet<Arc<[Rate]>>,
}

impl Shelf {
    fn put(
        &mut self,
        name: &str,
        provider: &str,
        mode: Option<&str>,
        [max_input_tokens, max_output_tokens]: [Option<u64>; 2],
        abilities: Abilities,
        mut rates: Vec<Rate>,
    ) {
        if provider == "fireworks_ai" {
            rates.extend(fireworks_cache_rate(&rates));
        }
        // xAI's higher rates begin at the threshold, everyone else's behind it.
        let rates = Rates::new(rates, provider == "xai");
        let rates = rates.shared(|list| match self.rates.get(&list) {
            Some(known) => known.clone(),
            None => {
                self.rates.insert(list.clone());
                list
            }
        });
        let provider = self.text(provider);
        let mode = mode.map(|mode| self.text(mode));
        let price = ModelPrice { provider, mode, max_input_tokens, max_output_tokens, abilities, rates };
        self.models.push(Listed { name: name.into(), price });
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.texts.insert(text.clone());
        text
    }

    fn into_book(mut self) -> PriceBook {
        self.models
            .sort_by(|one, other| name::compare(&one.name, &other.name).then(one.name.cmp(&other.name)));
        self.models.shrink_to_fit();
        let version = version(&self.models);
        PriceBook { models: self.models, version }
    }
}

/// Fireworks bills cached input at half the input rate where no other is listed (LiteLLM's default for it).
fn fireworks_cache_rate(rates: &[Rate]) -> Option<Rate> {
    let flat = |kind| Field { kind, above: 0, tier: Tier::Standard };
    let find = |kind| rates.iter().find(|rate| rate.field == flat(kind));
    let input = find(Kind::Input).filter(|_| find(Kind::CacheRead).is_none())?;
    let PicoUsd(price) = input.price;
    let half_to_even = price / 2 + u64::from(price % 4 == 3);
    Some(Rate { field: flat(Kind::CacheRead), price: PicoUsd(half_to_even) })
}

/// FNV-1a over names and prices: the same on every machine and for every build.
fn version(models: &[Listed]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // Ends a text; not a byte of UTF-8.
        hash = (hash ^ 0xff).wrapping_mul(0x0100_0000_01b3);
    };
    for model in models {
        add(model.name.as_bytes());
        add(model.price.provider.as_bytes());
        for Rate { field, price } in model.price.rates.list() {
            add(field.kind.name().as_bytes());
            add(&[field.tier as u8]);
            add(&field.above.to_le_bytes());
            add(&price.0.to_le_bytes());
        }
    }
    format!("{hash:016x}")
}
