//! A network of a test's own, with nothing in it but the loopback interface: what a program sends elsewhere goes nowhere.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Output};

/// Set where the test is in its own network already.
const ALONE: &str = "BULKHEAD_ALONE";

/// Runs the test of this name again, as a process in a new network namespace, and there the scenario.
pub(super) fn alone(test: &str, scenario: impl Future<Output = ()>) {
    if std::env::var_os(ALONE).is_some() {
        return tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(scenario);
    }
    let made = in_new_network(&mut Command::new("true"));
    assert!(
        made.status.success(),
        "no network namespace can be made: run the tests as root, or allow user namespaces \
         (sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0); \
         `unshare` and `ip` are needed, too: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let mut again = Command::new(std::env::current_exe().unwrap());
    let output = in_new_network(again.args([test, "--exact", "--nocapture"]));
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let passed = output.status.success() && said[0].contains("1 passed");
    assert!(passed, "{}\n{}", said[0], said[1]);
}

fn in_new_network(command: &mut Command) -> Output {
    // Who is root needs no user namespace, which may be forbidden; others become root in one.
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let namespaces: &[&str] = if root { &["--net"] } else { &["--net", "--map-root-user"] };
    Command::new("unshare")
        .args(namespaces)
        .args(["sh", "-c", r#"ip link set lo up && exec "$@""#, "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .env(ALONE, "1")
        .output()
        .expect("`unshare` runs: install util-linux")
}
