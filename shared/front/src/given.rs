//! What flags and LiteLLM's variables say of it.

use bulkhead_config::Problem;
use bulkhead_config::flag::problem;

use crate::{Cors, RootPath};

/// The path of `--root-path`, else of `SERVER_ROOT_PATH`.
pub fn root_path(flag: Option<&str>, variable: Option<&str>) -> Result<RootPath, Problem> {
    let Some((name, text)) = given("--root-path", flag, "SERVER_ROOT_PATH", variable) else {
        return Ok(RootPath::default());
    };
    RootPath::parse(text).ok_or_else(|| {
        problem(name, "this is not a path that everybody reads alike", "a path such as /llmproxy or /api/v1")
    })
}

/// The origins of `--cors-origins`, else of `LITELLM_CORS_ORIGINS`; `None` where browsers of other origins may not call.
pub fn cors(flag: Option<&str>, variable: Option<&str>) -> Result<Option<Cors>, Problem> {
    let Some((name, text)) = given("--cors-origins", flag, "LITELLM_CORS_ORIGINS", variable) else {
        return Ok(None);
    };
    Cors::parse(text).map(Some).ok_or_else(|| {
        let remedy =
            "origins as browsers send them, such as https://app.example.com,http://localhost:5173; or *";
        problem(name, "one of these is not an origin", remedy)
    })
}

/// Who says it, and what.
fn given<'t>(
    flag_name: &'static str,
    flag: Option<&'t str>,
    variable_name: &'static str,
    variable: Option<&'t str>,
) -> Option<(&'static str, &'t str)> {
    let said = flag.map(|text| (flag_name, text)).or_else(|| variable.map(|text| (variable_name, text)));
    said.filter(|(_, text)| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_goes_before_the_variable_and_nothing_is_nothing() {
        let root = |flag, variable| root_path(flag, variable).unwrap();
        assert_eq!(root(Some("/a"), Some("/b")).as_str(), "/a");
        assert_eq!(root(None, Some("/b/")).as_str(), "/b");
        assert_eq!(root(Some(""), None).as_str(), "");
        assert_eq!(cors(None, Some(" ")).unwrap(), None);
        assert_eq!(cors(None, Some("*")).unwrap(), Some(Cors::Any));
        let wrong = cors(Some("app.example.com"), None).unwrap_err().to_string();
        assert!(wrong.contains("--cors-origins"), "{wrong}");
        let wrong = root_path(None, Some("/a/../b")).unwrap_err().to_string();
        assert!(wrong.contains("SERVER_ROOT_PATH"), "{wrong}");
    }
}
