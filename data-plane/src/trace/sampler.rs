//! Which requests are traced (OpenTelemetry's `OTEL_TRACES_SAMPLER`).

use http::HeaderMap;

/// What the caller's `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) id: [u8; 16],
    pub(super) span: [u8; 8],
    sampled: bool,
}

/// Which traces are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampler {
    /// Whoever began the trace has decided.
    by_parent: bool,
    /// Traces whose number is smaller are taken.
    below: u64,
}

impl Parent {
    /// Reads the header; a bad one counts as none.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let mut parts = headers.get("traceparent")?.to_str().ok()?.trim().split('-');
        let version: [u8; 1] = hex(parts.next()?)?;
        let (id, span, [flags]) =
            (hex::<16>(parts.next()?)?, hex::<8>(parts.next()?)?, hex::<1>(parts.next()?)?);
        // Later versions may say more; this one may not.
        let is_whole = version != [0] || parts.next().is_none();
        let is_valid = version != [0xff] && id != [0; 16] && span != [0; 8];
        (is_whole && is_valid).then_some(Self { id, span, sampled: flags & 1 == 1 })
    }
}

/// Lower-case hexadecimal digits.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

impl Sampler {
    /// Reads the name of a sampler and its argument.
    pub(super) fn read(name: Option<&str>, argument: Option<&str>) -> Option<Self> {
        let ratio = || argument.map_or(Some(1.0), |text| text.trim().parse().ok());
        let (by_parent, ratio) = match name.unwrap_or("parentbased_always_on") {
            "always_on" => (false, 1.0),
            "always_off" => (false, 0.0),
            "traceidratio" => (false, ratio()?),
            "parentbased_always_on" => (true, 1.0),
            "parentbased_always_off" => (true, 0.0),
            "parentbased_traceidratio" => (true, ratio()?),
            _ => return None,
        };
        (0.0..=1.0).contains(&ratio).then(|| Self { by_parent, below: bound(ratio) })
    }

    /// Every service that decides by the same ratio decides the same.
    pub(super) fn takes(self, id: [u8; 16], parent: Option<Parent>) -> bool {
        if let Some(parent) = parent.filter(|_| self.by_parent) {
            return parent.sampled;
        }
        let Some((_, low)) = id.split_last_chunk::<8>() else { return false };
        u64::from_be_bytes(*low) >> 1 < self.below
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a share of 2^63, from 0 to 1"
)]
fn bound(ratio: f64) -> u64 {
    (ratio * (1u64 << 63) as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn parent(text: &str) -> Option<Parent> {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", text.parse().unwrap());
        Parent::read(&headers)
    }

    #[test]
    fn a_traceparent_is_read_and_a_bad_one_is_none() {
        let good = parent(&format!("00-{ID}-00f067aa0ba902b7-01")).unwrap();
        assert!(good.sampled && good.id[0] == 0x4b && good.span[7] == 0xb7);
        assert!(!parent(&format!("00-{ID}-00f067aa0ba902b7-00")).unwrap().sampled);
        assert!(parent(&format!("01-{ID}-00f067aa0ba902b7-01-more")).is_some());
        for bad in [
            "".to_owned(),
            format!("00-{ID}-00f067aa0ba902b7"),
            format!("00-{ID}-00f067aa0ba902b7-01-more"),
            format!("ff-{ID}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", ID.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{ID}-0000000000000000-01"),
        ] {
            assert_eq!(parent(&bad), None, "{bad}");
        }
    }

    #[test]
    fn samplers_are_those_of_the_specification() {
        let sampled = parent(&format!("00-{ID}-00f067aa0ba902b7-01"));
        let not = parent(&format!("00-{ID}-00f067aa0ba902b7-00"));
        for (name, argument, alone, with, without) in [
            (None, None, true, true, false),
            (Some("always_on"), None, true, true, true),
            (Some("always_off"), None, false, false, false),
            (Some("parentbased_always_off"), None, false, true, false),
            (Some("traceidratio"), Some("0"), false, false, false),
            (Some("parentbased_traceidratio"), Some("0.0"), false, true, false),
            (Some("traceidratio"), None, true, true, true),
        ] {
            let sampler = Sampler::read(name, argument).unwrap();
            let id = sampled.unwrap().id;
            let taken = (sampler.takes(id, None), sampler.takes(id, sampled), sampler.takes(id, not));
            assert_eq!(taken, (alone, with, without), "{name:?} {argument:?}");
        }
        let half = Sampler::read(Some("traceidratio"), Some("0.5")).unwrap();
        let low = |byte: u8| [0, 0, 0, 0, 0, 0, 0, 0, byte, 0, 0, 0, 0, 0, 0, 0];
        assert!(half.takes(low(0x7f), None) && !half.takes(low(0x80), None));
        for (name, argument) in
            [("jaeger_remote", None), ("traceidratio", Some("2")), ("traceidratio", Some("x"))]
        {
            assert_eq!(Sampler::read(Some(name), argument), None, "{name}");
        }
    }
}
