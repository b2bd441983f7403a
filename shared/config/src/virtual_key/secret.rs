//! The key itself: `key` or `key_hash`.

use bulkhead_model::{KeyHash, hash};

use crate::field::{Cx, Field, Fields};

/// What the key hashes to, how it is shown, and where it stands.
pub(super) struct Declared<'n> {
    pub(super) hash: KeyHash,
    pub(super) name: String,
    pub(super) field: Field<'n>,
}

/// LiteLLM's shortest custom key, `sk-` included.
const SHORTEST: usize = 16;

/// Digits of a hash that name the key where the key itself is not known.
const SHOWN: usize = 8;

const REMEDY: &str = "key: os.environ/ALICE_KEY, with a key made by: echo \"sk-$(openssl rand -hex 24)\"";

/// Reads the one of the two that is there. `None` is reported.
pub(super) fn read<'n>(fields: &Fields<'n>, cx: &mut Cx<'_>) -> Option<Declared<'n>> {
    match (fields.get("key"), fields.get("key_hash")) {
        (Some(field), None) => from_key(field, cx),
        (None, Some(field)) => from_hash(field, cx),
        (Some(_), Some(field)) => {
            field.error(cx, "`key` and `key_hash` say the same thing twice", "one of the two");
            None
        }
        (None, None) => {
            let path = format!("{}.key", fields.path);
            cx.report.error(fields.place, &path, "there is neither `key` nor `key_hash`", REMEDY);
            None
        }
    }
}

fn from_key<'n>(field: Field<'n>, cx: &mut Cx<'_>) -> Option<Declared<'n>> {
    let errors_before = cx.report.errors();
    let Some(key) = field.secret(cx) else {
        if cx.report.errors() == errors_before {
            field.error(cx, "the key is empty", REMEDY);
        }
        return None;
    };
    let key = key.expose();
    if !key.starts_with("sk-") {
        field.error(cx, "a key begins with `sk-`", REMEDY);
        return None;
    }
    if key.len() < SHORTEST || key.contains(' ') {
        let what = format!("a key has at least {SHORTEST} characters, `sk-` included, and no blanks");
        field.error(cx, what, REMEDY);
        return None;
    }
    Some(Declared { hash: KeyHash::of(key), name: hash::masked(key), field })
}

fn from_hash<'n>(field: Field<'n>, cx: &mut Cx<'_>) -> Option<Declared<'n>> {
    let text = field.secret(cx)?;
    match KeyHash::from_hex(text.expose()) {
        Ok(hash) => {
            let shown: String = hash.to_string().chars().take(SHOWN).collect();
            Some(Declared { hash, name: format!("sha256:{shown}"), field })
        }
        Err(error) => {
            field.error(cx, error.to_string(), "key_hash: the digits of: printf %s \"$KEY\" | sha256sum");
            None
        }
    }
}
