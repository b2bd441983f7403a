//! Bodies of errors.

use bulkhead_dialect::error::{
    is_bad_key, is_content_policy, is_context_window, read_provider_error, read_retry_delay,
};

pub(crate) fn check(input: &[u8]) {
    let error = read_provider_error(input);
    assert!(error.message.len() <= 4096 + "…".len(), "{}", error.message.len());
    let _ = (is_context_window(&error), is_content_policy(&error), is_bad_key(&error));
    read_retry_delay(input);
}
