//! LiteLLM's own management client against a data plane's base URL.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::management::both;
use crate::support::{MASTER, alone};

/// The environment that `make test` makes from `tests/litellm/requirements.lock`.
fn python() -> PathBuf {
    let python = std::env::var_os("BULKHEAD_LITELLM_PYTHON").map(PathBuf::from);
    python
        .filter(|path| path.exists())
        .expect("BULKHEAD_LITELLM_PYTHON is not set: run the tests with `make test`")
}

#[tokio::test]
async fn litellms_management_client_works() {
    let _alone = alone().await;
    let (rig, control_plane, node) = both().await;
    control_plane.api().change("/model/new?wait=applied", rig.model("demo")).await;
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/litellm");
    let output = Command::new(python())
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg(tests)
        .env("GATEWAY", format!("http://{}", node.addr))
        .env("GATEWAY_MASTER_KEY", MASTER)
        .env("GATEWAY_PROVIDER", rig.mock.base_url())
        // It would fetch prices from the internet.
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
