//! Coding agents as their makers ship them: each calls its own tools because a model says so, in a network that ends
//! at this machine. What they send is theirs and is compared, not kept.

mod alone;
mod check;
mod desk;
mod tap;

use std::path::{Path, PathBuf};
use std::process::Command;

use bulkhead_testkit::{GatewayYaml, MockProvider, canary};
use serde_json::{Value, json};

use self::alone::alone;
use self::check::Way;
use self::desk::{Desk, run};
use self::tap::Tap;
use crate::sdk::made;
use crate::support::{Gateway, MASTER};

/// An agent, and how it is told where its models are.
struct Agent {
    /// The tools that read a file and copy it, with their arguments.
    tools: fn(&Desk) -> [(&'static str, Value); 2],
    /// The program, set up for the gateway at this address, its model and what the user says.
    command: fn(&Desk, &str, &str, &str) -> Command,
}

const CLAUDE_CODE: Agent = Agent { tools: claude_code_tools, command: claude_code };
const CODEX: Agent = Agent { tools: codex_tools, command: codex };
const GEMINI_CLI: Agent = Agent { tools: gemini_cli_tools, command: gemini_cli };

const COPY: &str = "cp note.txt copy.txt";

fn installed(program: &str) -> PathBuf {
    made("BULKHEAD_AGENTS").join(program)
}

fn claude_code_tools(desk: &Desk) -> [(&'static str, Value); 2] {
    [("Read", json!({"file_path": desk.note()})), ("Bash", json!({"command": COPY, "description": "Copies"}))]
}

fn claude_code(desk: &Desk, url: &str, model: &str, prompt: &str) -> Command {
    let mut command = desk.command(Path::new("node"));
    command.arg(installed("@anthropic-ai/claude-code/cli-wrapper.cjs"));
    command.args(["-p", prompt, "--model", model, "--allowedTools", "Read,Bash"]);
    command.env("ANTHROPIC_BASE_URL", url).env("ANTHROPIC_API_KEY", canary::VIRTUAL_KEY);
    command
}

fn codex_tools(_: &Desk) -> [(&'static str, Value); 2] {
    ["cat note.txt", COPY].map(|command| ("exec_command", json!({"cmd": command})))
}

fn codex(desk: &Desk, url: &str, model: &str, prompt: &str) -> Command {
    // Its maker's statistics go nowhere here, and it waits five seconds for that.
    let config = format!(
        r#"
model = "{model}"
model_provider = "bulkhead"
analytics.enabled = false

[model_providers.bulkhead]
name = "Bulkhead"
base_url = "{url}/v1"
env_key = "BULKHEAD_KEY"
wire_api = "responses"
"#
    );
    desk.write(".codex/config.toml", &config);
    let mut command = desk.command(Path::new("node"));
    command.arg(installed("@openai/codex/bin/codex.js")).args(["exec", "--skip-git-repo-check"]);
    // Its sandbox needs rights that a container may lack.
    command.args(["--dangerously-bypass-approvals-and-sandbox", prompt]);
    command.env("BULKHEAD_KEY", canary::VIRTUAL_KEY);
    command
}

fn gemini_cli_tools(desk: &Desk) -> [(&'static str, Value); 2] {
    [
        ("read_file", json!({"file_path": desk.note()})),
        ("run_shell_command", json!({"command": COPY, "description": "Copies"})),
    ]
}

fn gemini_cli(desk: &Desk, url: &str, model: &str, prompt: &str) -> Command {
    desk.write(".gemini/settings.json", r#"{"security":{"auth":{"selectedType":"gemini-api-key"}}}"#);
    let mut command = desk.command(Path::new("node"));
    command.arg(installed("@google/gemini-cli/bundle/gemini.js")).args(["--yolo", "--skip-trust"]);
    command.args(["--model", model, "--prompt", prompt]);
    command.env("GOOGLE_GEMINI_BASE_URL", url).env("GEMINI_API_KEY", canary::VIRTUAL_KEY);
    command
}

/// The name of a group is the model that agents ask for. What comes to `at-…` is translated, and nothing that the
/// provider does not know may be in it.
fn models(mock: &MockProvider) -> GatewayYaml {
    let groups = [
        ("claude-sonnet-5-5", "anthropic", "claude-sonnet-4-5+agent", "claude-sonnet-4-5"),
        ("gpt-5", "openai", "gpt-5+agent", "gpt-5"),
        ("gemini-2.5-pro", "gemini", "gemini-2.5-pro+agent", "gemini/gemini-2.5-pro"),
        ("at-anthropic", "anthropic", "claude-sonnet-4-5+agent+strict", "claude-sonnet-4-5"),
        ("at-openai", "openai", "gpt-5+agent+strict", "gpt-5"),
        ("at-chat-dropping", "moonshot", "moonshot-v1-128k+agent+strict", "moonshot/moonshot-v1-128k"),
        ("at-gemini-dropping", "gemini", "gemini-2.5-pro+agent+strict", "gemini/gemini-2.5-pro"),
        ("at-gemini", "gemini", "gemini-2.5-pro+agent+strict", "gemini/gemini-2.5-pro"),
    ];
    let yaml = groups.into_iter().fold(GatewayYaml::new().master_key(MASTER), |yaml, group| {
        let (group, provider, model, price) = group;
        let base = if provider == "anthropic" { mock.origin() } else { mock.base_url() };
        let yaml = yaml.deployment(group).provider(provider).model(model).base(base);
        let yaml = yaml.key(canary::OPENAI_KEY).info("base_model", price);
        // Claude Code says how hard to think, Codex offers a search of the web.
        if group.ends_with("-dropping") { yaml.param("drop_params", true) } else { yaml }
    });
    yaml.virtual_key(canary::VIRTUAL_KEY)
}

/// The agent reads a file and copies it, with a model of each of these ways.
async fn works(agent: Agent, ways: &[Way]) {
    let mock = MockProvider::start();
    let gateway = Gateway::with(models(&mock).text()).start().await;
    let tap = Tap::start(gateway.addr).await;
    let mut turns = 0;
    for way in ways {
        mock.reset();
        let desk = Desk::new();
        let tools = (agent.tools)(&desk);
        let prompt =
            tools.map(|(tool, arguments)| format!("Call the tool {tool} with {arguments}.")).join(" ");
        let output = run((agent.command)(&desk, &tap.url(), way.group, &prompt)).await;
        let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        let group = way.group;
        let done = output.status.success() && said[0].contains("This is a mock answer");
        assert!(done, "{group}: {}\n{}\n{}", output.status, said[0], said[1]);
        assert_eq!(desk.copy().as_deref(), Some(desk::NOTE), "{group}: {}", said[1]);
        way.check(&mock, &tap.take());
        turns += mock.requests().len();
        check::settled(&gateway, &mock, turns).await;
    }
}

#[test]
fn claude_code_works() {
    alone(
        "agents::claude_code_works",
        works(
            CLAUDE_CODE,
            &[
                Way::own("claude-sonnet-5-5", "/v1/messages"),
                Way::to("at-openai", "/v1/chat/completions"),
                Way::to("at-chat-dropping", "/v1/chat/completions"),
                Way::to("at-gemini", "/v1beta/models/{model}:generateContent"),
            ],
        ),
    );
}

#[test]
fn codex_works() {
    alone(
        "agents::codex_works",
        works(
            CODEX,
            &[
                Way::own("gpt-5", "/v1/responses"),
                Way::to("at-anthropic", "/v1/messages"),
                Way::to("at-chat-dropping", "/v1/chat/completions"),
                Way::to("at-gemini-dropping", "/v1beta/models/{model}:generateContent"),
            ],
        ),
    );
}

#[test]
fn gemini_cli_works() {
    alone(
        "agents::gemini_cli_works",
        works(
            GEMINI_CLI,
            &[
                Way::own("gemini-2.5-pro", "/v1beta/models/{model}:generateContent"),
                Way::to("at-anthropic", "/v1/messages"),
                Way::to("at-openai", "/v1/chat/completions"),
            ],
        ),
    );
}
