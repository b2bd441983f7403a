//! The requests that all contenders get.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;

use super::contenders::{Contender, KEY};
use crate::load::{Expect, Load, Report};

pub(super) const PATH: &str = "/v1/chat/completions";

/// A model: what the gateway calls it, and what the provider does.
#[derive(Clone, Copy)]
pub(super) struct Model {
    pub(super) alias: &'static str,
    pub(super) name: &'static str,
    /// The provider's dialect, by the name of a provider; clients speak chat.
    pub(super) provider: &'static str,
    pub(super) expect: Expect,
}

const OPENAI: &str = "openai";
pub(super) const ANTHROPIC: &str = "anthropic";

pub(super) const PLAIN: Model = Model { alias: "plain", name: "ok", provider: OPENAI, expect: Expect::Body };
pub(super) const STREAM: Model =
    Model { alias: "stream", name: "chunks-20", provider: OPENAI, expect: Expect::Stream };
pub(super) const PACED: Model =
    Model { alias: "paced", name: "stamped-100+slow-chunk-10", provider: OPENAI, expect: Expect::Stamped };
pub(super) const SILENT: Model =
    Model { alias: "silent", name: "stall-after-1", provider: OPENAI, expect: Expect::Stream };
/// The same at a provider of another dialect.
pub(super) const PLAIN_TRANSLATED: Model = Model { alias: "plain-translated", provider: ANTHROPIC, ..PLAIN };
pub(super) const STREAM_TRANSLATED: Model =
    Model { alias: "stream-translated", provider: ANTHROPIC, ..STREAM };

/// All that a gateway has to know.
pub(super) const MODELS: [Model; 6] = [PLAIN, STREAM, PACED, SILENT, PLAIN_TRANSLATED, STREAM_TRANSLATED];

/// Bytes of an ordinary prompt.
pub(super) const PROMPT: usize = 200;

impl Model {
    /// The body, with a prompt of so many bytes.
    fn body(self, contender: &Contender, prompt: usize) -> String {
        const WORDS: &str = "Say hello to everybody in the room, ";
        let model = if contender.is_gateway() { self.alias } else { self.name };
        let mut content = WORDS.repeat(prompt / WORDS.len() + 1);
        content.truncate(prompt);
        let message = json!({"role": "user", "content": content});
        json!({"model": model, "messages": [message], "stream": self.expect != Expect::Body}).to_string()
    }

    /// A load of it; pace, connections and duration are to be set.
    pub(super) fn load(self, contender: &Contender, prompt: usize) -> Load {
        let mut load = Load::to(contender.addr, PATH);
        load.body = Some(self.body(contender, prompt).into());
        load.headers.push(("authorization".to_owned(), format!("Bearer {KEY}")));
        load.expect = self.expect;
        load
    }

    /// A request as it goes over the wire.
    pub(super) fn raw(self, contender: &Contender) -> String {
        let body = self.body(contender, PROMPT);
        format!(
            "POST {PATH} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            contender.addr,
            body.len()
        )
    }
}

/// A load that a contender was given.
pub(super) struct Measured {
    pub(super) report: Report,
    /// What the contender took meanwhile.
    pub(super) cpu: Duration,
    /// From the first request to the end of the last.
    pub(super) wall: Duration,
}

impl Measured {
    /// CPU a good answer, in µs.
    pub(super) fn cpu_us(&self) -> f64 {
        micros(self.cpu) / self.report.ok as f64
    }

    /// A quantile of the latency, in µs.
    pub(super) fn latency_us(&self, share: f64) -> f64 {
        micros(self.report.latency.quantile(share))
    }
}

/// Puts a load on a contender, which has to answer all of it.
pub(super) fn measure(contender: &Contender, load: &Load) -> anyhow::Result<Measured> {
    let before = contender.cpu()?;
    let began = tokio::time::Instant::now();
    let report = load.run()?;
    let wall = began.elapsed();
    let cpu = contender.cpu()?.saturating_sub(before);
    ensure!(
        report.failures() == 0 && report.ok > 0,
        "{} answered {} and failed {:?}: these figures would mean nothing.\n{}",
        contender.name,
        report.ok,
        report.failed,
        contender.last_words(),
    );
    Ok(Measured { report, cpu, wall })
}

pub(super) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
