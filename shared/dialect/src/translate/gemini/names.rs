//! Names of members. Google takes them in camelCase and in snake_case.

use std::borrow::Cow;

use super::super::json;

/// The members of an object with their names in camelCase, without those that are null.
pub(in super::super) fn fields(object: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, &[u8])> {
    json::fields(object).map(|(name, value)| (camel(name), value))
}

/// The value of the last member of this name, which is given in camelCase.
pub(in super::super) fn get<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    fields(object).filter(|(found, _)| found == name).last().map(|(_, value)| value)
}

/// The text of the member of this name.
pub(in super::super) fn get_text<'a>(object: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    get(object, name).and_then(json::text)
}

/// The elements of a list; Google takes one element without its list.
pub(in super::super) fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let single = value.starts_with(b"{").then_some(value);
    json::items(value).chain(single)
}

fn camel(name: Cow<'_, str>) -> Cow<'_, str> {
    if !name.contains('_') {
        return name;
    }
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                camel.push(letter.to_ascii_uppercase());
                upper = false;
            }
            letter => camel.push(letter),
        }
    }
    camel.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_name() {
        let data = br#"{"inline_data":1,"mimeType":2,"a":null,"response_json_schema":3}"#;
        let all: Vec<String> = fields(data).map(|(name, _)| name.into_owned()).collect();
        assert_eq!(all, ["inlineData", "mimeType", "responseJsonSchema"]);
        assert_eq!(get(data, "inlineData"), Some(&b"1"[..]));
    }

    #[test]
    fn one_element_needs_no_list() {
        assert_eq!(items(b"[{},1]").count(), 2);
        assert_eq!(items(b"{}").count(), 1);
        assert_eq!(items(b"1").count(), 0);
    }
}
