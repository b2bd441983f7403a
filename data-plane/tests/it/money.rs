//! What requests cost, by the mock's own books.

use bulkhead_testkit::{GatewayYaml, MockProvider, eventually};

use crate::support::{PATIENCE, faulty};

/// Ten micro-dollars for a token of input, a hundred for one of output.
const INPUT: f64 = 1e-5;
pub(crate) const OUTPUT: f64 = 1e-4;

/// `group` at the mock's `model`, with round prices.
pub(crate) fn priced(yaml: GatewayYaml, mock: &MockProvider, group: &str, model: &str) -> GatewayYaml {
    faulty(yaml, mock, group, model)
        .param("input_cost_per_token", INPUT)
        .param("output_cost_per_token", OUTPUT)
}

/// What the mock says was paid, in micro-dollars, which are whole at these prices.
pub(crate) async fn spent(mock: &MockProvider) -> u64 {
    assert!(eventually(PATIENCE, || mock.ledger().is_settled()).await);
    let records = mock.ledger().records();
    records.iter().filter_map(|record| record.reported).map(|it| it.input * 10 + it.output * 100).sum()
}

/// Dollars as a configuration file has them.
pub(crate) fn dollars(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// The micro-dollars of a decimal text.
pub(crate) fn micros(text: &str) -> u64 {
    (text.parse::<f64>().unwrap() * 1e6).round() as u64
}
