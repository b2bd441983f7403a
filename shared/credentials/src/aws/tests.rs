//! AWS's own vectors, and what botocore signs for Bedrock.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, UriPathNormalizationMode,
};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::*;

fn keys(token: Option<&str>) -> Keys {
    Keys {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: token.map(Secret::new),
    }
}

fn hash(body: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn get<'a>(headers: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
}

/// A request as it stands in a file: lines that begin with a space go on with the header before.
struct Vector {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn read(text: &str) -> Vector {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    let (method, rest) = first.split_once(' ').unwrap();
    // What a URL cannot have is encoded, as a client would.
    let encoded = |byte: u8| match byte {
        b'!'..=b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let target = rest.rsplit_once(' ').unwrap().0.bytes().map(encoded).collect();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        match (line.starts_with(' '), headers.last_mut()) {
            (true, Some((_, value))) => *value = format!("{value} {}", line.trim()),
            _ => {
                let (name, value) = line.split_once(':').unwrap();
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }
    Vector { method: method.to_owned(), target, headers, body: body.to_owned() }
}

fn settings(context: &Value) -> SigningSettings {
    let mut settings = SigningSettings::default();
    // The suite encodes once.
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    if context["normalize"] == false {
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    if context["sign_body"] == true {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if context["omit_session_token"] == true {
        settings.session_token_mode = SessionTokenMode::Exclude;
    }
    settings
}

#[test]
fn awss_vectors_are_signed_as_aws_signs_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws-signing-test-suite");
    let folders = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut signed = 0;
    for folder in folders.filter(|path| path.is_dir()) {
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let context: Value = serde_json::from_str(&text("context.json")).unwrap();
        let vector = read(&text("request.txt"));
        let host = vector.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).unwrap();
        let headers: Vec<(&str, &str)> =
            vector.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = Request {
            method: &vector.method,
            url: &format!("https://{}{}", host.1, vector.target),
            headers: &headers,
            body_hash: &hash(vector.body.as_bytes()),
        };
        let time = OffsetDateTime::parse(context["timestamp"].as_str().unwrap(), &Rfc3339).unwrap();
        let keys = keys(context["credentials"]["token"].as_str());
        let scope = Scope { region: "us-east-1", service: "service" };
        let made = sign_with(&request, &keys, scope, time.into(), settings(&context)).unwrap();
        let expected = read(&text("header-signed-request.txt"));
        let expected = |name: &str| {
            let found = expected.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
            assert_eq!(get(&made, name).map(str::to_owned), expected(name), "{name} of {}", folder.display());
        }
        signed += 1;
    }
    assert_eq!(signed, 38);
}

/// A model's name has `:`, and `/` where it is an ARN.
#[test]
fn bedrocks_paths_are_signed_as_botocore_signs_them() {
    for (model, operation, token, signature) in [
        (
            "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
            "converse",
            None,
            "87e114dcbbaf782b0b033c88905b9bf9956d44b2a0f41c3174eac2780fb31277",
        ),
        (
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc123",
            "converse-stream",
            Some("a/token+="),
            "8a3003755f73c1848af4a79d52166a28d86c3a3eb1f3d23683bb2c7313f57f25",
        ),
    ] {
        let request = Request {
            method: "POST",
            url: &format!("https://bedrock-runtime.us-east-1.amazonaws.com/model/{model}/{operation}"),
            headers: &[("content-type", "application/json")],
            body_hash: &hash(br#"{"messages":[]}"#),
        };
        let scope = Scope { region: "us-east-1", service: "bedrock" };
        // 2026-01-02, 03:04:05
        let time = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        let made = sign(&request, &keys(token), scope, time).unwrap();
        assert!(get(&made, "authorization").unwrap().ends_with(signature), "{made:?}");
        assert_eq!(get(&made, "x-amz-date"), Some("20260102T030405Z"));
        assert_eq!(get(&made, "x-amz-security-token"), token);
    }
}

#[test]
fn what_is_no_address_is_not_signed() {
    let request = Request { method: "POST", url: "https://a b/", headers: &[], body_hash: "" };
    let scope = Scope { region: "r", service: "s" };
    assert!(sign(&request, &keys(None), scope, UNIX_EPOCH).is_err());
    let request = Request { url: "https://a/", headers: &[("x", "a\nb")], ..request };
    assert!(sign(&request, &keys(None), scope, UNIX_EPOCH).is_err());
}
