//! A second opinion on signatures: Version 4 computed from a request as it arrived, by AWS's description of it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

use crate::upstream::Asked;

/// Whose keys a request must be signed with, and for what.
#[derive(Clone, Copy)]
pub(super) struct Signer<'s> {
    pub(super) access_key_id: &'s str,
    pub(super) secret: &'s str,
    pub(super) session: Option<&'s str>,
    pub(super) region: &'s str,
    pub(super) service: &'s str,
}

/// Panics with what is wrong where a request is not signed as AWS wants it.
pub(super) fn assert_signed(asked: &Asked, signer: Signer<'_>) {
    let said = header(asked, "authorization").expect("an authorization header");
    let said = said.strip_prefix("AWS4-HMAC-SHA256 ").expect("a signature of Version 4");
    let part = |name: &str| {
        let parts = said.split(", ").find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        parts.expect("a part of the signature").to_owned()
    };
    let time = header(asked, "x-amz-date").unwrap();
    let scope = format!("{}/{}/{}/aws4_request", &time[..8], signer.region, signer.service);
    assert_eq!(part("Credential"), format!("{}/{scope}", signer.access_key_id));
    assert_eq!(header(asked, "x-amz-security-token").as_deref(), signer.session);
    let names = part("SignedHeaders");
    let is_signed = |name: &str| names.split(';').any(|signed| signed == name);
    for name in asked.head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name) {
        let must = name == "host" || name.starts_with("x-amz-");
        assert!(!must || is_signed(name), "{name} is not signed");
    }
    let canonical = canonical(asked, &names);
    let text =
        format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(digest(&SHA256, canonical.as_bytes()).as_ref()));
    let steps = [&time[..8], signer.region, signer.service, "aws4_request", &text];
    let signature = steps.iter().fold(format!("AWS4{}", signer.secret).into_bytes(), |key, step| {
        sign(&Key::new(HMAC_SHA256, &key), step.as_bytes()).as_ref().to_vec()
    });
    assert_eq!(part("Signature"), hex(&signature), "{canonical}");
}

fn canonical(asked: &Asked, names: &str) -> String {
    let mut first = asked.head.lines().next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap(), first.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: String = names
        .split(';')
        .map(|name| format!("{name}:{}\n", header(asked, name).expect("a signed header that arrived")))
        .collect();
    let body = hex(digest(&SHA256, asked.body.as_bytes()).as_ref());
    format!("{method}\n{}\n{query}\n{headers}\n{names}\n{body}", encoded(path))
}

/// Once more than it was sent.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

pub(super) fn header(asked: &Asked, name: &str) -> Option<String> {
    let mut lines = asked.head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
