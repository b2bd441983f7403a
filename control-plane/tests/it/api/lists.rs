//! Lists: pages, filters, orders.

use serde_json::{Value, json};

use super::{Api, hash};

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn keys_are_listed_in_pages_by_filters_and_in_order() {
    let api = Api::start().await;
    api.done("/team/new", json!({"team_id": "red"})).await;
    let mut keys = Vec::new();
    for n in 0..12 {
        let body = json!({
            "key_alias": format!("key_{n:02}"), "max_budget": n, "user_id": if n < 6 { "alice" } else { "bob" },
            "team_id": if n % 3 == 0 { json!("red") } else { json!(null) },
        });
        keys.push(api.key(body).await);
    }
    api.done("/key/block", json!({"key": keys[11]})).await;
    api.sql("update keys set expires_at = now() - interval '1 hour' where alias = 'key_10'").await;

    let page = api.told("/key/list").await;
    assert_eq!(
        (&page["total_count"], &page["current_page"], &page["total_pages"]),
        (&json!(12), &json!(1), &json!(2))
    );
    assert_eq!(strings(&page["keys"]).len(), 10, "hashes, the newest first");
    assert_eq!(page["keys"][0], hash(&keys[11]));
    let alone = api.told(&format!("/key/list?key_hash={}", keys[3])).await;
    assert_eq!(strings(&alone["keys"]), [hash(&keys[3])]);

    let aliases = async |query: &str| -> (Vec<String>, i64) {
        let list = api
            .told(&format!("/key/list?return_full_object=true&sort_by=key_alias&sort_order=asc{query}"))
            .await;
        let aliases = list["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["key_alias"].as_str().unwrap().replace("key_", ""));
        (aliases.collect(), list["total_count"].as_i64().unwrap())
    };
    for (query, found, total) in [
        ("&size=3&page=2", &["03", "04", "05"][..], 12),
        ("&size=5&page=3", &["10", "11"], 12),
        ("&page=9", &[], 12),
        ("&user_id=alice&team_id=red", &["00", "03"], 2),
        ("&user_id=ali", &[], 0),
        ("&user_id=BO&substring_matching=true&size=2", &["06", "07"], 6),
        ("&key_alias=key_07", &["07"], 1),
        ("&search=y_0&size=2", &["00", "01"], 10),
        ("&search=%25", &[], 0),
        ("&status=revoked", &["11"], 1),
        ("&status=expired", &["10"], 1),
        ("&status=active&size=1", &["00"], 10),
        ("&status=deleted", &[], 0),
        ("&organization_id=o", &[], 0),
        ("&key_hash=nonsense", &[], 0),
    ] {
        assert_eq!(aliases(query).await, (found.iter().map(|a| (*a).to_owned()).collect(), total), "{query}");
    }
    let dearest =
        api.told("/key/list?return_full_object=true&sort_by=max_budget&sort_order=desc&size=1").await;
    assert_eq!(dearest["keys"][0]["key_alias"], "key_11");
    assert_eq!(dearest["keys"][0]["token"], hash(&keys[11]));

    for (query, status, part) in [
        ("size=101", 422, r#""loc":["query","size"]"#),
        ("page=0", 422, "greater_than_equal"),
        ("page=x", 422, "int_parsing"),
        ("sort_by=secret", 400, "Invalid sort column: secret"),
        ("sort_order=up", 422, "'asc' or 'desc'"),
        ("status=odd", 400, "Invalid status"),
        ("return_full_object=perhaps", 422, "bool_parsing"),
        ("user_id=%00", 422, "U+0000"),
        ("user_id='%20or%201=1--", 200, r#""total_count":0"#),
    ] {
        let (found, answer) = api.get(&format!("/key/list?{query}")).await;
        assert!(found == status && answer.to_string().contains(part), "{query}: {found} {answer}");
    }

    let page = api.told("/key/aliases?size=5&page=2&search=key_").await;
    assert_eq!(strings(&page["aliases"]), ["key_05", "key_06", "key_07", "key_08", "key_09"]);
    assert_eq!(
        (&page["total_count"], &page["total_pages"], &page["size"]),
        (&json!(12), &json!(3), &json!(5))
    );
    let infos = api.done("/v2/key/info", json!({"keys": [keys[0], hash(&keys[1]), "nobody"]})).await;
    assert_eq!(infos["info"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn teams_and_users_are_listed_in_pages() {
    let api = Api::start().await;
    for n in 0..5 {
        let members = if n < 2 { json!([{"role": "user", "user_id": "alice"}]) } else { json!([]) };
        let body = json!({"team_id": format!("t{n}"), "team_alias": format!("Team {n}"), "members_with_roles": members});
        api.done("/team/new", body).await;
        let body = json!({"user_id": format!("u{n}"), "user_email": format!("u{n}@example.com"), "auto_create_key": n == 0});
        api.done("/user/new", body).await;
    }
    assert_eq!(api.told("/team/list").await.as_array().unwrap().len(), 5);
    assert_eq!(api.told("/team/list?user_id=alice").await.as_array().unwrap().len(), 2);
    assert_eq!(api.told("/team/list?organization_id=o").await, json!([]));
    for (query, ids, total) in [
        ("sort_by=team_id&sort_order=asc&page_size=2&page=2", &["t2", "t3"][..], 5),
        ("user_id=alice&sort_by=team_id&sort_order=desc", &["t1", "t0"], 2),
        ("team_alias=am%203", &["t3"], 1),
        ("team_id=t4", &["t4"], 1),
    ] {
        let list = api.told(&format!("/v2/team/list?{query}")).await;
        let found: Vec<_> =
            list["teams"].as_array().unwrap().iter().map(|team| team["team_id"].as_str().unwrap()).collect();
        assert_eq!((found.as_slice(), list["total"].as_i64()), (ids, Some(total)), "{query}");
    }
    for (query, ids, total) in [
        ("sort_by=user_id&sort_order=asc&page_size=2&page=3", &["u3", "u4"][..], 6),
        ("user_ids=u1,u3&sort_by=user_id&sort_order=asc", &["u1", "u3"], 2),
        ("user_email=U2@", &["u2"], 1),
        ("team=t0", &["alice"], 1),
        ("role=proxy_admin", &[], 0),
    ] {
        let list = api.told(&format!("/user/list?{query}")).await;
        let found: Vec<_> =
            list["users"].as_array().unwrap().iter().map(|user| user["user_id"].as_str().unwrap()).collect();
        assert_eq!((found.as_slice(), list["total"].as_i64()), (ids, Some(total)), "{query}");
    }
    let list = api.told("/user/list?user_ids=u0").await;
    assert_eq!(list["users"][0]["key_count"], 1);
}
