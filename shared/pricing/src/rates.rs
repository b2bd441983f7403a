//! What a model costs per unit, and which of its rates apply to a request.

use std::sync::Arc;

use bulkhead_model::{PicoUsd, usage::ServiceTier};

use crate::field::{Class, Field, Kind, Tier, classify};

/// One rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Rate {
    /// What it is for.
    pub(crate) field: Field,
    /// The price of one unit.
    pub(crate) price: PicoUsd,
}

/// The rates of a model: the price of a token by what it is, the prompt's length and the service tier. Cheap to
/// clone. Empty where the price is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rates {
    /// Sorted, so that of the rates of one kind that a request reaches the last one holds: higher thresholds come
    /// after lower ones, and at one threshold a service tier's own rate after the standard one.
    list: Arc<[Rate]>,
    /// A threshold applies to a prompt of exactly as many tokens, too.
    inclusive: bool,
}

/// The rates that apply to one request. `None` is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) input: Option<PicoUsd>,
    pub(crate) cache_read: Option<PicoUsd>,
    pub(crate) cache_write: Option<PicoUsd>,
    pub(crate) cache_write_1h: Option<PicoUsd>,
    pub(crate) input_audio: Option<PicoUsd>,
    pub(crate) output: Option<PicoUsd>,
    pub(crate) reasoning: Option<PicoUsd>,
    pub(crate) output_audio: Option<PicoUsd>,
    pub(crate) request: Option<PicoUsd>,
}

impl Rates {
    pub(crate) fn new(mut list: Vec<Rate>, inclusive: bool) -> Self {
        list.sort_unstable();
        Self { list: list.into(), inclusive }
    }

    /// Shares the memory of equal rates.
    pub(crate) fn shared(self, intern: impl FnOnce(Arc<[Rate]>) -> Arc<[Rate]>) -> Self {
        Self { list: intern(self.list), inclusive: self.inclusive }
    }

    pub(crate) fn list(&self) -> &[Rate] {
        &self.list
    }

    /// True where the price is unknown.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// These rates with a deployment's own prices: names of price fields with the price per unit. What is no price
    /// field is passed over.
    ///
    /// A price replaces the field it names. Further, as LiteLLM reads such declarations:
    ///
    /// - `input_cost_per_token` and `output_cost_per_token` are that direction's price for a prompt of any length,
    ///   the latter for reasoning, too. Rates of service tiers and for cached input are those listed, unless they
    ///   are declared themselves or the declared price is zero: then all of that direction is free.
    /// - Where only one of the two is declared and the other is not listed either, the other is zero.
    /// - Prices in other units only (per second, per image, ...) replace prices per token. Their cost is unknown.
    #[must_use]
    pub fn overridden(&self, prices: &[(String, PicoUsd)]) -> Self {
        let mut declared = Vec::new();
        let mut other_unit = false;
        for (name, price) in prices {
            match classify(name) {
                Some(Class::Rate(field)) => declared.push(Rate { field, price: *price }),
                Some(Class::OtherUnit) => other_unit |= *price > PicoUsd(0),
                Some(Class::Extra) | None => {}
            }
        }
        if other_unit && declared.iter().all(|rate| rate.price == PicoUsd(0)) {
            return Self::default();
        }
        // The last of two declarations of one price wins.
        declared.reverse();
        declared.sort_by_key(|rate| rate.field);
        declared.dedup_by_key(|rate| rate.field);
        let kept = self.list.iter().filter(|listed| !declared.iter().any(|price| price.replaces(listed)));
        let mut list: Vec<Rate> = kept.chain(&declared).copied().collect();
        for (kind, other) in [(Kind::Input, Kind::Output), (Kind::Output, Kind::Input)] {
            let field = Field { kind: other, above: 0, tier: Tier::Standard };
            let is_missing = !list.iter().any(|rate| rate.field == field);
            if is_missing && declared.iter().any(|rate| rate.is_flat(kind)) {
                list.push(Rate { field, price: PicoUsd(0) });
            }
        }
        Self::new(list, self.inclusive)
    }

    /// The rates for a prompt of `input` tokens at a service tier.
    pub(crate) fn applied(&self, tier: ServiceTier, input: u64) -> Applied {
        let tier = match tier {
            ServiceTier::Standard => Tier::Standard,
            ServiceTier::Priority => Tier::Priority,
            ServiceTier::Flex => Tier::Flex,
            ServiceTier::Batch => Tier::Batch,
        };
        let rate = |kind| self.applying(kind, tier, input);
        let (text, output) = (rate(Kind::Input), rate(Kind::Output));
        let cache_write = rate(Kind::CacheWrite).or(text);
        // A service tier with an output rate but none for reasoning bills reasoning as output, at its own rate.
        let tier_bills_reasoning = self.has(Kind::Reasoning, tier) || !self.has(Kind::Output, tier);
        Applied {
            input: text,
            cache_read: rate(Kind::CacheRead).or(text),
            cache_write,
            cache_write_1h: rate(Kind::CacheWrite1h).or(cache_write),
            input_audio: rate(Kind::InputAudio).or(text),
            output,
            reasoning: rate(Kind::Reasoning).filter(|_| tier_bills_reasoning).or(output),
            output_audio: rate(Kind::OutputAudio).or(output),
            request: rate(Kind::Request),
        }
    }

    fn applying(&self, kind: Kind, tier: Tier, input: u64) -> Option<PicoUsd> {
        let applies = |field: Field| {
            field.kind == kind
                && (field.tier == tier || field.tier == Tier::Standard)
                && self.reaches(input, field)
        };
        self.list.iter().rfind(|rate| applies(rate.field)).map(|rate| rate.price)
    }

    fn has(&self, kind: Kind, tier: Tier) -> bool {
        self.list.iter().any(|rate| rate.field.kind == kind && rate.field.tier == tier)
    }

    /// The dearest rate among those that any service tier, cache or modality may bring to a prompt of up to
    /// `input` tokens.
    pub(crate) fn dearest(&self, input: u64, includes: fn(Kind) -> bool) -> Option<PicoUsd> {
        let possible = |field: Field| includes(field.kind) && self.reaches(input, field);
        self.list.iter().filter(|rate| possible(rate.field)).map(|rate| rate.price).max()
    }

    fn reaches(&self, input: u64, field: Field) -> bool {
        let above = u64::from(field.above);
        above == 0 || input > above || (self.inclusive && input == above)
    }
}

impl Rate {
    /// The direction's price per token, whatever the prompt's length.
    fn is_flat(&self, kind: Kind) -> bool {
        self.field == Field { kind, above: 0, tier: Tier::Standard }
    }

    /// True if `listed` no longer holds where this price is declared.
    fn replaces(&self, listed: &Self) -> bool {
        let (mine, other) = (self.field, listed.field);
        let is_flat = self.is_flat(Kind::Input) || self.is_flat(Kind::Output);
        let same_direction = match mine.kind {
            Kind::Input => other.kind.is_input(),
            _ => other.kind.is_output(),
        };
        let is_free = self.price == PicoUsd(0) && same_direction;
        let at_any_length = other.tier == Tier::Standard
            && (other.kind == mine.kind || (mine.kind == Kind::Output && other.kind == Kind::Reasoning));
        mine == other || (is_flat && (is_free || at_any_length))
    }
}

/// True for the name of a price, whether or not costs are computed from it: what a deployment may override.
pub fn is_price_field(name: &str) -> bool {
    classify(name).is_some()
}
