//! The binaries: what they print and what they do.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A started binary, killed at the end of the test.
struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    fn start(binary: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(binary).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The rest of the next line after `prefix`.
    fn line(&mut self, prefix: &str) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim()
            .strip_prefix(prefix)
            .unwrap_or_else(|| panic!("{line:?} does not begin with {prefix:?}"))
            .to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn load_goes_through_the_proxy_to_the_mock() {
    let mut mock = Process::start(env!("CARGO_BIN_EXE_mock-provider"), &["--workers", "2"]);
    let origin = mock.line("mock provider listening on ");
    let upstream = origin.strip_prefix("http://").unwrap();
    let arguments = ["--upstream", upstream, "--mode", "delay 30", "--control", "127.0.0.1:0"];
    let mut proxy = Process::start(env!("CARGO_BIN_EXE_fault-proxy"), &arguments);
    let line = proxy.line("fault proxy listening on ");
    let addr = line.split_once(' ').unwrap().0;
    let control = proxy.line("fault proxy control on ");

    let run = |url: &str, pace: [&str; 2]| -> Value {
        let body = r#"{"model":"ok","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
        let output = Command::new(env!("CARGO_BIN_EXE_load"))
            .args(["--url", url, "--seconds", "0.3", "--stream", "--body", body])
            .args(["--header", "authorization: Bearer sk-x"])
            .args(pace)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let url = format!("http://{addr}/v1/chat/completions");
    let slow = run(&url, ["--rate", "50"]);
    assert_eq!((slow["sent"].as_u64(), slow["ok"].as_u64()), (Some(15), Some(15)), "{slow}");
    assert!(slow["latency_ms"]["p50"].as_f64().unwrap() >= 30.0, "{slow}");

    let mut lines = TcpStream::connect(control).unwrap();
    lines.write_all(b"pass\n").unwrap();
    let mut answer = String::new();
    BufReader::new(&lines).read_line(&mut answer).unwrap();
    assert_eq!(answer, "ok\n");
    let fast = run(&url, ["--closed", "2"]);
    assert!(fast["ok"].as_u64().unwrap() > 20 && fast["failures"] == 0, "{fast}");
}

#[test]
fn what_is_asked_wrongly_is_refused() {
    for arguments in [
        &["--url", "http://127.0.0.1:1/"][..],
        &["--url", "http://127.0.0.1:1/", "--rate", "1", "--header", "x"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_load")).args(arguments).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
    }
    let output = Command::new(env!("CARGO_BIN_EXE_fault-proxy"))
        .args(["--upstream", "127.0.0.1:1", "--mode", "explode"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("write one of pass, delay MS"));
}
