//! Streams and answers that stay in their dialect.

use bulkhead_dialect::relay::{Relay, RelayOptions};
use bulkhead_model::Endpoint;
use bytes::BytesMut;

use super::cut::ways;

pub(crate) fn check(endpoint: Endpoint, input: &[u8]) {
    for shown in [None, Some("another")] {
        let [whole, bytes, odd] = ways(input).map(|chunks| forwarded(endpoint, shown, &chunks));
        assert_eq!(whole, bytes);
        assert_eq!(whole, odd);
        let (out, _) = whole;
        assert!(shown.is_some() || input.starts_with(&out), "something else than what came");
    }
    bulkhead_dialect::answer::read(endpoint, input);
}

fn forwarded(endpoint: Endpoint, shown: Option<&str>, chunks: &[&[u8]]) -> (Vec<u8>, String) {
    let mut relay = Relay::new(RelayOptions {
        endpoint,
        shown_model: shown.map(str::to_owned),
        withhold_usage: shown.is_some(),
        max_event: usize::MAX,
    });
    let mut out = BytesMut::new();
    chunks.iter().for_each(|chunk| relay.feed(chunk, &mut out).unwrap());
    let end = relay.finish(&mut out);
    let told = format!(
        "{end:?} {:?} {:?} {:?} {} {} {}",
        relay.failure(),
        relay.usage(),
        relay.finish_reason(),
        relay.content_bytes(),
        relay.has_content(),
        relay.events()
    );
    (out.to_vec(), told)
}
