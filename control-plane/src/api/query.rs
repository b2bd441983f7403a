//! Parameters of the query.

use super::refusal::Refusal;
use crate::domain::field::Wrong;
use crate::store::terms::{Order, Page};

/// The query of a request.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Result<Self, Refusal> {
        for (name, value) in &pairs {
            if value.contains('\0') {
                return Err(Refusal::query(name, Wrong::value("a text cannot hold the character U+0000")));
            }
        }
        Ok(Self(pairs))
    }

    /// A text; an empty one says nothing.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a name, also several in one, with commas between them.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let parts = self.all(name).flat_map(|value| value.split(','));
        parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// True or false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0" | "no" | "off") => Ok(false),
            Some("true" | "1" | "yes" | "on") => Ok(true),
            Some(_) => Err(Refusal::query(
                name,
                Wrong::new("bool_parsing", "Input should be a valid boolean, unable to interpret input"),
            )),
        }
    }

    /// The page, of at most a hundred.
    pub(crate) fn page(&self, size: &str, usual: i64) -> Result<Page, Refusal> {
        self.page_of(size, usual, 100)
    }

    /// The page, of at most so many.
    pub(crate) fn page_of(&self, size: &str, usual: i64, most: i64) -> Result<Page, Refusal> {
        let number = self.number("page", 1, i64::from(i32::MAX))?.unwrap_or(1);
        let size = self.number(size, 1, most)?.unwrap_or(usual);
        Ok(Page { number, size })
    }

    /// A whole number between two.
    pub(crate) fn number(&self, name: &str, least: i64, most: i64) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number: i64 = text.trim().parse().map_err(|_| {
            let message = "Input should be a valid integer, unable to parse string as an integer";
            Refusal::query(name, Wrong::new("int_parsing", message))
        })?;
        if number < least {
            let message = format!("Input should be greater than or equal to {least}");
            return Err(Refusal::query(name, Wrong::new("greater_than_equal", message)));
        }
        if number > most {
            let message = format!("Input should be less than or equal to {most}");
            return Err(Refusal::query(name, Wrong::new("less_than_equal", message)));
        }
        Ok(Some(number))
    }

    /// The order by one of the columns that are offered as (name, column).
    pub(crate) fn order(
        &self,
        by: &str,
        offered: &[(&'static str, &'static str)],
        usual: Order,
    ) -> Result<Order, Refusal> {
        let column = match self.text(by) {
            None => usual.by,
            Some(asked) => offered
                .iter()
                .find(|(name, _)| *name == asked)
                .map(|(_, column)| *column)
                .ok_or_else(|| {
                    let names: Vec<_> = offered.iter().map(|(name, _)| *name).collect();
                    Refusal::bad(format!("Invalid sort column: {asked}. Use one of: {}", names.join(", ")))
                        .param(by)
                })?,
        };
        let descending = match self.text("sort_order") {
            Some("asc") => false,
            Some("desc") => true,
            None => usual.descending,
            Some(_) => {
                let wrong = Wrong::new("literal_error", "Input should be 'asc' or 'desc'");
                return Err(Refusal::query("sort_order", wrong));
            }
        };
        Ok(Order { by: column, descending })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        Query::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
            .unwrap()
    }

    #[test]
    fn pages_are_bounded() {
        let page = query(&[("page", "3"), ("size", "100")]).page("size", 10).unwrap();
        assert_eq!((page.number, page.size), (3, 100));
        for pairs in [[("page", "0")], [("size", "0")], [("size", "101")], [("page", "x")], [("page", "-1")]]
        {
            assert!(matches!(query(&pairs).page("size", 10), Err(Refusal::Invalid(_))), "{pairs:?}");
        }
    }

    #[test]
    fn lists_and_flags_are_read_as_people_write_them() {
        assert_eq!(query(&[("ids", "a,b"), ("ids", "c")]).list("ids"), ["a", "b", "c"]);
        assert!(query(&[("flag", "True")]).flag("flag").unwrap());
        assert!(!query(&[("flag", "")]).flag("flag").unwrap());
        assert!(query(&[("flag", "perhaps")]).flag("flag").is_err());
        assert!(Query::new(vec![("a".into(), "\0".into())]).is_err());
    }
}
