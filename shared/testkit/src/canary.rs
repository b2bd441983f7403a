//! Secrets to plant wherever a secret or private text can be, and the search for them in whatever comes out.
//!
//! Each canary has a random-looking middle that occurs nowhere else; finding that middle is finding the secret, also
//! where a prefix was cut off, the ends were masked, or it was encoded in base64 as a whole.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A secret that is planted in one kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canary {
    /// Where it belongs.
    pub place: &'static str,
    /// The secret: harmless in URLs, headers, JSON and YAML.
    pub secret: &'static str,
}

macro_rules! canaries {
    ($(#[doc = $all:literal])+ $list:ident: $count:literal; $($(#[doc = $doc:literal])+ $name:ident = $place:literal, $secret:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: &str = $secret;)+

        $(#[doc = $all])+
        pub const $list: [Canary; $count] = [$(Canary { place: $place, secret: $secret },)+];
    };
}

canaries! {
    /// Every canary of any gateway.
    ALL: 24;

    /// The master key.
    MASTER_KEY = "master key", "sk-canary-master-q7Xw2NfKp9Rt4VbZ-a0";
    /// A virtual key that works.
    VIRTUAL_KEY = "virtual key", "sk-canary-virtual-m3Hc8YsLd6Gj1TuE-a1";
    /// A virtual key of another team.
    OTHER_KEY = "another virtual key", "sk-canary-other-z5Pk0WvQn2Fx7BrA-a2";
    /// A key that the gateway does not know.
    UNKNOWN_KEY = "unknown key", "sk-canary-unknown-c9Jt4DmSy6Uh3OeI-a3";
    /// A key that has expired.
    EXPIRED_KEY = "expired key", "sk-canary-expired-b1Vg8XlRw5Ka2NzC-a4";
    /// A key in a query string.
    QUERY_KEY = "key in a query", "sk-canary-query-f6Ty3HpMj0Es9LdW-a5";
    /// OpenAI's key.
    OPENAI_KEY = "OpenAI key", "sk-canary-openai-r2Bn7QcZv4Xo8GkU-a6";
    /// Anthropic's key.
    ANTHROPIC_KEY = "Anthropic key", "sk-ant-canary-w0Ls5FiYt9Jb1PmD-a7";
    /// Azure's key.
    AZURE_KEY = "Azure key", "canary-azure-h4Rd6KuVx3Ng7SqT-a8";
    /// A key read from the environment.
    ENVIRONMENT_KEY = "key from the environment", "sk-canary-environment-y8Wa1CzOf5Mh2JvE-a9";
    /// A secret in a deployment's `extra_headers`.
    EXTRA_HEADER = "extra header", "canary-extra-header-t3Gp9BsXk6Lu0QyR-b0";
    /// A secret in a deployment's `extra_body`.
    EXTRA_BODY = "extra body", "canary-extra-body-n7Ze2HdVw4Tc8FjI-b1";
    /// A key inside an `api_base`.
    BASE_URL = "credential in a base URL", "canary-base-url-k5Um1RxPo9Ys3GaL-b2";
    /// A password in a database URL.
    DATABASE_URL = "database password", "canary-database-d0Qi6NbSv2Wf7CtH-b3";
    /// A password in a Redis URL.
    REDIS_URL = "Redis password", "canary-redis-x4Jl8EzKg1Mp5VrO-b4";
    /// A join token.
    JOIN_TOKEN = "join token", "canary-join-token-a9Th3YwUc7Bn0DsX-b5";
    /// The key of the snapshot on disk.
    STATE_KEY = "state key", "canary-state-key-g2Fq6LkRe4Zo8PvJ-b6";
    /// A client's cookie.
    CLIENT_COOKIE = "client's cookie", "canary-client-cookie-s1Im5WxTu9Hy3NdB-b7";
    /// A provider's cookie.
    PROVIDER_COOKIE = "provider's cookie", "canary-provider-cookie-e7Cz0KaGf4Qv8RlM-b8";
    /// An unknown header of the client.
    CLIENT_HEADER = "client's header", "canary-client-header-p6Vj2OsYb1Xt5UhW-b9";
    /// The text of a prompt.
    PROMPT = "prompt", "canary-prompt-l3Dn9FeSi7Kg0ZcQ-c0";
    /// The text of an answer.
    ANSWER = "answer", "canary-answer-v8Br4TmPx2Wy6JaE-c1";
    /// A tool's arguments.
    TOOL_ARGUMENTS = "tool arguments", "canary-tool-arguments-u5Ho1GzLc9Nf3RkS-c2";
    /// Metadata of a request.
    METADATA = "metadata", "canary-metadata-i0Qd7VtUj4Mw8YsX-c3";
}

canaries! {
    /// Those of accounts with clouds.
    OF_CLOUDS: 4;

    /// The secret half of AWS's keys.
    AWS_SECRET = "AWS secret", "canary-aws-secret-o2Xb6NfUh9Lp4TyK-d0";
    /// The token of a session with AWS.
    AWS_SESSION = "AWS session", "canary-aws-session-r5Gw1MzQk8Jc3VdE-d1";
    /// The secret of an application of Entra's.
    ENTRA_SECRET = "Entra secret", "canary-entra-y7Ls0HtBa2Pn6FiC-d2";
    /// An access token of a cloud's.
    ACCESS_TOKEN = "access token", "canary-access-token-w4Ev9RjZo1Ux5SqG-d3";
}

impl Canary {
    /// The 16 characters that are looked for.
    fn middle(&self) -> &'static str {
        self.secret.rsplit('-').nth(1).unwrap_or(self.secret)
    }

    /// True where the secret, the middle of it, or its base64 is in `bytes`.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        let encoded = STANDARD.encode(self.secret);
        // The last group depends on what follows the secret.
        let encoded = encoded.get(..encoded.len() - 4).unwrap_or(&encoded);
        let found = |text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
        found(self.middle()) || found(encoded)
    }
}

/// The canaries that are in `bytes`.
pub fn scan(bytes: &[u8]) -> Vec<Canary> {
    ALL.into_iter().chain(OF_CLOUDS).filter(|canary| canary.is_in(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_are_distinct_and_each_finds_only_itself() {
        for canary in ALL.into_iter().chain(OF_CLOUDS) {
            assert_eq!(canary.middle().len(), 16, "{}", canary.place);
            let found = scan(format!("level=info key={} ok", canary.secret).as_bytes());
            assert_eq!(found, [canary]);
        }
    }

    #[test]
    fn a_canary_is_found_in_part_and_encoded_but_not_when_masked() {
        let canary = ALL[0];
        assert_eq!(scan(&MASTER_KEY.as_bytes()[10..MASTER_KEY.len() - 3]), [canary]);
        assert_eq!(scan(STANDARD.encode(MASTER_KEY).as_bytes()), [canary]);
        assert!(scan(b"sk-...Z-a0 and sk-canary-master-****").is_empty());
    }
}
