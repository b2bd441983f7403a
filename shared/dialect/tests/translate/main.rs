//! Translation between dialects, over recordings and made-up requests.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests"
)]

mod agents;
mod answers;
mod answers_cohere;
mod answers_ollama;
mod answers_responses;
mod arbitrary;
mod cases;
mod completions;
mod counts;
mod embeddings;
mod embeddings_parameters;
mod gemini;
mod golden;
mod matrix;
mod parameters;
mod parameters_between;
mod parameters_cohere;
mod parameters_converse;
mod parameters_gemini;
mod parameters_ollama;
mod parameters_responses;
mod proofs;
mod recorded;
mod seen;
mod seen_cohere;
mod seen_converse;
mod seen_gemini;
mod seen_responses;
mod speed;
mod splits;
mod tables;
mod tools;
