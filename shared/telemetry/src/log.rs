//! Logging: where it goes, in which form, and what never gets into it.

use std::io::{self, IsTerminal, Write};

use bulkhead_model::redact::mask;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Logs to standard error: text on a terminal, JSON lines elsewhere. `filter` is a `tracing` filter such as `info` or
/// `data_plane=debug`; LiteLLM's level names in capitals are understood. A filter that cannot be read means `info`.
///
/// Every line passes through [`mask`], so that a key that got into a message by mistake is not written.
pub fn init(filter: Option<&str>) {
    let filter = filter.and_then(|text| EnvFilter::try_new(text.to_ascii_lowercase()).ok());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new("info")))
        .with_writer(MaskedStderr);
    // A second call, as tests make, leaves the first one's subscriber in place.
    let _ = if io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}

struct MaskedStderr;

impl<'a> MakeWriter<'a> for MaskedStderr {
    type Writer = MaskedLine;

    fn make_writer(&'a self) -> MaskedLine {
        MaskedLine(Vec::new())
    }
}

/// One event; written masked when it is complete.
struct MaskedLine(Vec<u8>);

impl Write for MaskedLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for MaskedLine {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.0);
        let _ = io::stderr().lock().write_all(mask(&text).as_bytes());
    }
}
