//! Base URLs of providers.

use http::Uri;

/// Checks a base URL: http or https, a host, nothing after the path, no credentials.
///
/// The error quotes nothing of the URL: it may hold a password.
pub(super) fn check(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.contains(['?', '#']) {
        return Err("a base URL ends with its path; `?` and `#` have no place in it");
    }
    if !text.is_ascii() {
        return Err("a base URL is written in ASCII; other letters are escaped");
    }
    let uri: Uri = text.parse().map_err(|_| "this is not a URL")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("a base URL begins with http:// or https://");
    }
    let authority = uri.authority().ok_or("the URL has no host")?;
    if authority.as_str().contains('@') {
        return Err("a base URL holds no user name and password; the key goes into `api_key`");
    }
    if authority.host().is_empty() {
        return Err("the URL has no host");
    }
    if authority.as_str().len() > authority.host().len() && authority.port_u16().is_none_or(|port| port == 0)
    {
        return Err("the port is not a number from 1 to 65535");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_checked() {
        for (url, checked) in [
            ("https://api.openai.com/v1", Ok("https://api.openai.com/v1")),
            ("http://localhost:8000/", Ok("http://localhost:8000")),
            ("http://[::1]:8000/v1", Ok("http://[::1]:8000/v1")),
            ("https://h/v1?x=1", Err("`?`")),
            ("https://h/v1#x", Err("`?`")),
            ("https://user:pw@h/v1", Err("password")),
            ("ftp://h", Err("http://")),
            ("api.openai.com/v1", Err("not a URL")),
            ("localhost", Err("http://")),
            ("/v1", Err("http://")),
            ("http://", Err("not a URL")),
            ("http://:80/", Err("no host")),
            ("http://h:port", Err("port")),
            ("http://h:99999", Err("port")),
            ("http://h:", Err("port")),
            ("http://h/größe", Err("ASCII")),
            ("", Err("not a URL")),
        ] {
            match checked {
                Ok(expected) => assert_eq!(check(url).as_deref(), Ok(expected), "{url}"),
                Err(part) => assert!(check(url).unwrap_err().contains(part), "{url}: {:?}", check(url)),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn checking_never_panics(text in ".{0,40}") {
            let _ = check(&text);
            let _ = check(&format!("http://{text}"));
        }
    }
}
